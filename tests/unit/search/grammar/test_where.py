"""Filters as they are typed: what is an expression of Bases, what is the grammar, and where a mistake is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.errors import Mistyped
from vragd.search.grammar.expression import expression
from vragd.search.grammar.operands import Clock, Given, Moved, OfFile, OfNote, Step
from vragd.search.grammar.parse import MAX_CONDITIONS, MAX_DEPTH, parse
from vragd.search.grammar.pointed import pointed
from vragd.search.grammar.show import show
from vragd.search.grammar.tree import And, Asks, Compares, Folder, Link, Node, Not, Or, Property, Tag
from vragd.search.grammar.where import filters

READ: list[tuple[str, Node]] = [
    ('file.hasTag("a")', Tag("a")),
    ('file.hasTag("#a", "b/c")', Or((Tag("a"), Tag("b/c")))),
    ('file.inFolder("A")', Folder("A")),
    ('file.hasLink("[[A|b]]")', Link("to", "A")),
    ('file.links.contains("A")', Link("to", "A", embed=False)),
    ('file.hasProperty("x y")', Property("x y")),
    ('x == "a" && y || z',
     Or((And((Compares(OfNote("x"), "==", Given("a")), Asks("isTruthy", OfNote("y")))),
         Asks("isTruthy", OfNote("z"))))),
    ("!x.isEmpty()", Not(Asks("isEmpty", OfNote("x")))),
    ('note["a b"] >= -1.5', Compares(OfNote("a b"), ">=", Given(-1.5))),
    ('file.mtime > today() - "7d" + "1 month"',
     Compares(OfFile("mtime"), ">", Moved(Clock("today"), (Step(-7, "d"), Step(1, "M"))))),
    ('x < now() + "-90m"', Compares(OfNote("x"), "<", Moved(Clock("now"), (Step(-90, "m"),)))),
    ('x < date("2026-01-02")', Compares(OfNote("x"), "<", Moved(Given("2026-01-02")))),
    (r"""x == 'it\'s "so"\n\t\\'""", Compares(OfNote("x"), "==", Given("it's \"so\"\n\t\\"))),
    ('x.containsAll("a", 1)',
     And((Asks("contains", OfNote("x"), Given("a")), Asks("contains", OfNote("x"), Given(1))))),
    ('страна == "Грузия"', Compares(OfNote("страна"), "==", Given("Грузия"))),
    ("today == 1", Compares(OfNote("today"), "==", Given(1))),  # a property may be called so
    ("file == note", Compares(OfNote("file"), "==", OfNote("note"))),
    ("a<b", Compares(OfNote("a"), "<", OfNote("b"))),
    ("!a", Not(Asks("isTruthy", OfNote("a")))),
    ('note["a b"]', Asks("isTruthy", OfNote("a b"))),
    ("x == 12345678901234567890", Compares(OfNote("x"), "==", Given(12345678901234567890))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), READ, ids=[text for text, _ in READ])
def test_what_reads_as_an_expression_is_one(text: str, tree: Node) -> None:
    assert filters(text) == tree
    assert filters(f"\n ({text}) ") == tree


@pytest.mark.parametrize(
    "text",
    [
        "word", "note.x", "true", '"a phrase"', "(a OR b)", "(a)", "a b", "-x", "- x", "a - b", "tag:work after:7d",
        "[rating>=4]", "[status!=done]", "[p==x]", "modified:>2026-04", "modified:<=2026-04", "line:(a == b)",
        '"a == b"',
        "[p:a && b]", "/a==b/", "path:/^a||b$/", "linksto:[[A && B]]", "a -> b", "a => b", "List<String>", "<div>", "<",
        "==important==", "C++", "don't", "file.txt", "readme.md", "foo(bar)", "x = ", "&& ||", "https://a.b/?c=d&e=f",
        "std::vector<int>", "5 > ", "==", 'file:"a == b"', "match-case:(x != Y)", '-"a && b"', "a.b.c", "#tag", "",
        "[1, 2]", "a[b]", "x[0]y", '["a"]', "[a, b]", '"author[0]"', "[p:x[0]]",
    ],
)  # fmt: skip
def test_all_else_is_the_grammar_of_questions(text: str) -> None:
    assert filters(text) == parse(text)


MISTAKES = [
    # no expression, and meant to be one
    ('status = "done"', "=", "no operator"),
    ("a === 1", "===", "no operator"),
    ('x == 1 and y == "b"', "and", "no operator"),
    ("x == 1 OR y == 2", "OR", "no operator"),
    ("x == 1 | y == 2", "|", "no operator"),
    ("rating >= 4 tag:book", "tag", "has ended"),
    ("tag:book && x == 1", ":", "has ended"),
    ("a < b < c", "<", "one comparison"),
    ("x == 1 &&", "", "missing"),
    ("x == 1 && y ==", "", "missing"),
    ("(x == 1", "", ") is missing"),
    ("x == 1)", ")", "has ended"),
    ('status == "done', '"', "quote"),
    ("status == 'done", "'", "quote"),
    ('file.hasTag("a', '"', "quote"),
    ('file.hasTag("a" "b")', '"b"', ", is missing"),
    ('file.hasTag("a"', "", ") is missing"),
    ("file.hasTag(a)", "a", "a text in quotes"),
    ("file.hasTag()", ")", "takes something"),
    ('file.hasTag("#")', '"#"', "empty"),
    ('file.hasLink(" ")', '" "', "empty"),
    ('file.inFolder("a", "b")', '"b"', "one value"),
    ('file.isEmpty("a")', "file.isEmpty", "no function"),
    ("file.colour == 1", "file.colour", "no file.colour"),
    ("file.backlinks.isEmpty()", "file.backlinks", "no file.backlinks"),
    ("file.backlinks", "file.backlinks", "no file.backlinks"),
    ("!file.properties", "file.properties", "no file.properties"),
    ("formula.x", "formula", "no `formula`"),
    ("!formula.x", "formula", "no `formula`"),
    ("file. == 1", "==", "a field or a function"),
    ('file.hasTag("a") || "b"', '"b"', "no condition"),
    ("today() && x == 1", "today()", "no condition"),
    ("file.name", "file.name", "no condition"),
    ('duration("1d") == 1', 'duration("1d")', "stretch of time"),
    ('!status == "done"', "!status", "condition"),
    ('file.hasTag("a") == 1', 'file.hasTag("a")', "condition"),
    ('file.tags == "a"', "file.tags", "a list is not compared"),
    ('file.size > "1"', '"1"', "this is a text"),
    ("file.name == 5", "5", "this is a number"),
    ("file.mtime > 5", "5", "this is a number"),
    ('file.mtime > "7d"', '"7d"', "no date"),
    ("x < null", "null", "less or more"),
    ("true > x", "true", "less or more"),
    # moments
    ('today() - "7 parsecs" < x', '"7 parsecs"', "no stretch"),
    ('today() - "1.5d" < x', '"1.5d"', "no stretch"),
    ("today() - 7d < x", "7d", "in quotes"),
    ("today() - 7 < x", "-", "nothing is calculated"),
    ('now() - file.ctime < "1d"', "-", "nothing is calculated"),
    ("due-date > today()", "-", "nothing is calculated"),
    ("x * 2 > 3", "*", "nothing is calculated"),
    ('"2026-01-01" + "7d" < x', '"2026-01-01"', "only a date"),
    ('date("2026-13-01") < x', '"2026-13-01"', "no date"),
    ('date("soon") < x', '"soon"', "no date"),
    ("date(5) < x", "5", "no date"),
    ("date(file.size) < x", "file.size", "no date"),
    ('x + duration("1 parsec") < y', '"1 parsec"', "no stretch"),
    ('file.links.contains(" ")', '" "', "empty"),
    ('today("x") < x', '"x"', "nothing"),
    # functions and values
    ('status.lower() == "x"', "lower", "no function"),
    ('status.length == "x"', ".length", "not looked at"),
    ('status["a"] == "x"', "[", "not picked"),
    ("if(a, b) == 1", "if", "no function"),
    ('note.contains("x") == true', "contains", "no function"),
    ('file.size.contains("1")', "file.size", "a number"),
    ('file.tags.startsWith("1")', "file.tags", "a list"),
    ("file.name.contains(5)", "5", "takes a text"),
    ("x.contains(file.tags)", "file.tags", "no single value"),
    ('x.contains("a", "b")', '"b"', "one value"),
    ("x.isEmpty(1)", "1", "nothing"),
    ("file.links.contains(title)", "title", "a text in quotes"),
    ('["a","b"].contains(status)', "[", "lists cannot"),
    ('x == ["a"]', "[", "lists cannot"),
    ('["a","b"]', "[", "lists cannot"),
    ("['a', 'b']", "[", "lists cannot"),
    ('["a", "b"]', "[", "lists cannot"),
    ("author[0]", "[", "not picked"),
    ("!note.author[-1]", "[", "not picked"),
    ("(author[0])", "[", "not picked"),
    ("author[0].name", "[", "not picked"),
    ("file.name.contains(/x/)", "/", "patterns"),
    ('formula.x == "a"', "formula", "no `formula`"),
    ("file.hasLink(this.file)", "this", "no `this`"),
    ('note[x] == "a"', "x", "in quotes"),
    ("x == 1e999", "1e999", "too large"),
    ("x == 5kg", "5kg", "in quotes"),
]


@pytest.mark.parametrize(
    "text", ["title.lower()", "!title.lower()", "this.file", "if(a, b)", "/a/.matches(title)", "due.format('YYYY')"]
)
def test_what_bases_have_and_is_not_here_is_refused_where_it_stands_alone(text: str) -> None:
    with pytest.raises(Mistyped) as caught:
        filters(text)
    assert caught.value.hint


@pytest.mark.parametrize(("text", "wrong", "message"), MISTAKES, ids=[text for text, _, _ in MISTAKES])
def test_a_mistake_in_an_expression_is_refused_at_its_place(text: str, wrong: str, message: str) -> None:
    with pytest.raises(Mistyped) as caught:
        filters(text)
    error = caught.value
    start, end = error.span
    assert text[start:end] == wrong
    assert text.count(wrong) > 1 or start == text.index(wrong)
    assert message in error.message
    assert error.hint
    assert error.text == text


def test_the_first_of_several_mistakes_is_shown() -> None:
    with pytest.raises(Mistyped) as caught:
        filters('a == 1 && file.x == 2 && "open')
    assert caught.value.span == (10, 16)


def test_a_mistake_in_the_grammar_is_still_one() -> None:
    with pytest.raises(Mistyped, match="nothing behind"):
        filters("a tag:")


def test_expressions_are_nested_only_so_deep_and_have_only_so_many_conditions() -> None:
    for begin, end in (("(", ")"), ("!", ""), ("!(", ")")):
        depth = (MAX_DEPTH - 1) // len(begin)  # the call has parentheses of its own
        assert filters(begin * depth + "x.isEmpty()" + end * depth) != parse("x.isEmpty()")
        with pytest.raises(Mistyped, match="deep"):
            filters(begin * 5_000 + "x.isEmpty()" + end * 5_000)
    with pytest.raises(Mistyped, match="deep"):
        filters("x.contains(" * 100 + "y == 1" + ")" * 100)
    assert len(filters(" || ".join(["a == 1"] * MAX_CONDITIONS)).parts) == MAX_CONDITIONS  # type: ignore[union-attr]
    with pytest.raises(Mistyped, match="conditions"):
        filters(" && ".join(["a == 1"] * (MAX_CONDITIONS + 1)))


def test_what_only_an_expression_says_has_no_text_in_the_grammar() -> None:
    for text in ('file.inFolder("A")', "a == 1", "a.isEmpty()", 'file.links.contains("A")'):
        with pytest.raises(TypeError, match="only an expression"):
            show(filters(text))
    assert parse(show(filters('file.hasTag("a", "b") && !file.hasLink("N")'))) == filters(
        'file.hasTag("a", "b") && !file.hasLink("N")'
    )


PIECES = [
    "file", ".", "hasTag", "(", ")", '"a"', "'b'", '"', "'", "\\", "&&", "||", "!", "==", "!=", "<", ">=", "=", "&",
    "-", "+", "note", "[", "]", "x", "7d", "5", ".5", "1e9", "today()", "now()", "date(", "duration(", "link(",
    "contains", "isEmpty()", "mtime", "tags", "links", '"7d"', '"2026-01-02"', ",", " ", "\n", "null", "true", "tag:",
    "/", "OR", "é", "\x00", "٣", "²", "\ud800", "file.mtime", "file.size", ".contains(", "this.", "formula.",
]  # fmt: skip


@examples(300, 1_500)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=25).map("".join)))
def test_whatever_is_typed_nothing_but_a_mistake_is_raised_and_it_is_within_the_text(text: str) -> None:
    for read in (filters, expression):
        try:
            read(text)
        except Mistyped as error:
            start, end = error.span
            assert 0 <= start <= end <= len(text)
            assert error.text == text
            pointed(text, error.span)


def seconds(unit: str, n: int) -> float:
    text = (unit * (n // len(unit)))[:n]
    times = list[float]()
    for _ in range(3):
        begin = time.process_time()
        try:
            filters(text)
        except Mistyped as error:
            pointed(text, error.span)
        times.append(time.process_time() - begin)
    return min(times)


UNITS = [
    '"',
    '\\"',
    "'\\",
    "!",
    "!(",
    "(",
    "a.",
    "a.contains(",
    'x+"1d"',
    "a==b&&",
    "-",
    "5",
    " ",
    "note[",
    "file.",
    "a<",
]


@pytest.mark.parametrize("unit", UNITS)
def test_any_expression_takes_linear_time(unit: str) -> None:
    assert seconds(unit, 20_000) < 40 * max(seconds(unit, 2_000), 0.005)  # ten times as much; squared, a hundred
