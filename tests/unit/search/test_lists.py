"""What there is in the notes that pass, and that nothing of what is withheld is counted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, sql
from vragd.catalog.graph import File
from vragd.errors import NotFound, UsageError
from vragd.search.ask import Place, Target
from vragd.search.asking import understood
from vragd.search.grammar.tree import And
from vragd.search.links import Asked, Linked, Root
from vragd.search.lists import Collected, Looked, Properties, TagCount, Tags, ValueCount, look
from vragd.search.outline import Line, outline_of
from vragd.search.tasks import Recent, State, Tasks

CANVAS = {
    "nodes": [
        {"id": "g", "type": "group", "label": "Group", "x": 0, "y": 0, "width": 900, "height": 900},
        {"id": "b", "type": "text", "text": "## Other\nwords", "x": 9, "y": 9, "width": 9, "height": 9},
        {"id": "a", "type": "text", "text": "# Card\n- [ ] on a card #Canvas", "x": 9, "y": 9, "width": 9, "height": 9},
    ]
}
CANVAS_JSON = json.dumps(CANVAS, indent=0)
CARD = 1 + CANVAS_JSON.split("\n").index('"id": "a",')
NOTES = {
    "Work/a.md": (
        "---\nstatus: Done\nprio: 3\ntags: [Work/Deep/er, work]\nlist: [x, X, 3]\n---\n"
        "# Plan\n- [ ] call\n- [x] write\n"
    ),
    "Work/b.md": "---\nstatus: done\nprio: 3.0\nlist: []\n---\n#WORK/deep #Café\n## Later\n* [/] half\n",
    "Home/c.md": (
        "---\nstatus:\nprio: high\nwhen: 2026-05-03\nat: 2026-05-03T10:00\nok: true\n---\n#cafe\u0301 [ ] no task\n"
    ),
    "Home/d.md": '---\nstatus: ""\nlist: [[x, y]]\n---\n- [ ] buy #workshop\n',
    "board.canvas": CANVAS_JSON,
    "tool.py": "# no heading\n# - [ ] no task\ndef one():\n    pass\n",
    "none.md": "nothing",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("lists"))
    world.store.close()
    world.include = ("*.md", "*.canvas", "*.py")
    world.open()
    world.store.prepare()
    for path, text in NOTES.items():
        world.write(path, text)
        world.apply(path)
    yield world
    world.store.close()


def target(world: World, hidden: tuple[str, ...] = (), name: str = "sss") -> Target:
    store = world.store
    place = Place(world.source.uid, world.vault, False, (lambda path: path in hidden) if hidden else None)
    return Target(
        name, store.reader, store.backend, store.space, world.embedder.embed_query, {world.source.label: place}
    )


def looked(world: World, into: Collected, hidden: tuple[str, ...] = (), **asked: Any) -> Looked:
    question = understood(**asked)
    question = replace(question, where=question.where or And(()))
    return look(target(world, hidden), question, set(), into)


def tags(world: World, hidden: tuple[str, ...] = (), **asked: Any) -> dict[str, tuple[int, int]]:
    found = Tags()
    looked(world, found, hidden, **asked)
    return {one.name: (one.count, one.own) for one in found.told("count")}


def test_a_nested_tag_counts_for_those_it_is_nested_in_once_a_note(world: World) -> None:
    found = Tags()
    said = looked(world, found)
    assert found.told("count") == [
        TagCount("Café", 2, 2),
        TagCount("work", 2, 1),
        TagCount("Work/Deep", 2, 1),
        TagCount("Canvas", 1, 1),
        TagCount("Work/Deep/er", 1, 1),
        TagCount("workshop", 1, 1),
    ]
    assert [one.name for one in found.told("name")] == [
        "Café", "Canvas", "work", "Work/Deep", "Work/Deep/er", "workshop"
    ]  # fmt: skip
    assert (found.n_tagged, said.n_notes, said.n_unread, said.unknown) == (5, len(NOTES), 0, ())


def test_every_count_of_a_tag_is_that_of_the_notes_its_filter_finds(world: World) -> None:
    for name, (count, _) in tags(world).items():
        assert looked(world, Tags(), where=f'tag:"{name}"').n_notes == count


def test_a_tag_that_is_odd_is_nested_as_filters_have_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("a.md", '---\ntags: ["a//b", "/c", "d/", "e／f", "/"]\n---\n')
    world.apply("a.md")
    found = tags(world)
    assert set(found) >= {"a//b", "a/", "a", "/c", "d/", "e／f", "e"}
    for name in found:
        if name not in ("", "/"):
            assert looked(world, Tags(), where=f'tag:"{name}"').n_notes == 1, name
    world.store.close()


def test_what_is_withheld_is_neither_counted_nor_lends_its_spelling(world: World) -> None:
    assert tags(world, hidden=("Work/a.md",)) == {
        "Café": (2, 2), "Canvas": (1, 1), "WORK": (1, 0), "WORK/deep": (1, 1), "workshop": (1, 1)
    }  # fmt: skip
    found, recent = Tasks("all"), Recent(9)
    assert looked(world, found, ("Work/a.md", "board.canvas")).n_notes == len(NOTES) - 2
    assert {one.of.path for one in found.found} == {"Work/b.md", "Home/d.md"}
    assert found.counts == {"todo": 1, "done": 1, "notes": 2}
    looked(world, recent, ("Work/a.md",))
    assert "Work/a.md" not in {one.note.path for one in recent.found}
    named = Properties("when")
    said = looked(world, named, ("Home/c.md",), where="[when]")
    assert (named.told("count"), named.values("count"), said.unknown[0].name) == ([], [], "when")
    assert said.unknown[0].nearest == ""


def test_filters_and_folders_narrow_what_is_counted(world: World) -> None:
    assert set(tags(world, where="[status=done] -call")) == {"WORK", "WORK/deep", "Café"}
    assert set(tags(world, where="call")) == {"work", "Work/Deep", "Work/Deep/er"}
    assert set(tags(world, folder="Home")) == {"cafe\u0301", "workshop"}
    assert tags(world, sources=frozenset({world.source.label})) == tags(world)
    assert tags(world, sources=frozenset({"elsewhere"})) == {}
    said = looked(world, Tags(), where="tag:wrok", folder="Hme")
    assert {(one.kind, one.name) for one in said.unknown} == {("tag", "wrok"), ("folder", "Hme")}


def test_properties_have_their_types_and_counts(world: World) -> None:
    found = Properties()
    looked(world, found)
    told = {one.name: (one.count, dict(one.types)) for one in found.told("count")}
    assert told["status"] == (4, {"text": 3, "empty": 1})
    assert told["prio"] == (3, {"number": 2, "text": 1})
    assert told["list"] == (3, {"list": 3})
    assert (told["when"][1], told["at"][1], told["ok"][1]) == ({"date": 1}, {"datetime": 1}, {"checkbox": 1})
    assert next(iter(told)) == "status"
    assert [one.name for one in found.told("name")] == sorted(told)
    assert found.values("count") == []


def values(world: World, name: str, **asked: Any) -> set[ValueCount]:
    found = Properties(name)
    looked(world, found, **asked)
    return set(found.values("count"))


def test_values_count_as_filters_compare_them_and_lists_by_their_items(world: World) -> None:
    assert values(world, " Status ") == {
        ValueCount("Done", "text", 2),
        ValueCount("", "text", 1),
        ValueCount("", "empty", 1),
    }
    assert values(world, "prio") == {ValueCount("3", "number", 2), ValueCount("high", "text", 1)}
    assert values(world, "list") == {
        ValueCount("x", "text", 2), ValueCount("y", "text", 1), ValueCount("3", "number", 1), ValueCount("", "list", 1)
    }  # fmt: skip
    assert values(world, "at") == {ValueCount("2026-05-03T10:00", "datetime", 1)}
    assert values(world, "ok") == {ValueCount("true", "checkbox", 1)}
    assert values(world, "prio", folder="Home") == {ValueCount("high", "text", 1)}
    named = Properties("status")
    looked(world, named)
    assert [one.value for one in named.values("name")] == ["", "", "Done"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("todo", [("Home/d.md", 5), ("Work/a.md", 8), ("board.canvas", CARD)]),
        ("done", [("Work/a.md", 9), ("Work/b.md", 8)]),
        ("all", [("Home/d.md", 5), ("Work/a.md", 8), ("Work/a.md", 9), ("Work/b.md", 8), ("board.canvas", CARD)]),
    ],
)
def test_tasks_are_listed_by_place_with_what_they_stand_under(
    world: World, state: State, expected: list[tuple[str, int]]
) -> None:
    found = Tasks(state)
    looked(world, found)
    assert [(one.of.path, one.line) for one in found.found] == expected
    assert found.counts == {"todo": 3, "done": 2, "notes": 4}
    under = {(one.of.path, one.text): one.heading for one in found.found}
    known = {
        ("Work/a.md", "call"): ("Plan",), ("Work/a.md", "write"): ("Plan",), ("Work/b.md", "half"): ("Later",),
        ("Home/d.md", "buy #workshop"): (), ("board.canvas", "on a card #Canvas"): ("Group", "Card"),
    }  # fmt: skip
    assert all(under[one] == known[one] for one in under)
    assert all(one.done is (one.state != " ") for one in found.found)


def test_the_last_changed_come_first_and_no_more_than_were_asked_for(world: World) -> None:
    found = Recent(3)
    said = looked(world, found)
    times = {one.note.path: one.modified for one in found.found}
    every = Recent(99)
    looked(world, every)
    assert list(times) == [one.note.path for one in every.found][:3]
    assert list(times.values()) == sorted(times.values(), reverse=True)
    for path, modified in times.items():
        assert modified == pytest.approx((world.vault / path).stat().st_mtime)
    assert (said.n_notes, len(every.found)) == (len(NOTES), len(NOTES))


def test_a_file_that_two_stores_have_counts_once(world: World) -> None:
    tagged, recent, met = Tags(), Recent(99), set[str]()
    question = replace(understood(), where=And(()))
    for name in ("one", "two"):
        look(target(world, name=name), question, met, tagged)
    assert {one.name: (one.count, one.own) for one in tagged.told("count")} == tags(world)
    met = set()
    n = [look(target(world, name=name), question, met, recent).n_notes for name in ("one", "two")]
    assert n == [len(NOTES), 0]
    assert {one.note.store for one in recent.found} == {"one"}


def test_of_a_store_alone_the_last_changed_are_those_of_all_its_notes(world: World) -> None:
    question = replace(understood(), where=And(()))
    for most in range(len(NOTES) + 2):
        alone, beside = Recent(most), Recent(most)
        counts = [
            look(target(world), question, met, into).n_notes for met, into in ((None, alone), (set[str](), beside))
        ]
        assert (alone.found, counts) == (beside.found, [len(NOTES)] * 2)


def test_of_the_same_time_the_last_changed_are_in_the_order_of_their_paths(tmp_path: Path) -> None:
    world = World(tmp_path)
    paths = [f"{name}.md" for name in ("é", "z", "a", "Ａ", "𝒶", "B")]
    for path in paths:
        world.write(path, path)
        os.utime(world.vault / path, (1e9, 1e9))
    world.apply(*paths)
    found = Recent(4)
    look(target(world), replace(understood(), where=And(())), None, found)
    assert [one.note.path for one in found.found] == sorted(paths)[:4]
    world.store.close()


def outlined(
    world: World, path: str, place: str = "", hidden: tuple[str, ...] = (), lines: tuple[int, int] | None = None
) -> list[Line]:  # fmt: skip
    label = world.source.label
    linked = Linked("sss", world.store.reader, {label: Root((str(world.vault),), withheld=lambda one: one in hidden)})
    return outline_of(linked, Asked(File(label, path), place, lines)).headings


def test_an_outline_is_of_the_text_as_it_was_read(world: World) -> None:
    world.write("Work/o.md", "# A\n## B\ntext ^idx\n### C\n# D\n## B\n")
    world.apply("Work/o.md")
    every = [Line(1, 1, "A"), Line(2, 2, "B"), Line(4, 3, "C"), Line(5, 1, "D"), Line(6, 2, "B")]
    (world.vault / "Work/o.md").unlink()
    assert outlined(world, "Work/o.md") == every
    assert outlined(world, "Work/o.md", "A#B") == [Line(2, 2, "B"), Line(4, 3, "C")]
    assert outlined(world, "Work/o.md", "b") == [Line(2, 2, "B"), Line(4, 3, "C"), Line(6, 2, "B")]
    assert outlined(world, "none.md") == []
    with pytest.raises(NotFound, match=r"o\.md has no heading #Z"):
        outlined(world, "Work/o.md", "Z")
    with pytest.raises(NotFound, match="has no block") as error:
        outlined(world, "Work/o.md", "^ids")
    assert error.value.hint == "did you mean #^idx?"
    with pytest.raises(UsageError, match=r"the block #\^idx has no headings") as error:
        outlined(world, "Work/o.md", "^idx")
    assert error.value.hint.startswith("vragd get NOTE#^idx reads it")
    assert outlined(world, "Work/o.md", lines=(2, 4)) == [Line(2, 2, "B"), Line(4, 3, "C")]
    with pytest.raises(UsageError, match="has lines 1 to 6"):
        outlined(world, "Work/o.md", lines=(7, 9))
    world.apply("Work/o.md")


def test_an_outline_is_of_a_heading_with_a_mark_of_its_own(world: World) -> None:
    world.write("Work/o.md", "# C# tips\n\n## More\n\n# Else\n")
    world.apply("Work/o.md")
    assert outlined(world, "Work/o.md", "C# tips") == [Line(1, 1, "C# tips"), Line(3, 2, "More")]
    (world.vault / "Work/o.md").unlink()
    world.apply("Work/o.md")


def test_a_block_that_is_a_heading_has_itself_as_outline(world: World) -> None:
    world.write("Work/q.md", "# A\n\n## B ^head\n\ntext\n")
    world.apply("Work/q.md")
    assert [one.line for one in outlined(world, "Work/q.md", "^head")] == [3]


def test_what_is_no_markdown_has_an_outline_of_its_passages(world: World) -> None:
    assert [(one.level, one.text) for one in outlined(world, "board.canvas")] == [
        (1, "Group"), (2, "Other"), (2, "Card")
    ]  # fmt: skip
    assert "no heading" not in {one.text for one in outlined(world, "tool.py")}


def test_what_is_withheld_gone_or_no_note_has_no_outline(world: World) -> None:
    for path, hidden in (("Work/a.md", ("Work/a.md",)), ("Work/gone.md", ())):
        with pytest.raises(NotFound):
            outlined(world, path, hidden=hidden)


def test_notes_that_are_to_be_read_again_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("a.md", "#one")
    world.apply("a.md")
    world.store.close()
    sql(world.folder, "update note set links_read = 0")
    sql(world.folder, "delete from note_tag")
    world.open()
    found = Tags()
    assert looked(world, found).n_unread == 1
    assert looked(world, Tags(), hidden=("a.md",)).n_unread == 0
    assert found.told("count") == []
    world.store.close()
