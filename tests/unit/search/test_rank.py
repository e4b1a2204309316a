"""What comes first: names, days, quotes, the very word; what is left out, what is shown once, what a score is."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.world import World
from vragd.catalog.asked import asked as parsed
from vragd.catalog.standins import MOST_WORDS
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.registry import create_embedder
from vragd.search.ask import Answer, Place, Question, Target, ask
from vragd.search.floor import in_another_language, share_nowhere, weak
from vragd.search.merge import merge
from vragd.search.question import Copy
from vragd.search.score import Calibration, pooled
from vragd.store.idle import while_idle

FILLER = {f"f{i}.md": f"Paragraph {i} about a garden shed with pots, ropes and number {i}." for i in range(30)}


def fill(world: World, notes: dict[str, str]) -> None:
    for path, text in notes.items():
        world.write(path, text)
    world.apply(*notes)
    while while_idle(world.store):
        pass


def target(world: World, *others: World, templates: tuple[str, ...] = ()) -> Target:
    store, source = world.store, world.source
    places = {source.label: Place(source.uid, source.path, in_obsidian=True, templates=templates)}
    peers = tuple(one.store.reader for one in (world, *others))
    return Target(store.name, store.reader, store.backend, store.space, world.embedder.embed_query, places, peers)


def paths(world: World, text: str, **asked: object) -> list[str]:
    return [hit.path for hit in ask(target(world), replace(Question(text), **asked)).hits]  # type: ignore[arg-type]


def first(world: World, text: str) -> str:
    return (paths(world, text) or [""])[0]


def test_a_note_comes_first_by_its_name_its_title_its_path_and_its_day(world: World) -> None:
    notes = {
        "Zooko's Triangle.md": "Pick two.",
        "Deep/Dentist 2024.md": "---\ntitle: Appointment\n---\nTuesday at nine.",
        "2024-04-09.md": "Rain.",
        "Log 20240410.md": "Sun.",
        "Bolivia.md": "",
    }
    fill(world, FILLER | {"long.md": "zooko triangle dentist appointment bolivia rain sun. " * 20} | notes)
    for asked, path in (
        ("zooko’s triangle", "Zooko's Triangle.md"), ("Dentist 2024", "Deep/Dentist 2024.md"),
        ("appointment", "Deep/Dentist 2024.md"), ("deep/dentist 2024", "Deep/Dentist 2024.md"),
        ("2024-04-09", "2024-04-09.md"), ("2024-04-10", "Log 20240410.md"), ("bolivia", "Bolivia.md"),
    ):  # fmt: skip
        assert first(world, asked) == path, asked


def test_what_is_quoted_comes_first_and_is_not_taken_apart(world: World) -> None:
    apart = "The machine is old. Learning is slow. A machine needs oil. Learning takes time. " * 3
    talk = "Notes of a talk. " + "Some filler about the venue. " * 12 + "It explained machine learning in an hour."
    fill(world, FILLER | {"apart.md": apart, "talk.md": talk})
    for mode in ("hybrid", "keyword"):
        assert paths(world, '"machine learning"', mode=mode)[0] == "talk.md"
    assert "machine learning" in ask(target(world), Question('"machine learning"')).hits[0].excerpt


def test_a_word_that_one_note_has_finds_it_first_in_any_script_and_spelling(world: World) -> None:
    notes = {
        "zh.md": "我今天早上喝了一杯咖啡，然后去图书馆看书。", "ja.md": "昨日は東京駅で美味しいラーメンを食べました。",
        "ko.md": "한국어를 공부합니다.", "th.md": "วันนี้ฉันดื่มกาแฟที่ร้านใกล้บ้าน", "fr.md": "Mon résumé est prêt au théâtre.",
        "full.md": "ＡＰＩ ｋｅｙ", "soft.md": "The infra\u00adstructure was renewed.", "tea.md": "一杯茶好",
    }  # fmt: skip
    fill(world, FILLER | notes)
    for word, path in (
        ("咖啡", "zh.md"), ("图书馆", "zh.md"), ("東京駅", "ja.md"), ("ラーメン", "ja.md"), ("한국어", "ko.md"),
        ("กาแฟ", "th.md"), ("resume", "fr.md"), ("THÉÂTRE", "fr.md"), ("api", "full.md"), ("infrastructure", "soft.md"),
        ("茶", "tea.md"),
    ):  # fmt: skip
        for spelt in (word, unicodedata.normalize("NFD", word)):
            assert first(world, spelt) == path, spelt


def test_a_long_word_without_blanks_or_a_sentence_as_it_stands_finds_its_note_first(world: World) -> None:
    notes = {
        "th.md": "ฉันซื้อคอมพิวเตอร์ใหม่เมื่อวานนี้", "ja.md": "良いコミュニケーションは大切です。",
        "zh.md": "他说机器能理解语言吗，我不知道。",
        "apart.md": "คอมพิว เตอร์ コミュニ ケーション 机器 能理解 语言吗",
    }  # fmt: skip
    fill(world, FILLER | notes)
    for word, path in (
        ("คอมพิวเตอร์", "th.md"), ("コミュニケーション", "ja.md"), ("ｺﾐｭﾆｹｰｼｮﾝ", "ja.md"), ("机器能理解语言吗", "zh.md"),
        ("良いコミュニケーションは大切です", "ja.md"),
    ):  # fmt: skip
        assert first(world, word) == path, word


def test_what_is_written_together_is_asked_together_and_its_parts_are_found(world: World) -> None:
    notes = {
        "version.md": "Release 1.2.3 is out.",
        "other.md": "1, then 3, then 2, and 1 3 2.",
        "cpp.md": "Templates in C++.",
        "csharp.md": "Delegates in C#.", "clang.md": "Pointers in C are addresses.",
        "camel.md": "call getUserName twice",
        "test.md": "log in as test1admin", "snake.md": "set max_file_bytes", "emoji.md": "Launch 🚀 party",
    }  # fmt: skip
    fill(world, FILLER | notes)
    for asked, path in (
        ("1.2.3", "version.md"), ("C++", "cpp.md"), ("C#", "csharp.md"), ("getUserName", "camel.md"),
        ("user", "camel.md"), ("admin", "test.md"), ("max_file_bytes", "snake.md"), ("🚀", "emoji.md"),
    ):  # fmt: skip
        assert first(world, asked) == path, asked
    assert paths(world, "9.9.9", mode="keyword") == []


def test_the_very_word_comes_before_its_other_forms(world: World) -> None:
    forms = {f"g{i}.md": "running runs and running again, a run" for i in range(12)}
    fill(world, FILLER | forms | {"one.md": "a runner ran"})
    fill(world, {"two.md": "he argues on", "three.md": "argued argument arguing argued"})
    assert first(world, "runner") == "one.md"
    assert first(world, "argues") == "two.md"


def test_a_misspelt_word_finds_what_is_meant_and_that_is_said_unless_exact(world: World) -> None:
    fill(world, FILLER | {"a.md": "The restaurant by the sea."})
    answer = ask(target(world), Question("restuarant"))
    assert (answer.hits[0].path, answer.instead) == ("a.md", {"restuarant": "restaurant"})
    for asked, exact in (("restuarant", True), ('"restuarant"', False), ("restuarant2", False)):
        answer = ask(target(world), Question(asked, mode="keyword", exact=exact))
        assert (answer.hits, answer.instead) == ((), {}), asked
    assert ask(target(world), Question("restaurant")).instead == {}


def test_a_part_of_a_name_or_an_acronym_like_a_word_is_no_good_match(world: World) -> None:
    fill(world, FILLER | {"a.md": "The tt tool, both of them, and getUser."})
    for typed in ("tt0083658", "BOTW", "getPassword"):
        assert paths(world, typed) == [], typed
    assert ask(target(world), Question("botw")).instead == {"botw": "both"}
    assert first(world, "getUser") == first(world, "get user") == "a.md"


def test_nothing_stands_in_for_what_was_quoted_not_even_what_contains_it(world: World) -> None:
    fill(world, FILLER | {"a.md": "The restaurants by the sea, the userName, the wood."})
    for typed in ("restaura", "staurant", "wouldn", "nameless"):
        assert paths(world, f'"{typed}"', mode="keyword") == [], typed
    assert paths(world, "restaura", mode="keyword") == ["a.md"]
    assert paths(world, '"user"', mode="keyword") == ["a.md"], "a part that is a word of its own is there"
    assert paths(world, '"userNames"', mode="keyword") == []


def test_what_matched_beside_the_text_is_shown_and_said_to_be_in_no_line(world: World) -> None:
    notes = {
        "comment.md": "Text.\n\n%%\nA wombat hides.\n%%\n\nMore.", "property.md": "---\nauthor: Zebulon\n---\nText.",
        "bare.md": "---\nauthor: Ydgrun\n---\n", "link.md": "See [this](https://example.org/quokka) now.",
    }  # fmt: skip
    fill(world, FILLER | notes)
    for word, path, lines in (
        ("wombat", "comment.md", (0, 0)), ("zebulon", "property.md", (0, 0)), ("ydgrun", "bare.md", (0, 0)),
        ("quokka", "link.md", (1, 1)),
    ):  # fmt: skip
        hit = ask(target(world), Question(word)).hits[0]
        assert (hit.path, [hit.excerpt[a:b].lower() for a, b in hit.spans]) == (path, [word])
        assert hit.excerpt_lines == lines, word
    assert ask(target(world), Question("text", top_k=50)).hits[0].excerpt_lines != (0, 0)


def test_numbers_are_found_where_letters_are_written_against_them(world: World) -> None:
    notes = {
        "a.md": "Tagged v1.2.3-beta today.", "b.md": "Built 4.5.6rc1 and 12.3.", "c.md": "At 2024-04-09T10:00:00Z.",
        "d.md": "Needs python3.11 or later.", "e.md": "Release 7.8.9 is out.", "v2.0.1.md": "Text.",
        "f.md": "---\ncreated: 2023-11-05T08:00\n---\nText.",
    }  # fmt: skip
    fill(world, FILLER | notes)
    for typed, path in (
        ("1.2.3", "a.md"), ("v1.2.3-beta", "a.md"), ("v1.2.3", "a.md"), ("4.5.6", "b.md"), ("2024-04-09", "c.md"),
        ("3.11", "d.md"), ("python 3.11", "d.md"), ("7.8.9", "e.md"), ("v7.8.9", "e.md"), ("2.0.1", "v2.0.1.md"),
        ("2023-11-05", "f.md"), ("10:00:00", "c.md"),
    ):  # fmt: skip
        assert first(world, typed) == path, typed
    assert paths(world, "2.3.4", mode="keyword") == paths(world, "1.2.4", mode="keyword") == []


def test_another_number_behind_the_same_letters_is_another_thing_and_a_word_before_a_number_is_that_word(
    world: World,
) -> None:
    notes = {
        "a.md": "Converted to mp3, and to mp2 before.", "b.md": "The ipv4 address and its sha1.",
        "Week 3.md": "What was done that week.", "c.md": "Python is a snake and a language.", "d.md": "Over http1.",
    }  # fmt: skip
    fill(world, FILLER | notes)
    for typed in ("mp4", "ipv6", "sha2", "http3", "h2", "xmp"):
        assert paths(world, typed, mode="keyword") == [], typed
        assert not {"a.md", "b.md", "d.md"} & {*paths(world, typed)}, typed
    for typed, path in (
        ("mp3", "a.md"), ("MP3", "a.md"), ("mp", "a.md"), ("ipv4", "b.md"), ("week3", "Week 3.md"),
        ("Week 3", "Week 3.md"), ("python3", "c.md"), ("http", "d.md"),
    ):  # fmt: skip
        assert first(world, typed) == path, typed
    assert paths(world, "mp4 mp3", mode="keyword") == ["a.md"]


def test_a_question_in_full_width_is_embedded_as_its_usual_letters(world: World) -> None:
    fill(world, FILLER | {"a.md": "ferry", "b.md": "tram"})
    assert paths(world, "ｆｅｒｒｙ", mode="vector") == paths(world, "ferry", mode="vector")


def test_equal_texts_are_shown_once_and_templates_last(world: World) -> None:
    same = {f"copy{i}.md": "A quokka sits here." for i in range(3)}
    fill(world, FILLER | same | {"Templates/t.md": "quokka quokka template"})
    hits = ask(target(world, templates=("Templates",)), Question("quokka", top_k=50, weak=True)).hits
    assert sum(hit.text == "A quokka sits here." for hit in hits) == 1
    (copies,) = [hit.copies for hit in hits if hit.copies]
    assert len(copies) == 2
    assert {copy.path for copy in copies} <= same.keys()
    assert [hit.path for hit in hits if hit.template] == [hits[-1].path] == ["Templates/t.md"]
    assert first_of(ask(target(world, templates=("Templates",)), Question("templates/t"))) == "Templates/t.md"


def first_of(answer: Answer) -> str:
    return answer.hits[0].path


def test_a_hit_is_a_note_with_its_passages_or_a_passage(world: World) -> None:
    part = "# Part {}\n\nThe quokka of part {} eats.\n\n" + "More of it here and there. " * 40
    fill(world, FILLER | {"big.md": "\n\n".join(part.format(i, i) for i in range(4))})
    by_note = ask(target(world), Question("quokka eats", top_k=10)).hits
    assert [hit.path for hit in by_note].count("big.md") == 1
    assert len(by_note[0].passages) == 2
    assert by_note[0].uri.endswith(f"%2Fvault%2Fbig%23Part%20{by_note[0].heading[-1][-1]}")
    by_chunk = ask(target(world), Question("quokka eats", top_k=10, chunks=True)).hits
    assert [hit.path for hit in by_chunk].count("big.md") > 2


def test_a_note_has_the_same_score_in_whichever_store_it_is(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = World(tmp_path / "one"), World(tmp_path / "two")
    note = {"n.md": "The quokka of Rottnest island eats leaves."}
    fill(one, FILLER | note)
    fill(two, note)
    asked = Question("quokka on an island", explain=True, weak=True)
    found = [ask(target(world, other), asked).hits[0] for world, other in ((one, two), (two, one))]
    assert found[0].score == pytest.approx(found[1].score, abs=1e-6)
    assert found[0].parts == pytest.approx(found[1].parts)
    merged = merge([("s", ask(target(one, two), asked)), ("s", ask(target(two, one), asked))], 5)
    assert [hit.copies for hit in merged if hit.path == "n.md"] == [(Copy(two.store.name, "vault", "n.md"),)]
    one.store.close()
    two.store.close()


def test_a_rename_embeds_its_title_and_no_chunk_and_a_title_seen_before_nothing(world: World) -> None:
    fill(world, {"a.md": "One text.", "b.md": "Another."})
    before = len(world.embedder.texts)
    for old, new in (("a.md", "c.md"), ("c.md", "a.md")):
        (world.vault / new).write_text((world.vault / old).read_text())
        (world.vault / old).unlink()
        world.store.proofs[world.source.id].ask_scan(confirm=True)
        world.store.scan_source(world.source)
        fill(world, {})
        world.apply(new, old)
        fill(world, {})
    assert world.embedder.texts[before:] == ["c"]


def test_no_good_match_is_told_by_meaning_words_and_language() -> None:
    near, far, whole, title = (0.5, 0.2, 0.0, 0.0), (0.3, 0.2, 0.2, 0.0), (0.1, 0.1, 1.0, 0.0), (0.1, 0.7, 0.0, 0.0)
    columns = [np.array(column) for column in zip(near, far, whole, title, strict=True)]
    assert weak("hybrid", *columns).tolist() == [False, True, False, False]
    assert weak("hybrid", *columns, nowhere=1.0).tolist() == [False, True, False, True]
    assert weak("hybrid", *(np.array([x]) for x in (0.45, 0.1, 0.0, 0.0)), nowhere=1.0).all(), "any letters are near"
    assert not weak("hybrid", *(np.array([x]) for x in (0.3, 0.1, 0.3, 0.0))).any(), "of shared words less is enough"
    assert not weak("hybrid", *columns, foreign=True)[1]
    assert not any(weak(mode, *columns).any() for mode in ("keyword", "vector"))
    assert in_another_language(["pourquoi", "ma", "photo"], ["pourquoi", "ma"])
    assert in_another_language(["中文", "文房"], ["中文"])
    assert not in_another_language(["zxcvb", "qwrtp"], ["zxcvb", "qwrtp"])
    assert not in_another_language(["how", "do", "i", "zxcvb"], ["zxcvb"])
    assert not in_another_language(["how", "do", "i", "bake", "zxcvb"], ["bake", "zxcvb"]), "i is English, too"
    assert in_another_language(["che", "i", "zxcvb"], ["i", "zxcvb"])


def test_what_a_question_is_made_of_is_not_what_it_is_about() -> None:
    what, is_, the, wifi, _ = words = parsed("What is the wifi password?").words
    assert share_nowhere(words, [what, is_]) == 0
    assert share_nowhere(words, [what, wifi]) == 0.5
    assert share_nowhere([what, is_, the], [what]) == 0
    assert [word.about for word in words] == [False, False, False, True, True]
    assert all(word.about for word in parsed('"To be or not to be"').words)


def test_words_all_over_a_long_note_are_no_answer_and_in_one_passage_or_a_short_note_they_are(world: World) -> None:
    section = "Nothing but a walk through the park, the weather, and what else there was that day. " * 40
    words = ("quartz", "harbour", "violin")
    fill(world, FILLER | {"short.md": "## A\n\nquartz\n\n## B\n\nharbour violin"})
    fill(world, {"long.md": "\n\n".join(f"## Day {i}\n\n{word} {section}" for i, word in enumerate(words))})
    fill(world, {"together.md": f"{section}\n\n## End\n\n{section}\n\nviolin, quartz and harbour"})
    strong, every = paths(world, "quartz harbour violin"), paths(world, "quartz harbour violin", weak=True, top_k=50)
    assert strong[:2] == ["short.md", "together.md"] or strong[:2] == ["together.md", "short.md"]
    assert "long.md" in every and "long.md" not in strong


@pytest.mark.parametrize("spaces", ["xx", "xy"], ids=["one space", "two spaces"])
def test_a_store_that_has_nothing_of_it_takes_no_place_from_one_that_has(tmp_path: Path, spaces: str) -> None:
    for name in ("good", "junk"):
        (tmp_path / name).mkdir()
    model = create_embedder("builtin", BuiltinEmbedder())
    good, junk = World(tmp_path / "good", other=model), World(tmp_path / "junk", other=model)
    try:
        fill(good, FILLER | {f"g{i}.md": f"Quartz harbour violin, for the {i}th time." for i in range(5)})
        fill(junk, FILLER | {"stray.md": "A long day without an end, by the harbour. " + FILLER["f1.md"] * 8})
        asked = Question("quartz harbour violin", top_k=5)
        answers = [
            ask(replace(target(world, other), embed_query=model.embed_query), asked)
            for world, other in ((junk, good), (good, junk))
        ]
        assert answers[0].n_weak, "or there is no junk"
        hits = merge(list(zip(spaces, answers, strict=True)), 5)
        assert sorted(hit.path for hit in hits) == [f"g{i}.md" for i in range(5)]
    finally:
        good.store.close()
        junk.store.close()
        model.close()


def test_cosines_of_a_narrow_space_are_spread_and_stores_measure_together() -> None:
    narrow = Calibration(0.81, 0.024, 100)
    low, high = narrow.scaled(np.array([0.81, 0.90]))
    assert low == pytest.approx(0.08)
    assert high > 0.4
    assert pooled([narrow, Calibration(0.83, 0.024, 100)]).mean == pytest.approx(0.82)


def test_what_stands_in_is_only_said_where_a_note_that_may_be_shown_has_it(world: World) -> None:
    fill(world, FILLER | {"Private/zoo.md": "A platypus lays eggs.", "Open/day.md": "The dentist was kind."})
    assert ask(target(world), Question("platypos", weak=True)).instead == {"platypos": "platypus"}
    assert ask(target(world), Question("platypos dentist", folder="Private", weak=True)).instead == {
        "platypos": "platypus"
    }
    for question in (Question("platypos", folder="Open"), Question("platypos dentist", folder="Open", weak=True)):
        assert ask(target(world), question).instead == {}
    of_all = target(world)
    places = {
        label: replace(place, withheld=lambda path: path.startswith("Private/"))
        for label, place in of_all.places.items()
    }
    for mode in ("hybrid", "keyword"):
        answer = ask(replace(of_all, places=places), Question("platypos dentist", mode=mode, weak=True))
        assert answer.instead == {}
        assert "Private/zoo.md" not in {hit.path for hit in answer.hits}


def test_a_word_that_is_spelled_as_it_is_meant_stands_for_no_other(world: World) -> None:
    fill(world, FILLER | {"past.md": "The past is gone."})
    assert ask(target(world), Question("pasta", weak=True)).instead == {"pasta": "past"}
    known = replace(target(world), is_word={"pasta"}.__contains__)
    assert ask(known, Question("pasta", weak=True)).instead == {}


def test_notes_that_differ_in_the_last_digits_of_their_score_alone_keep_the_order_of_the_stores(world: World) -> None:
    fill(world, {"a.md": "A wombat digs burrows."})
    answer = ask(target(world), Question("wombat"))
    other = replace(answer, hits=tuple(replace(hit, store="other", score=hit.score + 1e-8) for hit in answer.hits))
    assert [hit.store for hit in merge([("s", answer), ("s", other)], 5, chunks=True)] == [world.store.name, "other"]


def test_of_a_long_question_a_few_words_are_looked_for_in_other_spellings(world: World) -> None:
    known = ["platypus", "dentist", "wombat", "burrow", "marzipan", "cathedral", "umbrella", "lighthouse", "violin"]
    fill(world, FILLER | {"animals.md": " ".join(known)})
    wrong = [word[:-2] + "q" + word[-1] for word in known]
    answer = ask(target(world), Question(" ".join([*known, *wrong]), weak=True))
    assert list(answer.instead.items()) == list(zip(wrong, known, strict=True))[: len(answer.instead)]
    assert len(answer.instead) == MOST_WORDS


def test_nothing_is_said_to_stand_in_where_no_hit_is_shown(world: World) -> None:
    fill(world, FILLER | {"party.md": "We launch the boat."})
    question = Question("paragraph about a garden at lunch")
    shown = ask(target(world), replace(question, weak=True))
    assert shown.hits and shown.instead == {"lunch": "launch"}, shown.instead
    below = ask(target(world), question)
    assert (below.hits, below.instead) == ((), {})
