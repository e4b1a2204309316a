"""Expressions as Bases has them: which notes they leave, by every field, function, operator and kind of value."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from tests.world import World
from vragd.search.among import Among
from vragd.search.grammar.where import filters
from vragd.search.links import Linked, Root, notes_linked

NOW = datetime(2026, 5, 1, 12)  # noqa: DTZ001 - the machine's own zone
NOTES = {
    "Books/Dune.md": (
        "---\nstatus: done\nrating: 5\nauthor: ['[[Frank Herbert|Herbert]]']\ntags: [Book/SciFi]\n"
        "due date: 2026-04-20\ntitle: Dune\ncreated: 2025-01-01\n---\nSee [[Note]].\n"
    ),
    "Books/Old/Earthsea.md": (
        '---\nstatus: Done\nrating: "4"\nauthor: [Le Guin, Anon]\ntags: film\ntitle: ""\nempty: []\n---\n'
        "![[Note]] #shelf\n"
    ),
    "Archive/Gone.md": (
        "---\nstatus: done\nrating: 4\nauthor: Le Guin\ndone: false\nstarted: '2026-04-20'\n---\nGone.\n"
    ),
    "2026-04-09 Day.md": "---\ndone: true\ndue: 2026-05-08T12:00\npages:\nn: 0\n---\n![[Café]] and [[Nowhere]]\n",
    "Note.md": (
        "---\nrating: 3.5\nstatus: open\nplace: Café\ndue: 2026-04-24\nalso: 2026-04-24\n"
        "never: 9999-12-31\nsince: 0001-01-01\n---\n#book\n"
    ),
    "Café.md": "",
}
B, E, G, D, N, C = NOTES
ALL = set(NOTES)
CHANGED = {
    B: "2026-04-20T09:00",
    E: "2026-04-24T12:00",
    G: "2026-04-30T23:59",
    D: "2026-05-01T00:00",
    N: "2026-05-01T11:00",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("expressed"))
    for path, text in NOTES.items():
        world.write(path, text)
        at = datetime.fromisoformat(CHANGED.get(path, "2024-02-29T10:00")).timestamp()
        os.utime(world.vault / path, (at, at))
    world.apply(*NOTES)
    yield world
    world.store.close()


def found(world: World, expression: str, **given: Any) -> set[str]:
    target = Linked(world.store.name, world.store.reader, {world.source.label: Root((str(world.vault),))})
    with world.store.reader.snapshot() as now:
        among = Among("sss", now.selecting, NOW, linked=partial(notes_linked, target, now.db), **given)
        return {entry.path for entry in now.selecting.entries(among.notes(filters(expression)))}


CASES: list[tuple[str, set[str]]] = [
    # functions of files
    ('file.hasTag("book")', {B, N}),  # those nested in it, in whatever case
    ("file.hasTag('#BOOK/scifi')", {B}),
    ('file.hasTag("film", "shelf", "nothing")', {E}),
    ('file.hasTag("boo")', set()),
    ('file.inFolder("Books")', {B, E}),
    ('file.inFolder("Books/Old/")', {E}),
    ('file.inFolder("Boo")', set()),
    ('file.inFolder("")', ALL),
    ('!file.inFolder("Books")', ALL - {B, E}),
    ('file.hasLink("Note")', {B, E}),
    ('file.hasLink(link("[[Note|it]]"))', {B, E}),
    ('file.hasLink("Nowhere")', {D}),
    ('file.hasProperty("rating")', {B, E, G, N}),
    ('file.hasProperty("PAGES")', {D}),  # there and empty is there
    # fields of files
    ('file.name == "Note.md"', {N}),
    ('file.name == "note.md"', set()),
    ('file.basename == "Note"', {N}),
    ('file.basename.startsWith("2026-04")', {D}),
    ('file.name.endsWith(".md")', ALL),
    ('file.name.contains("e")', {B, E, G, N}),
    ('file.name.containsAny("xx", "Dune", "Gone")', {B, G}),
    ('file.name.containsAll("D", "n")', {B}),
    ('file.name == "Cafe\u0301.md"', {C}),  # composed and decomposed
    ('file.path == "Books/Dune.md"', {B}),
    ('file.path.startsWith("Books/")', {B, E}),
    ('file.folder == "Books"', {B}),
    ('file.folder == "/"', {D, N, C}),
    ('file.ext == "md"', ALL),
    ('file.ext != "md"', set()),
    ("file.size == 0", {C}),
    ("file.size > 60 && file.size <= 100", {p for p, text in NOTES.items() if 60 < len(text.encode()) <= 100}),
    ('file.tags.contains("film")', {E}),
    ('file.tags.contains("#Film")', {E}),
    ('file.tags.contains("book")', {N}),  # the very tag
    ('file.tags.containsAny("book", "film")', {N, E}),
    ('file.tags.containsAll("shelf", "film")', {E}),
    ("file.tags.isEmpty()", {G, D, C}),
    ("file.tags", {B, E, N}),
    ("!file.tags", {G, D, C}),
    ('file.links.contains("Note")', {B}),
    ('file.links.contains(link("Note"))', {B}),
    ('file.embeds.contains("Note")', {E}),
    ('file.embeds.containsAny("Note", "Café")', {E, D}),
    ('file.embeds.contains("Nowhere")', set()),
    ('file.links.contains("Nowhere")', {D}),
    ("file.embeds.isEmpty()", ALL - {E, D}),
    ("file.embeds && file.links", {D}),
    # moments
    ('file.mtime > today() - "7d"', {G, D, N, E}),
    ('file.mtime > now() - "7d"', {G, D, N}),
    ('file.mtime >= now() - "1 week"', {G, D, N, E}),
    ("file.mtime >= today()", {D, N}),
    ("file.mtime == today()", {D}),
    ('file.mtime > now() - "90m"', {N}),
    ('file.mtime > now() - "1h" - "30 minutes"', {N}),
    ('file.mtime < today() - "24M"', {C}),  # months, and m is minutes
    ('file.mtime < date("2026-01-01")', {C}),
    ('file.mtime == date("2024-02-29 10:00")', {C}),
    ('file.mtime + "2y" == date("2026-02-28T10:00")', {C}),
    ('file.mtime < "2026-04-21"', {C, B}),
    ('file.ctime < date("2025-06-01")', {B, C}),  # as `created:` has it
    ('file.ctime == date("2026-04-09")', {D}),
    ('note["due date"] < today()', {B}),
    ('note["due date"] == date("2026-04-20")', {B}),
    ('note["due date"] == "2026-04-20"', {B}),
    ("note['due date'] == \"2026-04\"", set()),
    ("due < today()", {N}),
    ('due <= now() + "7d"', {N, D}),
    ('due < now() + "7d"', {N}),
    ('due == now() + duration("1w")', {D}),
    ('due + "1 week" == today()', {N}),
    ("never > now() && since < now()", {N}),
    ('never + "1 year" > now() && since - "1 hour" < today()', {N}),
    ('never == "9999-12-31"', {N}),
    ('note["due date"] < "2026-04-21T00:00:01Z" || due == "2026-05-08T12:00:00"', {B, D}),
    ("due == also && due != null", {N}),
    ("date(started) < today()", {G}),
    ("started < today()", {G}),  # a text that is a date, beside one
    ('started == "2026-04-20"', {G}),
    ("date(status) < today()", set()),
    ("today() < now()", ALL),
    # values
    ("rating >= 4", {B, G}),  # and not the text "4"
    ("rating > 3.4 && rating < 5", {G, N}),
    ('rating == "4"', {E}),
    ("rating == 4", {G}),
    ("rating == 4.0", {G}),
    ("rating != 5", ALL - {B}),  # null is not 5
    ("rating > -1", {B, G, N}),
    ("n == 0", {D}),
    ("!!n", set()),  # 0
    ("4 <= rating", {B, G}),
    ('status == "done"', {B, G}),
    ('note.status == "done"', {B, G}),
    ('STATUS == "Done"', {E}),
    ('status != "done"', ALL - {B, G}),
    ('status > "e"', {N}),
    ("status < 5", set()),
    ("status == null", {D, C}),
    ("status != null", ALL - {D, C}),
    ("pages == null", ALL),
    ("done == true", {D}),
    ("done == false", {G}),
    ("done && true", {D}),
    ("!done", ALL - {D}),
    ("done && status", set()),
    ("title && true", {B}),
    ("false || title", {B}),
    ("title.isEmpty()", ALL - {B}),
    ("empty.isEmpty()", ALL),
    ("!empty.isEmpty()", set()),
    ("rating.isEmpty()", {D, C}),
    ('rating.isEmpty() == false && status == "open"', {N}),
    ('author.contains("Le Guin")', {E, G}),
    ('author.contains("Guin")', {G}),  # of a text a part, of a list an item
    ('author.contains("Frank Herbert")', {B}),
    ('author.contains(link("Frank Herbert"))', {B}),
    ('author.contains("[[Frank Herbert]]")', {B}),
    ('author.containsAll("Anon", "Le Guin")', {E}),
    ('author.containsAny("Anon", "Le Guin")', {E, G}),
    ('author == "Le Guin"', {G}),  # a list is no single value
    ('author.startsWith("Le")', {G}),
    ("author == author", ALL),
    ('tags.contains("book/scifi")', {B}),
    ('tags.containsAny("#film", "x")', {E}),
    ('tags.contains("shelf")', set()),  # the property, not those in the text
    ('place == "Cafe\u0301"', {N}),
    ('"Café au lait".contains(place)', {N}),
    ("file.name.contains(title)", {B, E}),
    ("file.basename == title", {B}),
    ('"a" == "b"', set()),
    # how they bind
    ('status == "done" && rating == 5 || done', {B, D}),
    ('status == "done" && (rating == 5 || done)', {B}),
    ('!(status == "done" || done)', ALL - {B, G, D}),
    ("!!done", {D}),
    ('(file.hasTag("book")) != true', ALL - {B, N}),
    ('status == "done"\n  && rating == 5', {B}),
    ('status=="done"&&rating==5', {B}),
    (r'title == "Du\ne" || title == "D\une"', {B}),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), CASES, ids=[text for text, _ in CASES])
def test_an_expression_leaves_the_notes_it_is_true_of(world: World, expression: str, expected: set[str]) -> None:
    assert found(world, expression) == expected


def test_what_is_hidden_is_in_no_answer_whatever_is_negated(world: World) -> None:
    for expression in ("!nothing", "!!status", "rating >= 4", "file.size >= 0", "!file.embeds", 'file.hasLink("Note")'):
        assert found(world, expression, hidden=lambda notes: list(notes)) == set()  # noqa: PLW0108


# -- any expression, against one that is evaluated in Python on the raw files -----------------------

Says = tuple[str, Callable[[dict[str, Any]], bool]]
SCALARS = ["ant", "bee", "5", "", 5, 7.5, True, False, None, date(2026, 4, 30), date(2026, 5, 2)]


def literal(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, date):
        return f'date("{value}")'
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "checkbox"
    return "number" if isinstance(value, int | float) else type(value).__name__


def equal(one: Any, other: Any) -> bool:
    return kind(one) == kind(other) and bool(one == other)


def ordered(one: Any, sign: str, other: Any) -> bool:
    if kind(one) != kind(other) or kind(one) not in ("number", "str", "date"):
        return False
    return bool({"<": one < other, ">": one > other, ">=": one >= other}[sign])


def contains(have: Any, value: Any) -> bool:
    if isinstance(have, list):
        return any(equal(each, value) for each in have)
    return isinstance(have, str) and isinstance(value, str) and value in have


def truthy(value: Any) -> bool:
    return isinstance(value, date) or bool(value)


NAMES = st.sampled_from(["p", "q"])


def compared(name: str, value: Any) -> st.SearchStrategy[Says]:
    ways: list[Says] = [
        (f"{name} == {literal(value)}", lambda note: equal(note.get(name), value)),
        (f"{literal(value)} != note.{name}", lambda note: not equal(note.get(name), value)),
        (f'note["{name}"] == q', lambda note: equal(note.get(name), note.get("q"))),
        (f"{name}.contains({literal(value)})", lambda note: contains(note.get(name), value)),
        (f"{name}.isEmpty()", lambda note: note.get(name) in (None, "", []) and note.get(name) is not False),
        (f"!{name} && true", lambda note: not truthy(note.get(name))),
        (f'file.hasProperty("{name}")', lambda note: name in note),
        (f'file.inFolder("Ant") || {name} == null',
         lambda note: note["path"].startswith("Ant/") or note.get(name) is None),
    ]  # fmt: skip
    if value is not None and not isinstance(value, bool):
        ways += [
            (f"{name} < {literal(value)}", lambda note: ordered(note.get(name), "<", value)),
            (f"{name}>{literal(value)}", lambda note: ordered(note.get(name), ">", value)),
            (f"{literal(value)} >= {name}", lambda note: ordered(value, ">=", note.get(name))),
        ]
    if isinstance(value, str):
        ways += [
            (f"{name}.startsWith({literal(value)})",
             lambda note: isinstance(note.get(name), str) and note[name].startswith(value)),
            (f"file.basename.endsWith({literal(value)})", lambda note: note["path"][:-3].endswith(value)),
        ]  # fmt: skip
    if isinstance(value, date):
        ways += [(f'{name} + "2d" < {literal(value)}',
                  lambda note: isinstance(note.get(name), date) and note[name] + timedelta(2) < value)]  # fmt: skip
    return st.sampled_from(ways)


LEAVES: st.SearchStrategy[Says] = st.tuples(NAMES, st.sampled_from(SCALARS)).flatmap(lambda drawn: compared(*drawn))


def _and(one: Says, other: Says) -> Says:
    return f"({one[0]}) && ({other[0]})", lambda note: one[1](note) and other[1](note)


def _or(one: Says, other: Says) -> Says:
    return f"({one[0]})||({other[0]})", lambda note: one[1](note) or other[1](note)


def _not(one: Says) -> Says:
    return f"!({one[0]})", lambda note: not one[1](note)


EXPRESSIONS: st.SearchStrategy[Says] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.builds(_and, inner, inner), st.builds(_or, inner, inner), st.builds(_not, inner)),
    max_leaves=5,
)
VALUES = st.one_of(st.sampled_from(SCALARS), st.lists(st.sampled_from(["ant", "bee", 5, True]), max_size=2))


@examples(15, 40)
@given(
    st.lists(st.dictionaries(st.sampled_from(["p", "q"]), VALUES), min_size=3, max_size=8),
    st.lists(EXPRESSIONS, min_size=10, max_size=20),
)
def test_any_expression_leaves_what_python_leaves_of_the_raw_files(
    tmp_path_factory: pytest.TempPathFactory, fronts: list[dict[str, Any]], expressions: list[Says]
) -> None:
    world = World(tmp_path_factory.mktemp("oracle"))
    try:
        raw = {f"{'Ant' if i % 2 else 'Cow'}/n{i}bee.md": front for i, front in enumerate(fronts)}
        for path, front in raw.items():
            world.write(path, f"---\n{yaml.safe_dump(front)}---\nText.\n" if front else "Text.\n")
        world.apply(*raw)
        for text, holds in expressions:
            assert found(world, text) == {path for path, front in raw.items() if holds({**front, "path": path})}, text
    finally:
        world.store.close()
