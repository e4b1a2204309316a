"""What is wrong in a question, where, and how that is shown; what is too much."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples, more
from vragd.errors import Mistyped, UsageError
from vragd.search.grammar.parse import MAX_CONDITIONS, MAX_DEPTH, parse
from vragd.search.grammar.pointed import WIDTH, pointed
from vragd.search.grammar.show import show
from vragd.search.grammar.tree import And, Not, Or, Word

MISTAKES = [
    # a known operator with nothing behind it
    ("file:", "file:", "nothing behind"),
    ("a -file: ", "file:", "nothing behind"),
    ("file:()", "()", "nothing behind"),
    ("file:( ) x", "( )", "nothing behind"),
    ("(path: ) x", "path:", "nothing behind"),
    ("file: OR x", "file:", "nothing behind"),
    ("file: path:x", "file:", "nothing behind"),
    ("tag:", "tag:", "nothing behind"),
    ("tag:#", "#", "nothing behind"),
    ('source:""', '""', "nothing behind"),
    ("linksto:[[]]", "[[]]", "nothing behind"),
    ("linksto:[[|x]]", "[[|x]]", "nothing behind"),
    ("after:", "after:", "nothing behind"),
    ("[p:]", "[p:]", "nothing is asked"),
    ("x [p: ] y", "[p: ]", "nothing is asked"),
    ("[p=]", "[p=]", "nothing is asked"),
    # a quote or a group that is not closed
    ('file:"to be', '"', "quote"),
    (r'path:"C:\dir\"', '"', "quote"),
    ('[p:"x]', '"', "quote"),
    ('[p="x]', '"', "quote"),
    ("file:(a OR b", "(", "group"),
    ("x line:(a (b) c", "(", "group"),
    ("[p:(a] b)", "(", "group"),
    ("linksto:[[N", "[[", "link"),
    ("linksto:[[N\n]]", "[[", "link"),
    # patterns
    ("x /(/ y", "/(/", "a group is not closed"),
    ("path:/*a/ /[b-a]/", "/[b-a]/", "out of order"),
    ("[p:/+/]", "/+/", "nothing to repeat"),
    # properties
    ("x [status:done", "[status:", "bracket"),
    ("[status<5", "[status<", "bracket"),
    ('["p q":x', '["p q":', "bracket"),
    ('[p="x"', "[p=", "bracket"),
    ('[p="x"y]', "y", "end of the property"),
    ("[p=a OR b]", "a OR b", "one value"),
    ("[p< <5]", "<", "one sign"),
    # names
    ("tag:/x/", "/x/", "takes names"),
    ("source:(a OR file:b)", "(a OR file:b)", "takes names"),
    # dates
    ("x after:soon y", "soon", "'soon' is no date"),
    ("on:2026-02-30", "2026-02-30", "there is no 2026-02-30"),
    ("on:2026-13", "2026-13", "there is no 2026-13"),
    ("on:2026-4-9", "2026-4-9", "no date"),
    ('created:"some day"', '"some day"', "no date"),
    ("created:>7d", ">7d", "stretch of time"),
    ("created:..", "..", "no date"),
    ("after:2026..2027", "2026..2027", "no date"),
    ("before:(2026)", "(", "takes a date"),
    # dates that no note can have
    ("x on:2026-04..2026-01 y", "2026-04..2026-01", "2026-01 is over before 2026-04 begins"),
    ("-created:2026..2025-12-31", "2026..2025-12-31", "is over before"),
    ("modified:tomorrow..today", "tomorrow..today", "today is over before tomorrow begins"),
    ("after:2026-05 x before:2026-04", "before:2026-04", "no date is in this"),
    ("after:2026-04 before:2026-04", "before:2026-04", "no date is in this"),
    ("on:2026-04 OR after:3d before:7d", "before:7d", "no date is in this"),
    ("after:2026 (x before:2025)", "(x before:2025)", "no date is in this"),
    ("on:2026-04 on:2026-05", "on:2026-05", "no date is in this"),
]


def place(text: str, wrong: str) -> tuple[int, int]:
    """Where the last `wrong` is, half-open."""
    start = text.rindex(wrong)
    return start, start + len(wrong)


@pytest.mark.parametrize(("text", "wrong", "message"), MISTAKES, ids=[text for text, _, _ in MISTAKES])
def test_a_mistake_is_refused_at_its_place(text: str, wrong: str, message: str) -> None:
    with pytest.raises(Mistyped) as caught:
        parse(text)
    error = caught.value
    start, end = error.span
    assert text[start:end] == wrong
    assert message in error.message
    assert error.hint
    assert isinstance(error, UsageError)
    assert error.text == text


def test_the_place_of_a_mistake_is_counted_in_code_points() -> None:
    with pytest.raises(Mistyped) as caught:
        parse("😀 日本 e\u0301 file:")
    assert caught.value.span == place("😀 日本 e\u0301 file:", "file:")


def test_the_group_that_is_not_closed_is_the_first_one_and_not_a_later_word() -> None:
    with pytest.raises(Mistyped) as caught:
        parse("(a line:(b (c")
    assert caught.value.span == (8, 9)


# -- as a terminal shows it ------------------------------------------------------------------------


def width(line: str) -> int:
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line)
    return len(line) + wide - sum(unicodedata.category(char) in ("Mn", "Me") for char in line)


@pytest.mark.parametrize(
    ("text", "span", "shown"),
    [
        ("a file:", (2, 7), "a file:\n  ^^^^^"),
        ("日本 file:", (3, 8), "日本 file:\n     ^^^^^"),
        ("日本", (0, 1), "日本\n^^"),
        ("e\u0301 x", (3, 4), "e\u0301 x\n  ^"),
        ("a\nb\tc", (4, 5), "a b c\n    ^"),
        ("a\x1b[31m\u202eb", (7, 8), "a [31mb\n      ^"),
        ("abc", (3, 3), "abc\n   ^"),
        ("", (0, 0), "\n^"),
        ("\ud800x", (1, 2), "\ufffdx\n ^"),
    ],
)
def test_carets_are_under_the_mistake(text: str, span: tuple[int, int], shown: str) -> None:
    assert pointed(text, span) == shown


def test_of_a_long_text_what_is_around_the_mistake_is_shown() -> None:
    text = "x" * 500 + " file: " + "y" * 500
    line, carets = pointed(text, place(text, "file:")).split("\n")
    assert width(line) == WIDTH
    assert line.startswith("…x")
    assert line.endswith("y…")
    assert line[carets.index("^") : len(carets)] == "file:"


def test_an_accent_whose_letter_had_no_room_is_left_out() -> None:
    line, carets = pointed("日" + "e\u0301" * 29 + "file:" + "y" * 90, (59, 64)).split("\n")
    assert line.startswith("…e\u0301")
    assert pointed("x" * 60 + "e\u0301\u0301" + "a" * 29 + "file:" + "y" * 90, (92, 97)).startswith("…a")
    assert carets.strip() == "^^^^^"


@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 300))
@examples(60, 2_000)
def test_what_is_shown_has_two_lines_that_fit_and_carets_below_characters(text: str, one: int, other: int) -> None:
    span = min(one, other), max(one, other)
    shown = pointed(text, span)
    line, carets = shown.split("\n")
    assert width(line) <= WIDTH
    assert set(carets.lstrip(" ")) == {"^"}
    assert len(carets) <= max(width(line), 1) + 1
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in line)


# -- too much --------------------------------------------------------------------------------------


def test_groups_are_nested_only_so_deep() -> None:
    inside = "a OR b"
    for _ in range(MAX_DEPTH):
        inside = f"-({inside})"
    tree = parse(inside)
    assert parse(show(tree)) == tree
    with pytest.raises(Mistyped, match=f"more than {MAX_DEPTH} deep") as caught:
        parse(f"x -({inside})")
    assert caught.value.span == (3 + 2 * MAX_DEPTH, 4 + 2 * MAX_DEPTH)
    with pytest.raises(Mistyped, match="deep"):
        parse("match-case:" * (MAX_DEPTH + 1) + "x")


def test_a_question_has_only_so_many_conditions_and_as_many_words_as_it_likes() -> None:
    assert len(_parts(parse("-x " * MAX_CONDITIONS + "word " * 5_000))) == MAX_CONDITIONS + 5_000
    for text in ("-x " * (MAX_CONDITIONS + 1), "x OR " * MAX_CONDITIONS + "x", f"line:({'x ' * (MAX_CONDITIONS + 1)})"):
        with pytest.raises(Mistyped, match=f"{MAX_CONDITIONS + 1} conditions, at most {MAX_CONDITIONS}"):
            parse(text)


def _parts(tree: object) -> tuple[object, ...]:
    assert isinstance(tree, And)
    assert all(isinstance(part, Word | Not | Or) for part in tree.parts)
    return tree.parts


UNITS = [
    "((",
    "-(",
    "[p:",
    "[p:a ",
    '["',
    '[" ',
    '("',
    "( ",
    "/",
    "/[ ",
    " /[",
    "/a ",
    "\\",
    '\\"',
    "file:",
    "file:(",
    "match-case:",
    "linksto:[[",
    "a OR ",
    "x(",
    "x[",
    "[[",
    "[p=[[",
    "()",
    "( )",
    "a)",
    "(a) ",
    "- ",
]


def seconds(unit: str, n: int) -> float:
    """What `n` characters of such text take, of this process alone."""
    text = (unit * (n // len(unit)))[:n]
    begin = time.process_time()
    try:
        parse(text)
    except Mistyped as error:
        pointed(text, error.span)
    return time.process_time() - begin


def take_linear_time(unit: str, n: int, least_s: float) -> bool:
    """
    Whether they take less than forty times what a tenth takes, which is ten times as much; squared, a hundred.

    The least of three counts, as others use the machine.
    """
    most_s = 40 * max(min(seconds(unit, n // 10) for _ in range(3)), least_s)
    return any(seconds(unit, n) < most_s for _ in range(3))


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["(", '"', *more("-", "[", '" ', " (", " -", "[ ")])
def test_a_hundred_thousand_signs_take_linear_time(unit: str) -> None:
    assert take_linear_time(unit, 100_000, 0.01)


@pytest.mark.parametrize("unit", UNITS)
def test_any_text_takes_linear_time(unit: str) -> None:
    assert take_linear_time(unit, 20_000, 0.005)


@pytest.mark.parametrize("wrap", ["({})", "-({})", "file:({})"])
def test_deep_groups_are_refused_and_not_followed(wrap: str) -> None:
    begin, end = wrap.split("{}")
    with pytest.raises(Mistyped):
        parse(begin * 5_000 + "a" + end * 5_000)
