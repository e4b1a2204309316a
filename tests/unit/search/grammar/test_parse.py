"""Text -> tree: the grammar as Obsidian's users type it, and ours beside it; what is no grammar is words."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.errors import Mistyped
from vragd.search.grammar.parse import as_phrase, joined, parse
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

W = Word


def every(*parts: Node) -> And:
    return And(parts)


def either(*parts: Node) -> Or:
    return Or(parts)


GRAMMAR: dict[str, Node] = {
    "": And(()),
    "  \n ": And(()),
    "word": W("word"),
    "meeting -work": every(W("meeting"), Not(W("work"))),
    "a b OR c d": either(every(W("a"), W("b")), every(W("c"), W("d"))),
    "a (b OR c) d": every(W("a"), either(W("b"), W("c")), W("d")),
    "a (b c) d": every(W("a"), W("b"), W("c"), W("d")),
    "a OR (b OR c)": either(W("a"), W("b"), W("c")),
    "((a))": W("a"),
    "a [x] - b": every(W("a"), Property("x"), W("-"), W("b")),
    "-(a OR b)": Not(either(W("a"), W("b"))),
    "-(-a)": Not(Not(W("a"))),
    '"star wars"': Phrase("star wars"),
    r'"say \"yes\" twice"': Phrase('say "yes" twice'),
    r'"C:\dir"': Phrase(r"C:\dir"),
    '-"star wars"': Not(Phrase("star wars")),
    '"a b"c': every(Phrase("a b"), W("c")),
    '"a"-b': every(Phrase("a"), W("-b")),
    '""': Phrase(""),
    # operators
    'file:("to be" OR -"2B")': Within(Scope.FILE, either(Phrase("to be"), Not(Phrase("2B")))),
    "file:.jpg": Within(Scope.FILE, W(".jpg")),
    'path:"Work/"': Within(Scope.PATH, Phrase("Work/")),
    "path:/etc/hosts": Within(Scope.PATH, W("/etc/hosts")),
    "content:cat": Within(Scope.CONTENT, W("cat")),
    "line:(mix flour)": Within(Scope.LINE, every(W("mix"), W("flour"))),
    "-line:x": Not(Within(Scope.LINE, W("x"))),
    "block:(dog cat)": Within(Scope.BLOCK, every(W("dog"), W("cat"))),
    "section:(dog cat)": Within(Scope.SECTION, every(W("dog"), W("cat"))),
    "task:call": Within(Scope.TASK, W("call")),
    "task:(call OR mail)": Within(Scope.TASK, either(W("call"), W("mail"))),
    'task-todo:""': Within(Scope.TASK_TODO, Phrase("")),
    "task-todo:call": Within(Scope.TASK_TODO, W("call")),
    "task-done:call": Within(Scope.TASK_DONE, W("call")),
    "match-case:HappyCat": Within(Scope.MATCH_CASE, W("HappyCat")),
    "ignore-case:ikea": Within(Scope.IGNORE_CASE, W("ikea")),
    "match-case:file:Cat": Within(Scope.MATCH_CASE, Within(Scope.FILE, W("Cat"))),
    "match-case:[p:Cat]": Within(Scope.MATCH_CASE, Property("p", W("Cat"))),
    "file: x": Within(Scope.FILE, W("x")),
    "file: -x": Within(Scope.FILE, Not(W("x"))),
    "file:-x": Within(Scope.FILE, W("-x")),
    "file:path:x": Within(Scope.FILE, W("path:x")),
    "file:(path:x)": Within(Scope.FILE, Within(Scope.PATH, W("x"))),
    "line:[1]": Within(Scope.LINE, W("[1]")),
    "file:OR": Within(Scope.FILE, W("OR")),
    "(file:a OR file:b) c": every(either(Within(Scope.FILE, W("a")), Within(Scope.FILE, W("b"))), W("c")),
    # patterns
    r"/\d{4}-\d{2}/": Pattern(r"\d{4}-\d{2}"),
    r"path:/^Work\/[/x]+/": Within(Scope.PATH, Pattern(r"^Work\/[/x]+")),
    "/a b/ c": every(Pattern("a b"), W("c")),
    "(/a/ OR -/b/)": either(Pattern("a"), Not(Pattern("b"))),
    # tags
    "tag:work": Tag("work"),
    "tag:#work": Tag("work"),
    "tag: #work": Tag("work"),
    "-tag:#work/x": Not(Tag("work/x")),
    "tag:(a OR #b)": either(Tag("a"), Tag("b")),
    "tag:(a -b)": every(Tag("a"), Not(Tag("b"))),
    "#work": W("#work"),
    # properties
    "[p]": Property("p"),
    "-[status]": Not(Property("status")),
    "[p:null]": Property("p", Null()),
    "[p: null ]": Property("p", Null()),
    "[p:(null)]": Property("p", Null()),
    "[p:null OR x]": Property("p", Or((Null(), Word("x")))),
    "[p:a b OR (null)]": Property("p", Or((And((Word("a"), Word("b"))), Null()))),
    "[p:-null]": Property("p", Word("-null")),  # `-` negates behind a blank
    "[p: -null]": Property("p", Not(Null())),
    "[p: -(null OR x)]": Property("p", Not(Or((Null(), Word("x"))))),
    "[p:(null OR x) y]": Property("p", And((Or((Null(), Word("x"))), Word("y")))),
    "[p:null pointer]": Property("p", And((Word("null"), Word("pointer")))),
    '[p:"null" OR \\null]': Property("p", Or((Phrase("null"), Word("null")))),
    "null [p:x]": And((Word("null"), Property("p", Word("x")))),
    '[p:"null"]': Property("p", Phrase("null")),
    '["publish date":null]': Property("publish date", Null()),
    '["p q"]': Property("p q"),
    '["p q":value]': Property("p q", W("value")),
    "[p:value]": Property("p", W("value")),
    "[p: value]": Property("p", W("value")),
    "[p:in progress]": Property("p", every(W("in"), W("progress"))),
    "[p:a OR b]": Property("p", either(W("a"), W("b"))),
    "[p:(a b) OR -c]": Property("p", either(every(W("a"), W("b")), Not(W("c")))),
    '[p:"a ] b"]': Property("p", Phrase("a ] b")),
    "[p:/re[]]/]": Property("p", Pattern("re[]]")),
    "[p:file:x]": Property("p", W("file:x")),
    "[p:12:30]": Property("p", W("12:30")),
    "[p:[[Note]]]": Property("p", W("[[Note]]")),
    "[p:<5]": Property("p", Compared("<", "5")),
    "[p:>5]": Property("p", Compared(">", "5")),
    "[p:<=5]": Property("p", Compared("<=", "5")),
    "[p: >= 5 ]": Property("p", Compared(">=", "5")),
    "[p:!=v]": Property("p", Compared("!=", "v")),
    "[p=v]": Property("p", Compared("=", "v")),
    "[p==v]": Property("p", Compared("=", "v")),
    "[p:=v]": Property("p", Compared("=", "v")),
    "[p = in progress]": Property("p", Compared("=", "in progress")),
    '[p="a OR b"]': Property("p", Compared("=", "a OR b")),
    '["p q"<2026-04]': Property("p q", Compared("<", "2026-04")),
    "[up=[[My Note]]]": Property("up", Compared("=", "[[My Note]]")),
    "([p:a] OR [p:b])": either(Property("p", W("a")), Property("p", W("b"))),
    "[2fa:on]": Property("2fa", W("on")),
    "[größe>5]": Property("größe", Compared(">", "5")),
    # ours
    "source:notes": Source("notes"),
    'source:"My Notes"': Source("My Notes"),
    "store:work": Store("work"),
    "linksto:[[N]]": Link("to", "N"),
    "linksto:N": Link("to", "N"),
    'linksto:"My Note"': Link("to", "My Note"),
    "linksto:[[My Note#Part|shown]]": Link("to", "My Note#Part"),
    "linksto:[[Sq]uare]]": Link("to", "Sq]uare"),
    "linkedfrom:[[a/N]]": Link("from", "a/N"),
    "linksto:([[A b]] OR C)": either(Link("to", "A b"), Link("to", "C")),
    "after:2026-04": When("date", "2026-04", ""),
    "before:2026-04-09": When("date", "", "<2026-04-09"),
    "on:today": When("date", "today", "today"),
    "on: 2026": When("date", "2026", "2026"),
    "on:2026-01..2026-03": When("date", "2026-01", "2026-03"),
    'on:"2026-04-09 12:30"': When("date", "2026-04-09 12:30", "2026-04-09 12:30"),
    "created:7d": When("created", "7d", "7d"),
    "created:>2026": When("created", ">2026", ""),
    "created:>=2026": When("created", "2026", ""),
    "modified:<2026": When("modified", "", "<2026"),
    "modified:<=2026": When("modified", "", "2026"),
    "modified:..yesterday": When("modified", "", "yesterday"),
    "after:2026-04 before:2026-05": every(When("date", "2026-04", ""), When("date", "", "<2026-05")),
    # a backslash takes the meaning away
    r"\OR": W("OR"),
    r"\-x": W("-x"),
    r"\file:x": W("file:x"),
    r"\"a b": every(W('"a'), W("b")),
    r"\[p] \(a\)": every(W("[p]"), W(r"(a\)")),
    r"[p:\null]": Property("p", W("null")),
    r"\section \d+ C:\dir": every(W(r"\section"), W(r"\d+"), W(r"C:\dir")),
}


@pytest.mark.parametrize(("text", "tree"), GRAMMAR.items(), ids=GRAMMAR.keys())
def test_the_grammar_is_read(text: str, tree: Node) -> None:
    assert parse(text) == tree


WORDS = [
    "re: x",
    "std::vector",
    "12:30",
    "https://example.com/a?b=c#d",
    "[1]",
    "[ ]",
    "(a",
    "a)",
    "(a b",
    "f(x) g(x, y)",
    "() ( )",
    "1) one 2) two",
    ":-) :( ;-)",
    "DEC-0054",
    "multi-agent",
    "2024-04-09",
    "- a",
    "-- a --b ---",
    "-> a",
    '"',
    'a "b c',
    '5" 6"',
    "'a b'",
    "“a b”",
    "AND NOT or a AND b NOT c",
    "OR",
    "OR a",
    "a OR",
    "File:x PATH:x",
    "profile:x",
    "x-file:y",
    "and/or km/h",
    "/ a / b",
    "Home / Work / Ideas",
    "/etc/hosts and /var/log",
    "/usr/bin/env",
    "// comment /* also */",
    "/foo/i",
    "[text](https://example.com)",
    "[Source: a book](https://example.com/a) [a=b](Notes/x.md)",
    "- [x] call Ines\n  > * [X] mail her",
    "[[Note]] [[My Note]]",
    "[^1] [!note] [@key] [-]",
    "[12:30] noon",
    "[key:: value]",
    "[https://example.com]",
    "[citation needed]",
    '["a",1]',
    "a[0] a[p:x]",
    "#work #a/b",
    "C++ c# a&b x=1 a<b",
    "* `Option -` takes it; -, -; -* -? |-|",
    r"C:\dir \alpha \\server\share",
    "日本語 😀 é",
    "a\u00a0b\u3000c\td\ne",
]


def words_of(node: Node) -> list[str]:
    """The words of a tree that has nothing else."""
    parts = node.parts if isinstance(node, And) else (node,)
    assert all(isinstance(part, Word) for part in parts), parts
    return [part.text for part in parts if isinstance(part, Word)]


@pytest.mark.parametrize("text", WORDS)
def test_what_is_no_grammar_is_its_words(text: str) -> None:
    assert words_of(parse(text)) == text.split()


@given(st.text(st.characters(exclude_characters='"()[]/\\-<>=!:')).filter(lambda text: "OR" not in text))
@examples(60, 2_000)
def test_any_text_without_a_sign_of_the_grammar_is_its_words(text: str) -> None:
    assert words_of(parse(text)) == text.split()


def test_a_parenthesis_that_nothing_closes_is_a_part_of_its_word_and_hides_nothing_behind_it() -> None:
    assert parse("(a OR b") == either(W("(a"), W("b"))
    assert parse('("star wars" x') == every(W("("), Phrase("star wars"), W("x"))
    assert parse("((a OR b) c") == every(W("("), either(W("a"), W("b")), W("c"))
    assert parse("(-x tag:y") == every(W("("), Not(W("x")), Tag("y"))
    assert parse("-(a") == Not(W("(a"))
    assert parse("(a b)) c") == every(W("a"), W("b"), W(")"), W("c"))
    assert parse("(f(x) OR g(y)) z") == every(either(W("f(x)"), W("g(y)")), W("z"))
    assert parse("[p:a (b] c)") == every(Property("p", every(W("a"), W("(b"))), W("c)"))


PIECES = [
    *'ab()[]"/\\-<>=!:.,# \t',
    "OR",
    " OR ",
    "null",
    "file:",
    "path:",
    "tag:",
    "line:",
    "match-case:",
    "linksto:",
    "[[",
    "]]",
    "source:",
    "after:",
    "on:",
    "created:",
    "2026-04",
    "7d",
    "..",
    "[p:",
    '["p q":',
    "/x/",
    '\\"',
    "*",
    "{",
    "()",
    "é",
    "日",
    "\ud800",
]
anything = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))


@given(anything)
@example("(" * 300 + "a" + ")" * 300)
@example("/" + "(" * 300 + ")" * 300 + "/")
@example("/a{" + "9" * 5000 + "}/")
@examples(60, 2_000)
def test_any_text_is_read_or_refused_at_a_place_within_it(text: str) -> None:
    try:
        parse(text)
    except Mistyped as error:
        assert error.text == text
        assert 0 <= error.span[0] < error.span[1] <= len(text)


# -- words of a command ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "tree"),
    [
        (["star wars", "-work"], every(W("star"), W("wars"), Not(W("work")))),
        (['"star wars"', "-work"], every(Phrase("star wars"), Not(W("work")))),
        (["star", "wars"], every(W("star"), W("wars"))),
        (["a", "OR", "b"], either(W("a"), W("b"))),
        (["-work"], Not(W("work"))),
        (["x", "file:to be"], every(W("x"), Within(Scope.FILE, Phrase("to be")))),
        (["x", "-path:My Work/"], every(W("x"), Not(Within(Scope.PATH, Phrase("My Work/"))))),
        (["x", "source:My Notes"], every(W("x"), Source("My Notes"))),
        (["x", "linksto:My Note"], every(W("x"), Link("to", "My Note"))),
        (["file:to be"], every(Within(Scope.FILE, W("to")), W("be"))),
        (["x", "-iso daily"], every(W("x"), Not(Phrase("iso daily")))),
        (["-iso daily", "x"], every(Not(Phrase("iso daily")), W("x"))),
        (["-iso daily"], every(Not(W("iso")), W("daily"))),
        (["x", "-iso daily -y"], every(W("x"), Not(W("iso")), W("daily"), Not(W("y")))),
        (["x", "- iso daily"], every(W("x"), W("-"), W("iso"), W("daily"))),
        (["x", "after:2026-04-09 12:30"], every(W("x"), When("date", "2026-04-09 12:30", ""))),
        (["x", "after:2026-04-09 noon"], every(W("x"), When("date", "2026-04-09", ""), W("noon"))),
        (["x", "match-case:file:To Be"], every(W("x"), Within(Scope.MATCH_CASE, Within(Scope.FILE, Phrase("To Be"))))),
        (["x", 'file:"to be" or'], every(W("x"), Within(Scope.FILE, Phrase("to be")), W("or"))),
        (["x", "file:(to OR be)"], every(W("x"), Within(Scope.FILE, either(W("to"), W("be"))))),
        (["x", "file:a tag:b"], every(W("x"), Within(Scope.FILE, W("a")), Tag("b"))),
        (["x", "file:a -b"], every(W("x"), Within(Scope.FILE, W("a")), Not(W("b")))),
        (["x", "file:a source:b", "c"], every(W("x"), Within(Scope.FILE, W("a")), Source("b"), W("c"))),
        (["x", "tag:work meeting"], every(W("x"), Tag("work"), W("meeting"))),
        (["x", "re:to be"], every(W("x"), W("re:to"), W("be"))),
        (["file:", "x"], Within(Scope.FILE, W("x"))),
        (["(a", "OR", "b)", "c"], every(either(W("a"), W("b")), W("c"))),
        (["[status:in progress]", "x"], every(Property("status", every(W("in"), W("progress"))), W("x"))),
        (["", " ", "a"], W("a")),
        ([], And(())),
    ],
)
def test_the_words_of_a_command_are_one_question(args: list[str], tree: Node) -> None:
    assert parse(joined(args)) == tree


@pytest.mark.parametrize(
    ("args", "phrase"),
    [
        (["-iso daily"], '-"iso daily"'), (["", "file:to be"], 'file:"to be"'), (["iso daily"], ""), (["-iso"], ""),
        (['-"iso daily"'], ""), (["-iso -daily"], ""), (["x", "-iso daily"], ""), ([], ""),
        (["linksto:[[My Note]]"], ""), (["-linkedfrom:[[My Note#A b]]"], ""),
        (["linksto:My Note"], 'linksto:"My Note"'),
    ],
)  # fmt: skip
def test_what_a_single_word_of_a_command_may_have_had_quotes_for(args: list[str], phrase: str) -> None:
    assert as_phrase(args) == phrase


def test_a_mistake_in_a_command_is_at_a_place_of_its_words_put_together() -> None:
    args = ["file:to be", "path:"]
    with pytest.raises(Mistyped) as caught:
        parse(joined(args))
    assert caught.value.text == joined(args) == 'file:"to be" path:'
    assert joined(args)[slice(*caught.value.span)] == "path:"


@given(st.lists(anything, max_size=4))
@examples(60, 2_000)
def test_any_words_of_a_command_are_read_or_refused(args: list[str]) -> None:
    try:
        parse(joined(args))
    except Mistyped as error:
        assert error.text == joined(args)
