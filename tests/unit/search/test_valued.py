"""Values of properties: as words, as moments, and compared with what was typed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from vragd.notes.model import Value
from vragd.search.grammar.tree import Compared
from vragd.search.valued import compares, file_time, moment_of, words_of

NOW = datetime(2026, 5, 1, 12)  # noqa: DTZ001 - by the machine's own clock
NOON = datetime(2026, 4, 9, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "op", "typed", "holds"),
    [
        (3, "=", "3.0", True),
        (3, "<", "x", False),
        ("3", "<", "10", True),
        ("3", "<", "x", True),  # no number was typed: as texts
        ("b", ">", "A", True),
        (True, "=", "TRUE", True),
        (True, "<", "true", False),
        (1, "=", "true", False),
        (None, "=", "", False),
        (None, "!=", "a", True),
        (("a", "b"), "=", "B", True),
        (("a", "b"), "!=", "b", False),
        ((("a",),), "=", "a", False),  # a list within a list is no item
        (date(2026, 4, 9), "=", "2026-04", True),
        (date(2026, 4, 9), "<", "2026-04-10", True),
        (date(2026, 4, 9), ">=", "2026-04-10", False),
        (date(2026, 4, 9), "=", "soon", False),
        (NOON, ">", "2026-04-08", True),
        (float("inf"), "=", "inf", False),
    ],
)
def test_what_compares_with_what(value: Value, op: str, typed: str, holds: bool) -> None:
    assert compares(value, Compared(op, typed), NOW) is holds  # type: ignore[arg-type]


def test_values_are_words_as_one_would_write_them() -> None:
    assert list(words_of((1, "a b", None, True, date(2026, 4, 9), NOON))) == [
        "1", "a b", "", "true", "2026-04-09", "2026-04-09T12:30+00:00",
    ]  # fmt: skip


def test_the_moment_of_a_list_is_that_of_its_first_day() -> None:
    assert moment_of(("soon", NOON, date(2026, 1, 1))) == NOON
    assert moment_of(("soon", 3)) is None
    midnight = moment_of(date(2026, 4, 9))
    assert midnight is not None
    assert (midnight.hour, midnight.tzinfo is not None) == (0, True)
    assert moment_of(NOON.replace(tzinfo=None)) == NOON.replace(tzinfo=None).astimezone()


def test_the_first_and_the_last_day_of_the_calendar_are_moments() -> None:
    for wall in (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59)):  # noqa: DTZ001
        for value in (wall, wall.date()):
            moment = moment_of(value)
            assert moment is not None
            assert (moment.year, moment.tzinfo is not None) == (wall.year, True)
    assert compares(date(1, 1, 1), Compared("<", "today"), NOW)
    assert compares(date(9999, 12, 31), Compared(">", "today"), NOW)


def test_the_time_of_a_file_is_as_far_as_the_calendar_goes() -> None:
    assert file_time(1_500_000_000) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert file_time(2**63 - 1).year == 2262
    assert (file_time(10**21).year, file_time(-(10**21)).year) == (9999, 1)
