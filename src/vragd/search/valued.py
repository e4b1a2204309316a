"""Values of properties as filters see them: as words, and compared with what was typed."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from vragd.catalog.fold import fold
from vragd.notes.model import Value
from vragd.search.grammar.dates import day_or_time, interval
from vragd.search.grammar.tree import And, Compared, Node, Not, Null, Or

_FIRST_S, _LAST_S = -62_135_500_000, 253_402_200_000  # a day within the years 1 and 9999
_MOST_NS = (1 << 63) - 1
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def words_of(value: Value) -> Iterator[str]:
    """A value as text, a list's items one by one."""
    if isinstance(value, tuple):
        for each in value:
            yield from words_of(each)
    elif value is None:
        yield ""
    else:
        yield written(value)


def written(value: Value) -> str:
    """A single value as one would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    return str(value)


def beside_null(test: Node, *, is_null: bool) -> Node | bool:
    """What is left of a test of words when it is known whether the value is null; it may hold, or not, by that."""
    match test:
        case Null():
            return is_null
        case Not(part):
            left = beside_null(part, is_null=is_null)
            return not left if isinstance(left, bool) else Not(left)
        case And(parts) | Or(parts):
            decides = isinstance(test, Or)  # what one part says for all
            found = [beside_null(part, is_null=is_null) for part in parts]
            if any(one is decides for one in found):
                return decides
            some = tuple(one for one in found if not isinstance(one, bool))
            return type(test)(some) if some else not decides
    return test


def moment_in(value: Value) -> Value:
    """The day, or the time of one, that a text is; else the value."""
    text = value.strip() if isinstance(value, str) else ""
    moment = day_or_time(text)
    if moment is None:
        return value
    return moment if len(text) > len("2026-01-02") else moment.date()


def moment_of(value: Value) -> datetime | None:
    """The moment a value names, in local time where it names no zone; of a list the first that does."""
    if isinstance(value, tuple):
        return next((found for each in value if (found := moment_of(each)) is not None), None)
    if isinstance(value, datetime):
        return value if value.tzinfo else _local(value)
    if isinstance(value, date):
        return _local(datetime.combine(value, time()))
    return None


def day_of(value: Value) -> date | None:
    """The day, here, of the moment that a value names."""
    if (moment := moment_of(value)) is None:
        return None
    try:
        return moment.astimezone().date()
    except (OverflowError, ValueError, OSError):  # as in `_local`
        return moment.date()


def _local(wall: datetime) -> datetime:
    try:
        return wall.astimezone()
    except (OverflowError, ValueError, OSError):  # the first and the last day of the calendar: 9999-12-31 is "never"
        return wall.replace(tzinfo=UTC)


def file_time(modified_ns: int) -> datetime:
    """When a file was changed, in UTC: nanoseconds since 1970, as far as the calendar goes."""
    seconds = max(_FIRST_S, min(_LAST_S, modified_ns / 1e9))
    return datetime.fromtimestamp(seconds, UTC)


def microseconds(moment: datetime) -> int:
    """A moment since 1970, of whatever year."""
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def nanoseconds(moment: datetime) -> int:
    """A moment as files have it: since 1970, as far as 64 bits go."""
    made: int = (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000
    return max(-_MOST_NS, min(_MOST_NS, made))


def compares(value: Value, test: Compared, now: datetime) -> bool:
    """
    Whether the value, or an item of a list, compares so with what was typed. `!=`: there is a value, and none is equal.

    Numbers compare with numbers, days and times with days and times, and everything as text with texts; nothing else.
    """
    items = value if isinstance(value, tuple) else (value,)
    if test.op == "!=":
        return not any(_is(each, "=", test.value, now) for each in items)
    return any(_is(each, test.op, test.value, now) for each in items)


def _is(value: Value, op: str, typed: str, now: datetime) -> bool:
    if value is None or isinstance(value, tuple):
        return False
    if isinstance(value, bool):
        return op == "=" and fold(typed) == written(value)
    when = moment_in(value)
    if isinstance(when, date):
        return _is_when(when, op, typed, now)
    assert not isinstance(value, date)
    if isinstance(value, int | float) or _number(value) is not None:
        have, wanted = _number(str(value)), _number(typed)
        if have is not None and wanted is not None:
            return have == wanted if op == "=" else _ORDER[op](have, wanted)
        if isinstance(value, int | float):
            return False
    return fold(str(value)) == fold(typed) if op == "=" else _ORDER[op](fold(str(value)), fold(typed))


def _is_when(value: date, op: str, typed: str, now: datetime) -> bool:
    moment = moment_of(value)
    assert moment is not None
    try:
        start, end = interval(typed, now)
    except ValueError:  # what was typed is no date
        return False
    if op == "=":
        return start <= moment < end
    return {"<": moment < start, "<=": moment < end, ">": moment >= end, ">=": moment >= start}[op]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
