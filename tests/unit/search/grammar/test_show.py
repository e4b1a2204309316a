"""Tree -> text that reads as the same tree."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.depth import examples
from tests.unit.search.grammar.test_parse import GRAMMAR, WORDS, anything
from vragd.errors import Mistyped
from vragd.search.grammar.dates import when
from vragd.search.grammar.parse import parse
from vragd.search.grammar.show import show
from vragd.search.grammar.signs import is_name
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
    Within,
    Word,
)


@pytest.mark.parametrize("text", [*GRAMMAR, *WORDS])
def test_what_is_shown_reads_as_what_was_asked(text: str) -> None:
    tree = parse(text)
    assert parse(show(tree)) == tree
    assert show(parse(show(tree))) == show(tree)


@given(anything)
@example("[p:a \\ ]")
@example("(a OR \\\\ ) b")
@example("match-case:file:x)")
@example("file: -x)")
@example("[p: :x]")
@example("[p:/ ] (a OR / ) b/")
@examples(100, 3_000)
def test_what_is_shown_of_any_text_reads_as_what_was_asked(text: str) -> None:
    try:
        tree = parse(text)
    except Mistyped:
        return
    assert parse(show(tree)) == tree


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  a   b ", "a b"),
        ("((a) (b OR c))", "a (b OR c)"),
        ("tag: #work", "tag:work"),
        ("[p: <= 5 ]", "[p<=5]"),
        ("linksto:N", "linksto:[[N]]"),
        ("on:>=2026", "after:2026"),
        ("on:<2026", "before:2026"),
        ("created:>=2026", "created:2026.."),
        ("a OR OR", r"a OR \OR"),
        ("[p: (null)  OR x]", "[p:null OR x]"),
        (r"[p:\null OR -\null]", r"[p:\null OR -\null]"),
        ("[p: -null]", "[p: -null]"),
        (r"[p:null \null -null] null", "[p:null null -null] null"),
        ("(file:x", r"\( file:x"),
        ('/etc/hosts 5" [1] 12:30 a) re: x --y', '/etc/hosts 5" [1] 12:30 a) re: x --y'),
    ],
)
def test_a_question_is_shown_in_one_way(text: str, shown: str) -> None:
    assert show(parse(text)) == shown


# -- drawn trees -----------------------------------------------------------------------------------

EXOTIC = [
    "OR",
    "null",
    "-x",
    "--x",
    "->",
    "-",
    "(a",
    "()",
    "a(b)",
    "a(",
    "x[",
    '"a',
    '5"',
    "file:x",
    "re:",
    "/a",
    "/a/",
    "/",
    "//",
    "/etc/hosts",
    r"\OR",
    r"\\-x",
    r"\a",
    "a\\",
    "[1]",
    "[p]",
    "[p",
    "[p:x]",
    '["p',
    "<5",
    "=",
    "!=x",
    ">",
    "::",
    ":x",
    "#t",
    "[[N]]",
    "“x”",
    "é",
    "日本",
    "12:30",
]
plain = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="()[]"), min_size=1)
words = st.one_of(st.sampled_from(EXOTIC), plain).map(Word)
texts = st.text().filter(lambda text: not text.endswith("\\"))
names = texts.filter(lambda text: text and not (text.startswith("[[") and text.endswith("]]")))
phrases = texts.map(Phrase)
patterns = st.sampled_from(["a", "a b", r"\d+", r"a\/b", "[/]", "x(y|z)", "[^)]", '"', "a]b"]).map(Pattern)
dates = st.sampled_from(
    [
        ("after", "2026-04"),
        ("before", "7d"),
        ("on", "today"),
        ("on", "2026-01.."),
        ("on", "..2026"),
        ("on", ">2026"),
        ("created", "2026-01..2026-03"),
        ("created", "2026.."),
        ("modified", "<2026-04-09T12:30"),
        ("modified", "1y"),
    ]
).map(lambda pair: when(*pair))
bare = plain.filter(lambda name: is_name(name) or not name.endswith("\\"))  # none that no question can name
operations = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])


def every(parts: list[Node]) -> Node:
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))]
    return And(tuple(flat)) if len(flat) > 1 else flat[0]


def either(parts: list[Node]) -> Node:
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,))]
    return Or(tuple(flat)) if len(flat) > 1 else flat[0]


def combined(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    lists = st.lists(nodes, min_size=1, max_size=4)
    return st.one_of(lists.map(every), lists.map(either), nodes.map(Not))


def alone(node: Node) -> Node:
    """As it is read: beside something else `null` is a word."""
    match node:
        case And(parts):
            return And(tuple(alone(beside.get(part, part)) for part in parts))
        case Or(parts):
            return Or(tuple(map(alone, parts)))
        case Not(part):
            return Not(alone(part))
    return node


beside: dict[Node, Node] = {Null(): Word("null"), Not(Null()): Not(Word("null"))}
null = st.one_of(st.just(Null()), st.just(Word("null")))
texts_asked = st.recursive(st.one_of(words, phrases, patterns, null), combined, max_leaves=6).map(alone)
tests = st.one_of(st.none(), st.just(Null()), st.builds(Compared, operations, names), texts_asked)
leaves = st.one_of(
    words,
    phrases,
    patterns,
    dates,
    st.builds(Tag, names),
    st.builds(Source, names),
    st.builds(Store, names),
    st.builds(Link, st.sampled_from(["to", "from"]), names),
    st.builds(Property, st.one_of(bare, names), tests),
)


def wider(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(combined(nodes), st.builds(Within, st.sampled_from(Scope), nodes))


trees = st.recursive(leaves, wider, max_leaves=12)


@given(trees)
@examples(100, 150)
def test_any_tree_is_shown_so_that_it_is_read_as_it_is(tree: Node) -> None:
    assert parse(show(tree)) == tree
