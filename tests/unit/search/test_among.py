"""Filters: which notes they leave, held against a reader of the raw files that knows nothing of the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from tests.oracle import Oracle
from tests.world import World
from vragd.errors import UsageError
from vragd.search.among import Among
from vragd.search.grammar.tree import (
    And,
    Compared,
    Link,
    Node,
    Not,
    Null,
    Or,
    Pattern,
    Phrase,
    Property,
    Scope,
    Source,
    Store,
    Tag,
    When,
    Within,
    Word,
)
from vragd.search.links import Linked, Root, notes_linked

NOW = datetime(2026, 5, 1, 12)  # noqa: DTZ001 - the machine's own zone
NOTES = {
    "Work/Plan.md": (
        "---\nstatus: open\nprio: 3\ntags: [work/deep]\n---\n# Plan\n\nstar wars marathon\n\n"
        "- [ ] buy bread\n- [x] sell milk\n"
    ),
    "Work/Notes.md": (
        "---\nstatus:\nprio: 10\n# a remark in YAML\n---\nCafé au lait #Work\n\nmeeting with Anna\n\n"
        "about bread [[Plan]] [[Nowhere]]\n"
    ),
    "Home/2026-04-09.md": (
        "---\nlist: [a red fox, blue]\ndone: true\n---\n## Bread\n\nflour and water\n\n"
        "## Milk\n\nfrom a cow [[Plan#Tasks]]\n"
    ),
    "Home/Starwars.md": "Wars in the stars.\nstar and wars apart #workshop\n",
    "Home/日記.md": "咖啡馆里的猫 user in test1user\n\n`#nocode`\n",
    "empty.md": "",
    "Old 2026-02-30.md": "---\ncreated: 2025-03-01T10:00\n---\nOld.\n",
    "due.md": '---\ndue: 2026-05-03\nempty: ""\nnone: []\n---\nA due thing (with brackets) and 3.14\n',
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("among"))
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES)
    yield world
    world.store.close()


def found(world: World, node: Node, **given: Any) -> set[str]:
    target = Linked(world.store.name, world.store.reader, {world.source.label: Root((str(world.vault),))})
    with world.store.reader.snapshot() as now:
        notes = Among("sss", now.selecting, NOW, linked=partial(notes_linked, target, now.db), **given).notes(node)
        return {entry.path for entry in now.selecting.entries(notes)}


P, H = "Work/Plan.md", "Home/2026-04-09.md"
C = "Old 2026-02-30.md"
N, S, J, D = "Work/Notes.md", "Home/Starwars.md", "Home/日記.md", "due.md"
CASES: list[tuple[Node, set[str]]] = [
    (Phrase("star wars"), {P}),
    (Phrase("STAR  wars"), {P}),
    (Word("starwars"), {S}),  # by its name
    (Word("ars"), {P, S}),
    (Word("cafe"), {N}),
    (Word("猫"), {J}),
    (Phrase("咖啡馆"), {J}),
    (Word("user"), {J}),
    (Phrase("a remark"), {N}),
    (Word("status"), {P, N}),
    (Word("(with"), {D}),
    (Word("3.14"), {D}),
    (Word("md"), set()),
    (Not(Word("bread")), {S, J, D, C, "empty.md"}),
    (And((Word("bread"), Not(Word("milk")))), {N}),
    (Or((Word("猫"), Word("cow"))), {J, H}),
    (And(()), set(NOTES)),
    (Tag("work"), {P, N}),
    (Tag("Work/Deep"), {P}),
    (Tag("nocode"), set()),
    (Tag("wor"), set()),
    (Property("status"), {P, N}),
    (Property("STATUS", Null()), {N}),
    (Property("empty", Null()), set()),
    (Property("none", Null()), set()),
    (Property("status", Or((Null(), Word("open")))), {P, N}),
    (Property("status", Not(Null())), {P}),
    (Property("none", Not(Null())), {D}),
    (Property("empty", Or((Null(), Word("x")))), set()),
    (Property("status", Not(Or((Null(), Word("shut"))))), {P}),
    (Property("list", And((Or((Null(), Phrase("red fox"))), Not(Word("blue"))))), {H}),
    (Property("status", Word("ope")), {P}),
    (Property("list", Phrase("red fox")), {H}),
    (Property("list", Word("pink")), set()),
    (Property("prio", Compared("<", "5")), {P}),
    (Property("prio", Compared(">=", "10")), {N}),
    (Property("prio", Compared("=", "3.0")), {P}),
    (Property("done", Compared("=", "true")), {H}),
    (Property("done", Compared("=", "1")), set()),
    (Property("list", Compared("=", "blue")), {H}),
    (Property("due", Compared(">", "today")), {D}),
    (Property("due", Compared("<", "2026-05-03")), set()),
    (Property("due", Compared("=", "2026-05")), {D}),
    (Property("status", Or((Word("open"), Word("shut")))), {P}),
    (Property("status", Pattern("^o.*n$")), {P}),
    (Within(Scope.FILE, Word("star")), {S}),
    (Within(Scope.FILE, Word(".md")), set(NOTES)),
    (Within(Scope.PATH, Phrase("Work/")), {P, N}),
    (Within(Scope.PATH, Pattern("^home/\\d")), {H}),
    (Within(Scope.CONTENT, Word("starwars")), set()),
    (Within(Scope.LINE, And((Word("star"), Word("apart")))), {S}),
    (Within(Scope.LINE, And((Word("meeting"), Word("bread")))), set()),
    (Not(Within(Scope.LINE, Word("bread"))), {S, J, D, C, "empty.md"}),
    (Within(Scope.BLOCK, And((Word("flour"), Word("water")))), {H}),
    (Within(Scope.BLOCK, And((Word("bread"), Word("water")))), set()),
    (Within(Scope.SECTION, And((Word("bread"), Word("water")))), {H}),
    (Within(Scope.SECTION, And((Word("bread"), Word("cow")))), set()),
    (Within(Scope.TASK, Word("milk")), {P}),
    (Within(Scope.TASK_TODO, Phrase("")), {P}),
    (Within(Scope.TASK_TODO, Word("milk")), set()),
    (Within(Scope.TASK_DONE, Word("milk")), {P}),
    (Within(Scope.MATCH_CASE, Word("Café")), {N}),
    (Within(Scope.MATCH_CASE, Word("café")), set()),
    (Within(Scope.MATCH_CASE, Pattern("WARS")), set()),
    (Within(Scope.MATCH_CASE, Within(Scope.FILE, Word("Star"))), {S}),
    (Within(Scope.MATCH_CASE, Within(Scope.FILE, Word("star"))), set()),
    (Within(Scope.MATCH_CASE, Within(Scope.IGNORE_CASE, Within(Scope.FILE, Word("star")))), {S}),
    (Within(Scope.MATCH_CASE, Property("status", Word("Open"))), set()),
    (Within(Scope.MATCH_CASE, And((Tag("WORK"), Word("Plan")))), {P, N}),
    (Within(Scope.LINE, And((Tag("work"), Word("Café")))), {N}),
    (Pattern("wars\\b"), {P, S}),
    (When("date", "2026-04-09", "2026-04-09"), {H}),
    (When("created", "2025", "2025"), {C}),
    (When("date", "", "<2026"), set()),
    (When("date", "2026-02", "2026-02"), set()),  # there is no 30 February
    (And((Source("vault"), Store("sss"), Word("flour"))), {H}),
    (Store("another"), set()),
    (Within(Scope.FILE, And((Word("plan"), Tag("work")))), {P}),
    (Within(Scope.CONTENT, And((Within(Scope.MATCH_CASE, Word("Anna")), Not(Word("wars"))))), {N}),
    (Or((And((Within(Scope.CONTENT, Word("cow")), Word("flour"))), Within(Scope.TASK, Word("bread")))), {H, P}),
    (Link("to", "Plan"), {N, H}),
    (Link("to", "work/plan.md"), {N, H}),
    (Link("to", "Plan#Tasks"), {H}),
    (Link("to", "nowhere"), {N}),
    (Link("from", "Notes"), {P}),
    (Link("from", "Nowhere"), set()),
    (Not(Link("to", "Plan")), {P, S, J, D, C, "empty.md"}),
]


@pytest.mark.parametrize(("node", "paths"), CASES, ids=[str(node) for node, _ in CASES])
def test_a_filter_leaves_the_notes_it_says(world: World, node: Node, paths: set[str]) -> None:
    assert found(world, node) == paths


def test_what_nobody_may_see_is_in_no_answer_not_even_by_a_negation(world: World) -> None:
    with world.store.reader.snapshot() as now:
        secret = {entry.id for entry in now.selecting.entries(now.selecting.all()) if entry.path.startswith("Work/")}
    hidden = partial(set[int].intersection, secret)
    for node in (And(()), Tag("work"), Not(Tag("nothing")), Word("bread"), Not(Word("bread")), Property("status")):
        assert not {path for path in found(world, node, hidden=hidden) if path.startswith("Work/")}


def test_a_pattern_that_goes_back_for_ever_ends_with_a_way_out(world: World) -> None:
    world.write("long.md", "a" * 60 + "!\n")
    world.apply("long.md")
    try:
        with pytest.raises(UsageError, match="takes longer"):
            found(world, Pattern("^(?:a|aa|aaa)+$"))
    finally:
        (world.vault / "long.md").unlink()
        world.apply("long.md")


# -- an oracle -------------------------------------------------------------------------------------------

VOCABULARY = ["ant", "bee", "ants", "Bär", "bar", "cow-bell", "x1y", "猫", "猫舍", "é"]
LINES = st.lists(st.sampled_from(VOCABULARY), max_size=4).map(" ".join)


@st.composite
def notes(draw: st.DrawFn) -> str:
    parts: list[str] = []
    if draw(st.booleans()):
        values = st.one_of(
            st.integers(0, 12),
            st.sampled_from(["ant", "bee hive", "Bär"]),
            st.lists(st.sampled_from(["ant", "cow"]), max_size=2),
            st.none(),
            st.booleans(),
        )
        front = draw(st.dictionaries(st.sampled_from(["p", "q q", "Cow"]), values, max_size=3))
        if tags := draw(st.lists(st.sampled_from(["ant", "ant/bee", "Bär"]), max_size=2)):
            front["tags"] = tags
        parts.append("---\n" + (yaml.safe_dump(front, allow_unicode=True) if front else "") + "---\n")
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["text", "text", "heading", "task", "tag"]))
        line = draw(LINES)
        if kind == "heading":
            parts.append(f"## {line or 'ant'}\n\n")
        elif kind == "task":
            parts.append(f"- [{draw(st.sampled_from(' x/'))}] {line}\n\n")
        elif kind == "tag":
            parts.append(f"{line} #{draw(st.sampled_from(['ant', 'Ant/hill', 'antic', 'Bär']))}\n\n")
        else:
            parts.append(f"{line}\n{draw(LINES)}\n\n")
    return "".join(parts)


LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.sampled_from([*VOCABULARY, "b", "-", "tag", "ell c"]).map(Word),
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=2).map(" ".join).map(Phrase),
    st.sampled_from(["^-", "an?t", "b[eä]", "\\d", "p$"]).map(Pattern),
)
TEXTUAL = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(Or),
        inner.map(Not),
    ),
    max_leaves=4,
)
TREES: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        TEXTUAL,
        st.builds(Within, st.sampled_from(list(Scope)), TEXTUAL),
        st.builds(
            Within, st.just(Scope.MATCH_CASE), st.builds(Within, st.sampled_from([Scope.FILE, Scope.PATH]), TEXTUAL)
        ),
        st.sampled_from(["ant", "ANT/bee", "bär", "an"]).map(Tag),
        st.builds(
            Property,
            st.sampled_from(["p", "q q", "cow", "tags"]),
            st.one_of(
                st.none(),
                st.just(Null()),
                TEXTUAL,
                st.just(Not(Null())),
                st.builds(lambda one: Or((Null(), one)), TEXTUAL),
                st.builds(
                    Compared, st.sampled_from(["=", "<", ">", "<=", ">=", "!="]), st.sampled_from(["5", "ant", "true"])
                ),
            ),
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=1, max_size=3).map(tuple).map(Or),
        inner.map(Not),
    ),
    max_leaves=5,
)


@examples(20, 60)
@given(st.lists(notes(), min_size=3, max_size=8), st.lists(TREES, min_size=10, max_size=20))
def test_any_tree_of_filters_leaves_what_a_reader_of_the_raw_files_leaves(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], trees: list[Node]
) -> None:
    world = World(tmp_path_factory.mktemp("oracle"))
    try:
        vault = {f"{'Ant' if i % 2 else 'Cow'}/n{i} bee.md": text for i, text in enumerate(texts)}
        for path, text in vault.items():
            world.write(path, text)
        world.apply(*vault)
        raw = [Oracle(path, text) for path, text in vault.items()]
        for tree in trees:
            expected = {one.path for one in raw if one.passes(tree)}
            assert found(world, tree) == expected, tree
    finally:
        world.store.close()
