"""Filters: what holds, what is left over, and that neither text nor order is made up."""

from __future__ import annotations

import pytest

from vragd.terms.filter import (
    And,
    Compare,
    Exists,
    Filter,
    In,
    Moment,
    Not,
    Or,
    Prefix,
    equals,
    every,
    holds,
    one_of,
    shown,
    split,
)

NOTE = {"t": "draft", "n": 3, "f": 3.0, "yes": True, "at": Moment(10), "l": ("a", 1, True), "empty": ()}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (equals("t", "draft"), True),
        (equals("t", "Draft"), False),
        (equals("n", 3.0), True),
        (equals("n", "3"), False),
        (equals("yes", 1), False),
        (equals("n", True), False),
        (equals("l", 1), True),
        (equals("l", True), True),
        (equals("l", 0), False),
        (equals("empty", ""), False),
        (Exists("empty"), True),
        (Exists("gone"), False),
        (Not(equals("gone", 1)), True),
        (Not(Exists("t")), False),
        (Compare("n", ">", 2.5), True),
        (Compare("n", "<", "9"), False),
        (Compare("yes", ">=", False), False),
        (Compare("t", "<", "e"), True),
        (Compare("at", "<=", Moment(10, date_only=True)), True),
        (Compare("at", "=", Moment(10, date_only=True)), True),
        (Compare("at", ">", 3), False),
        (Compare("n", "<", float("nan")), False),
        (Prefix("t", "dr"), True),
        (Prefix("n", ""), False),
        (Prefix("l", "a"), True),
        (In("t", ("x", "draft")), True),
        (In("t", ()), False),
        (one_of("l", ["z", "a"]), True),
        (And(()), True),
        (Or(()), False),
        (And((equals("n", 3), Not(equals("t", "x")))), True),
        (Or((equals("n", 4), equals("f", 3))), True),
    ],
    ids=str,
)
def test_a_filter_holds_where_it_says(where: Filter, expected: bool) -> None:
    assert holds(where, NOTE) is expected
    assert holds(Not(where), NOTE) is not expected


def test_what_cannot_be_evaluated_is_left_over_whole() -> None:
    able = equals("a", 1)
    unable = Or((equals("a", 2), Exists("b")))

    def can(part: Filter) -> bool:
        return isinstance(part, Compare)

    assert split(None, can) == (None, None)
    assert split(able, can) == (able, None)
    assert split(unable, can) == (None, unable)
    assert split(And((able, unable, And((able, Not(able))))), can) == (And((able, able)), And((unable, Not(able))))


def test_parts_that_are_not_there_are_left_out() -> None:
    assert every() is every(None, None) is None
    assert every(None, Exists("a")) == Exists("a")


def test_a_filter_is_shown_as_a_person_would_write_it() -> None:
    where = And((Or((equals("a", 1), Prefix("b", "x"))), Not(Exists("c")), In("d", ("y",))))
    assert shown(where) == "((a = 1 or b begins with 'x') and not c exists and d in ['y'])"


def test_a_moment_is_whole_microseconds() -> None:
    for wrong in (1.5, True, "1"):
        with pytest.raises(TypeError):
            Moment(wrong)  # type: ignore[arg-type]
