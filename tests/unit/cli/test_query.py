"""What people see of an answer."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
import unicodedata
from argparse import Namespace
from typing import Any

import pytest

from vragd.cli.formats import print_as, print_paths
from vragd.cli.hits import print_hits
from vragd.cli.page import HIT as HIT_STYLE
from vragd.cli.page import Page
from vragd.cli.query import show
from vragd.cli.reasons import on_indexing

HIT = {
    "source": "Vault", "path": "Go.md", "title": "Go", "heading": ["Google Cloud", "Billing"], "lines": [3, 9],
    "score": 0.61, "text": "long text", "excerpt": "Deploy billing with terraform.", "spans": [[7, 14]], "passages": [],
    "copies": [], "weak": False, "template": False, "parts": None,
}  # fmt: skip


def answer(*hits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"hits": list(hits), "pending": 0, "degraded": [], "n_weak": 0, "instead": {}} | more


def test_only_a_whole_heading_that_repeats_the_title_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_hits(answer(HIT, HIT | {"heading": ["Go", "Billing"]}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1. Go  Google Cloud › Billing  (0.610)"
    assert lines[3] == "2. Go  Billing  (0.610)"
    assert lines[2] == "   Deploy billing with terraform."


def test_what_was_left_out_and_what_stands_in_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_hits(answer(n_weak=3, instead={"digtal": "digital", "gardning": "gardening"}))
    said = capsys.readouterr().err
    assert "no good match (3 weak ones with --weak)" in said
    assert "did you mean 'digital' for 'digtal', 'gardening' for 'gardning'?" in said
    print_hits(answer(HIT, instead={"restuarant": "restaurant"}))
    assert "showing results for 'restaurant'" in capsys.readouterr().err
    copies = [{"store": "notes", "source": "Vault", "path": path} for path in ("b.md", "c.md")]
    more = {"passages": [{"lines": [20, 22], "heading": ["Other"]}], "copies": copies, "weak": True}
    print_hits(answer(HIT | more | {"parts": {"ahead": 0.0, "chunk": 0.5, "title": None}}))
    shown = capsys.readouterr().out
    same = "the same in 2 other places: Vault/b.md, Vault/c.md"
    for part in ("(0.610  weak)", "also 20-22 Other", same, "chunk 0.500"):
        assert part in shown


@pytest.mark.parametrize(
    ("form", "null"), [("jsonl", False), ("csv", False), ("md", False), ("paths", False), ("text", True)]
)
def test_a_name_that_no_note_has_is_said_beside_every_format(
    form: str, null: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = [{"kind": "tag", "name": "wrok", "nearest": "work"}, {"kind": "note", "name": "Plam", "nearest": ""}]
    args = Namespace(format=form, null=null, min_score=0.0, top_k=5)
    show(args, answer(unknown=unknown, instead={"wrds": "words"}), 1)
    told = capsys.readouterr()
    assert "no note has the tag 'wrok' (did you mean 'work'?)" in told.err
    assert "no note is called 'Plam'\n" in told.err
    assert "did you mean 'words' for 'wrds'?" in told.err
    assert "no hits" in told.err
    assert "wrok" not in told.out
    assert "words" not in told.out


def test_with_colours_what_matched_stands_out_and_nothing_of_a_note_is_obeyed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hit = HIT | {
        "excerpt": "\x02 \x1b[31m billing \u202egnp\u200b",
        "spans": [[8, 15]],
        "title": "Go\u2066",
        "heading": [],
    }
    print_hits(answer(hit), page=Page(colours=True))
    shown = capsys.readouterr().out
    assert f"\x1b[{HIT_STYLE}mbilling\x1b[0m" in shown
    assert "<U+0002> <U+001B>[31m " in shown
    assert "<U+202E>gnp<U+200B>" in shown
    assert "Go<U+2066>" in shown
    assert not {"\x1b[31m", "\x02", "\u202e", "\u200b", "\u2066"} & set(shown.split("\x1b[0m"))


def test_links_lead_to_the_note_and_to_its_file_and_hold_nothing_but_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    hit = HIT | {"uri": "obsidian://open?path=%2Fv%2FGo\x1b\\ü", "file": "/v/Gö o.md", "id": "abc"}
    print_hits(answer(hit), page=Page(colours=True, links=True))
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert "\x1b]8;;obsidian://open?path=%2Fv%2FGo%1B\\%C3%BC\x1b\\" in first
    assert "\x1b]8;;file:///v/G%C3%B6%20o.md\x1b\\" in second
    assert first.count("\x1b]8;;\x1b\\") == second.count("\x1b]8;;\x1b\\") == 1


def test_no_line_is_wider_than_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 100
    hit = HIT | {
        "excerpt": f"some words {long} of 日本語の文章です and more of them " * 3,
        "spans": [[0, 4]],
        "title": "Title " * 20,
    }
    print_hits(answer(hit), page=Page(width=40))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(columns, lines)) <= 40
    assert all(line.startswith("   ") for line in lines[1:])
    assert "".join(lines).replace(" ", "").count("x" * 100) == 3


def test_the_day_beside_a_hit_is_its_own_or_said_to_be_of_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    changed = {"modified": 1_772_600_000.0}
    print_hits(answer(HIT | changed | {"date": "2024-01-02"}, HIT | changed | {"date": None}, HIT | {"created": 1e9}))
    lines = [line for line in capsys.readouterr().out.splitlines() if "Google" in line]
    assert [line.partition("(")[2] for line in lines] == [
        "0.610, 2024-01-02)", "0.610, changed 2026-03-04)", "0.610, 2001-09-09)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("score", "first", "n_found", "found_all", "said"),
    [
        (0.0, 1, 25, True, "2 of 25: -n 25 shows all, --offset 2 the next\n"),
        (0.0, 3, 25, True, "3 to 4 of 25: -n 25 shows all, --offset 4 the next\n"),
        (0.6, 1, 24, False, "the best 2 of 24 or more: -n 8 shows more, --offset 2 the next\n"),
        (0.6, 1, 9, True, "the best 2 of 9: -n 9 shows all, --offset 2 the next\n"),
        (0.0, 1, 5_000, True, "2 of 5,000: -n 8 shows more, --offset 2 the next\n"),
        (0.0, 1, 2, True, ""),
        (0.6, 3, 4, True, ""),
    ],
)
def test_that_there_are_more_hits_is_said_with_how_they_are_shown(
    score: float, first: int, n_found: int, found_all: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    two = answer(HIT | {"score": score}, HIT | {"score": score}, n_found=n_found, found_all=found_all)
    show(Namespace(format="text", null=False, min_score=0.0, top_k=2, color="never"), two, first)
    assert capsys.readouterr().err == said
    show(Namespace(format="paths", null=False, min_score=0.0, top_k=2), two, first)
    assert capsys.readouterr().err == ("" if score else said), "a script is told of what it was not given, no more"


def test_while_much_is_still_to_be_indexed_that_is_said_before_anything_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_hits(answer(n_weak=7, pending=735, indexing=on_indexing(15, 735, "about 2 min left")))
    assert capsys.readouterr().err.splitlines() == [
        "note: 15 notes are searchable yet, 735 still to be indexed, about 2 min left:"
        " vragd sync --wait returns when all are",
        "no good match yet (7 weak ones with --weak)",
    ]
    assert on_indexing(0, 3, "").startswith("nothing is searchable yet, 3 still to be indexed: ")


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


@pytest.mark.parametrize(
    ("n_weak", "first", "least", "said"),
    [
        (0, 1, 0.0, "no hits\n"),
        (0, 51, 0.0, "no hits from number 51 on\n"),
        (3, 51, 0.0, "no good match from number 51 on (3 weak ones with --weak)\n"),
        (0, 1, 0.95, "no hit has a score of 0.95 or more\n"),
        (1, 1, 0.95, "no good match has a score of 0.95 or more; weak ones are with --weak\n"),
        (0, 51, -0.5, "no hit from number 51 on has a score of -0.5 or more\n"),
    ],
)
def test_that_there_are_no_hits_is_said_by_what_was_asked_for(
    n_weak: int, first: int, least: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_hits(answer(n_weak=n_weak), first, least=least)
    assert capsys.readouterr().err == said
    show(Namespace(format="paths", null=False, min_score=least, top_k=5), answer(n_weak=n_weak), first)
    assert capsys.readouterr().err == said


def test_headings_are_shown_as_they_are_read_in_each_place(capsys: pytest.CaptureFixture[str]) -> None:
    marked = ["Go", "Sub *it* [[Link|shown]] `a_b`"]
    hit = HIT | {"heading": marked, "passages": [{"lines": [20, 22], "heading": marked}]}
    print_hits(answer(hit))
    shown = capsys.readouterr().out.splitlines()
    assert (shown[0], shown[3]) == ("1. Go  Sub it shown a_b  (0.610)", "   also 20-22 Sub it shown a_b")
    print_as("md", answer(hit, HIT | {"heading": ["Go"]}))
    assert capsys.readouterr().out.splitlines()[::2] == ["1. Go › Sub it shown a\\_b", "2. Go"]


def test_paths_are_those_of_files_each_once_and_in_their_own_bytes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    name = "/v/a\u200db\u202e.md"
    hits = [HIT | {"file": name}, HIT | {"file": name}, HIT | {"file": "/v/c\n1.md"}]
    print_paths(answer(*hits), end="\0")
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == name.encode() + b"\0/v/c\n1.md\0"
    print_paths(answer(*hits))
    sys.stdout.flush()
    assert capfdbinary.readouterr().out.splitlines() == [name.encode(), "/v/c\ufffd1.md".encode()]


NAMES = ["a\nb.md", "a\rb.md", "a\tb.md", 'a, "b".md', "=1+1.md", "a\x1b[2Jb.md", "a\u2028b.md", "caf\udce9.md"]


def test_a_reader_of_csv_has_each_name_as_it_is(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    print_as("csv", answer(*(HIT | {"store": "notes", "path": name, "title": name} for name in NAMES)))
    told = capsysbinary.readouterr().out.decode("utf-8", "surrogateescape")
    rows = list(csv.DictReader(io.StringIO(told, newline="")))
    assert [(row["path"], row["title"], row["line_from"]) for row in rows] == [(name, name, "3") for name in NAMES]


def test_half_a_character_is_shown_as_none_in_csv(capsys: pytest.CaptureFixture[str]) -> None:
    print_as("csv", answer(HIT | {"store": "notes", "title": "\ud800"}))
    assert len(list(csv.DictReader(capsys.readouterr().out.splitlines()))) == 1


class Screen(io.StringIO):
    """Standard output as a terminal has it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_csv_on_a_terminal_is_one_line_for_each_hit() -> None:
    with contextlib.redirect_stdout(Screen()) as screen:
        print_as("csv", answer(HIT | {"store": "notes", "path": "a\nb\x1b[2J.md"}))
    shown = screen.getvalue()
    assert (len(shown.splitlines()), "\x1b" in shown) == (2, False)
