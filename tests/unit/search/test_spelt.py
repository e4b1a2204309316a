"""How what is asked for is written, and how notes write it: numbers, days, names and paths, words in one or in two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.search.test_rank import FILLER, fill, first, paths, target
from tests.world import World
from vragd.catalog.asked import asked as parsed
from vragd.catalog.asked import whole_terms
from vragd.search.ask import Question, ask


def test_a_number_written_together_finds_its_note_also_beside_other_words(world: World) -> None:
    beside = {f"s{i}.md": f"The server of number {i} answers pings, on the rack of the server." for i in range(60)}
    notes = {
        "Roses.md": "Pruned in March, from 10.20.0.15 on.", "Paint.md": "Tin bought on 2021-06-14, half of it left.",
        "Bulbs.md": "---\nbought: 2020-05-17\n---\nTulips and crocuses.",
    }  # fmt: skip
    fill(world, FILLER | beside | notes)
    for asked, path in (
        ("server 10.20.0.15", "Roses.md"), ("what is 10.20.0.15 about", "Roses.md"),
        ("server 2021-06-14", "Paint.md"), ("server 2020-05-17", "Bulbs.md"),
    ):  # fmt: skip
        for mode in ("hybrid", "keyword"):
            assert path in paths(world, asked, mode=mode), (asked, mode)


def test_who_has_the_very_address_that_few_have_is_a_good_match_whatever_else_is_asked(world: World) -> None:
    fill(world, FILLER | {"Printer.md": "10.20.0.15, in the hall.", "Cup.md": "Won 1.9 in the end."})
    assert paths(world, "nameserver zone 10.20.0.15") == ["Printer.md"]
    assert paths(world, "nameserver zone 10.20.0.16") == []
    assert paths(world, "nameserver zone 1.9") == [], "two numbers meet by chance"
    everywhere = {f"h{i}.md": f"Host {i} behind 10.20.0.15" for i in range(11)}
    fill(world, everywhere)
    assert paths(world, "nameserver zone 10.20.0.15") == []


def test_a_link_or_a_place_that_is_the_whole_question_is_the_note_it_leads_to(world: World) -> None:
    notes = {
        "Books/1984.md": "Winston and the telescreen.", "Read.md": "Books: 1984, 1984 again, and books of 1984.",
        "Books/Go.md": "Stones.", "Work/Go.md": "Goroutines.", "Net/IP.md": "Addresses.", "Net/Both.md": "On TCP/IP.",
    }  # fmt: skip
    fill(world, FILLER | notes)
    label = world.source.label
    for asked, path in (
        ("[[1984]]", "Books/1984.md"), ("![[1984#Part one|the book]]", "Books/1984.md"),
        ("[[Books/1984]]", "Books/1984.md"), (f"{label}/Books/1984.md", "Books/1984.md"),
        (f"{label}/Books/1984.md:1-1", "Books/1984.md"), ("./Books/1984.md", "Books/1984.md"),
        ("Books\\1984.md", "Books/1984.md"), ("/home/me/vault/Work/Go.md", "Work/Go.md"),
        (f"{label}/Books/Go", "Books/Go.md"), ("tcp/ip", "Net/Both.md"),
    ):  # fmt: skip
        assert first(world, asked) == path, asked


@pytest.mark.parametrize(
    "asked",
    ["2026-04-09", "20260409", "2026/04/09", "2026-4-9", "9.4.2026", "09. 04. 2026", "April 9 2026", "Apr 9, 2026",
     "Thursday, April 9th, 2026", "9 april 2026", "9. April 2026", "Thu 9 Apr 2026"],
)  # fmt: skip
def test_a_day_that_is_the_whole_question_is_the_note_of_that_day_however_it_is_written(
    world: World, asked: str
) -> None:
    notes = {
        "2026-04-09.md": "Called the plumber.", "2026-04-08.md": "Tomorrow, 2026-04-09, call: 9.4.2026, 2026/04/09.",
        "Plans.md": "April 9 2026 is a Thursday in April, 9 April 2026. Thursdays in April of 2026.",
        "2026-09-04.md": "April, 9.",
    }  # fmt: skip
    fill(world, notes)
    assert first(world, asked) == "2026-04-09.md"


def test_what_is_no_day_or_two_in_one_names_no_note() -> None:
    none = "9/4/2026", "2026/02/30", "2026.4.9", "31 June 2026", "April 2026", "2026-04-09 2026-04-10"
    for asked in none:
        assert not [name for name in parsed(asked).names if name.startswith("date ")], asked


def test_what_is_written_together_counts_in_a_name_as_words_do(world: World) -> None:
    told = "Mum wrote on that day, 2026-04-09, of the trip, of the dog and of her garden. "
    notes = {"2026-04-09.md": "Rain. Mum called.", "Mum.md": told * 3, "Trip.md": told}
    fill(world, FILLER | notes)
    hits = {hit.path: hit for hit in ask(target(world), Question("mum 2026-04-09", explain=True, mode="keyword")).hits}
    assert hits["2026-04-09.md"].parts and hits["Trip.md"].parts
    assert hits["2026-04-09.md"].parts["cover"] == 1.0, "its name belongs to each of its passages"
    assert next(iter(hits)) == "2026-04-09.md"
    assert hits["2026-04-09.md"].parts["words"] > hits["Trip.md"].parts["words"]


def test_a_day_of_a_property_belongs_to_each_passage_of_a_long_note(world: World) -> None:
    long = "\n\n".join(f"## Part {i}\n\n" + f"Walls, roofs and pipes of house {i}. " * 30 for i in range(8))
    fill(world, FILLER | {"House.md": f"---\nbought: 2020-05-17\n---\n{long}\n\n## Boiler\n\nThe boiler is old."})
    (hit,) = ask(target(world), Question("boiler 2020-05-17", explain=True, mode="keyword")).hits
    assert hit.parts and hit.parts["cover"] == 1.0


@pytest.mark.parametrize(
    ("asked", "path", "instead"),
    [("pourover", "Pour-over.md", "pour over"), ("todo", "Lists/To-do.md", "to do"),
     ("OBrien", "O’Brien.md", "o brien"), ("sunscreen towels", "Packing.md", "sun screen"),
     ("leguin", "Book.md", "le guin"), ("wifi", "Home.md", "wi fi")],
)  # fmt: skip
def test_a_word_written_together_finds_it_written_apart_and_that_is_said(
    world: World, asked: str, path: str, instead: str
) -> None:
    notes = {
        "Pour-over.md": "Rinse the filter.", "Lists/To-do.md": "Bulbs.", "O’Brien.md": "Landlady.",
        "Packing.md": "Hats, sun-screen, towels.", "Book.md": "---\nauthor: Ursula K. Le Guin\n---\nAnarres.",
        "Home.md": "The Wi-Fi of guests. A head of lettuce.", "June.md": "June is warm.",
    }  # fmt: skip
    fill(world, FILLER | notes)
    answer = ask(target(world), Question(asked))
    assert (answer.hits[0].path, list(answer.instead.values())) == (path, [instead])
    assert not [hit for hit in ask(target(world), Question(asked, exact=True)).hits if hit.path == path]
    assert not ask(target(world), Question("ahead")).instead


@pytest.mark.parametrize(
    ("asked", "path"),
    [("Mueller", "Heating.md"), ("mueller plumber", "Heating.md"), ("Bjoern Aangstroem", "Bjørn Ångström.md"),
     ("ueber den Tellerrand", "Über den Tellerrand.md"), ("Goerlitzer", "Feast.md"), ("juergen", "Jürgen.md"),
     ("joerg", "Jürgen.md")],
)  # fmt: skip
def test_letters_that_stand_for_umlauts_are_these_and_that_is_said(world: World, asked: str, path: str) -> None:
    notes = {
        "Heating.md": "The plumber is Mr. Mu\u0308ller.", "Bjørn Ångström.md": "Sails.",
        "Feast.md": "In Görlitzer Straße.", "Jürgen.md": "---\ntitle: Uncle\naliases: [Onkel Jörg]\n---\n",
        "Über den Tellerrand.md": "A course.", "Pots.md": "A pot, a pom and a blu, a poem.",
    }  # fmt: skip
    fill(world, FILLER | notes)
    known = replace(target(world), is_word=lambda word: word in ("mueller", "poet", "blue"))
    answer = ask(known, Question(asked))
    assert answer.hits[0].path == path
    assert answer.instead
    assert not ask(known, Question(asked, exact=True)).instead
    for other in ("poet", "blue"):
        assert not ask(known, Question(other)).instead, other


def test_a_number_as_it_is_written_comes_before_the_same_digits_in_a_row_or_more_of_them(world: World) -> None:
    notes = {
        "ruby.md": "The question mark operator, at least since 1.9, makes a character. " + "Strings are objects. " * 60,
        "row.md": "Take 1, 9. 1 9, 1 9: sequences.", "more.md": "Version 1.9.0, 1.9.3 and 2.1.9.",
        "time.md": "At 6:30 and at half past. " + "Breakfast of eggs. " * 60, "steps.md": "6 30, then 6, 30.",
    }  # fmt: skip
    fill(world, FILLER | notes)
    assert paths(world, "1.9")[0] == "ruby.md"
    assert paths(world, "6:30")[0] == "time.md"
    assert paths(world, "2,1")[0] == "more.md", "as digits in a row, where it is written nowhere"


def test_a_line_that_is_pasted_finds_the_note_in_which_it_stands(world: World) -> None:
    line = "- `--source=.` tells the command to run for this very folder"
    alike = "The command to run for a folder: tell the source. This very command tells folders of its source to run. "
    long = "\n\n".join(f"## Part {i}\n\n" + f"Walls, roofs and pipes of house {i}. " * 30 for i in range(8))
    fill(world, FILLER | {f"a{i}.md": alike * 3 + str(i) for i in range(9)} | {"new.md": f"{long}\n\n{line}\n\n{long}"})
    hit = ask(target(world), Question(line)).hits[0]
    assert (hit.path, "this very folder" in hit.excerpt) == ("new.md", True)
    assert whole_terms(parsed("to be or not to be")) == (), "it is about nothing that could be told"
    assert whole_terms(parsed("house of pipes")) == ()
