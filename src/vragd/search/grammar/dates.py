"""
Dates as people type them -> moments.

`after:X` begins where X begins and `before:X` ends there, as in Gmail and IMAP (`SINCE`, `BEFORE`): so one is exactly
what the other leaves out, and `after:2026-04 before:2026-05` is April. Days begin at midnight in the zone of `now`.
What no date can be is refused by the parser, which asks `Left`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, time, timedelta, tzinfo

from vragd.search.grammar.tree import And, Node, When

FORMS = "2026, 2026-04, 2026-04-09, 2026-04-09T12:30, today, yesterday, 7d, 2w, 3m or 1y"
FIELDS = {"after": "date", "before": "date", "on": "date", "created": "created", "modified": "modified"}
_CALENDAR = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d))?)?)?)?", re.ASCII)
_AGO = re.compile(r"([1-9]\d{0,3})([dwmy])", re.ASCII)
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_COMPARED = re.compile(r"([<>]=?)(.+)", re.DOTALL)
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_FIRST, _LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001
_Moments = tuple[datetime | None, datetime | None]
_SOME_DAY = datetime(2026, 1, 31, tzinfo=UTC)
_EVER = (datetime(2, 1, 1, 12, tzinfo=UTC), datetime(9998, 1, 1, 12, tzinfo=UTC))
"""Before and after whatever a question means: what is empty at both is so whenever it is asked."""


def interval(spec: str, now: datetime) -> tuple[datetime, datetime]:
    """
    What `spec` stands for, half-open, both ends in UTC. Raises ValueError for what is no date.

    A `now` without a zone is in that of the machine. One with a fixed offset has that offset all year: give a zone.
    `7d` are the last seven days up to `now`, by the wall clock: they begin at the same time of day.
    """
    wall, zone = now.replace(tzinfo=None), now.tzinfo
    if found := _AGO.fullmatch(spec.lower()):
        return at_wall(_ago(wall, int(found[1]), found[2]), zone), now.astimezone(UTC)
    if (offset := _DAYS.get(spec.lower())) is not None:
        day = datetime.combine(wall.date(), time())
        return at_wall(_later(day, offset), zone), at_wall(_later(day, offset + 1), zone)
    if not (found := _CALENDAR.fullmatch(spec)):
        raise ValueError(f"{spec[:40]!r} is no date")
    try:
        return _named([int(digits) for digits in found.groups() if digits], zone)
    except ValueError:
        raise ValueError(f"there is no {spec}") from None


def moved(moment: datetime, count: int, unit: str, zone: tzinfo | None) -> datetime:
    """
    So many of a unit later, earlier for fewer than none; in UTC, and no further than the calendar goes.

    `h`, `m` and `s` are stretches of time; `d`, `w`, `M` and `y` go by the wall clock of `zone`, None for that of the
    machine: the time of day stays.
    """
    if unit in _SECONDS:
        return _later(moment, _stretch(count * _SECONDS[unit]))
    try:
        wall = moment.astimezone(zone).replace(tzinfo=None)
    except (OverflowError, ValueError, OSError):  # the first and the last day of the calendar
        wall = moment.replace(tzinfo=None)
    if unit in "dw":
        return at_wall(_later(wall, _stretch(count * 86_400 * (7 if unit == "w" else 1))), zone)
    return at_wall(_months_later(wall, count * (12 if unit == "y" else 1)), zone)


def _stretch(seconds: int) -> timedelta:
    most = 400_000_000_000  # more than the calendar has
    return timedelta(seconds=max(-most, min(most, seconds)))


def day_or_time(text: str) -> datetime | None:
    """
    The day, or the time of one, that a text is: `2026-01-02`, `2026-01-02 14:30`, with a zone behind it or without.

    None for what is none, a part of the calendar like `2026-01` too.
    """
    if not _DAY.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def bounds(when: When, now: datetime) -> _Moments:
    """The moments between which `when` lies, half-open, in UTC; None where it is open. `now` as for `interval`."""
    start = end = None
    if when.start:
        start = interval(when.start.removeprefix(">"), now)[when.start.startswith(">")]
    if when.end:
        end = interval(when.end.removeprefix("<"), now)[not when.end.startswith("<")]
    return start, end


class Left:
    """The moments that dates beside each other leave of each field, as seen `now`, or None for whenever that is."""

    def __init__(self, now: datetime | None) -> None:
        self._asked = _EVER if now is None else (now,)
        self._left: dict[str, list[_Moments]] = {}

    def none_after(self, node: Node) -> bool:
        """Whether no moment is left once the dates in `node`, or in its parts that all must hold, hold as well."""
        if isinstance(node, And):
            return any(self.none_after(part) for part in node.parts)
        if not isinstance(node, When):
            return False
        own = [bounds(node, now) for now in self._asked]
        if node.start == node.end and any(map(_is_empty, own)):
            return False  # a day that the clocks here leave out is empty, and no mistake
        before = self._left.get(node.field)
        left = own if before is None else [_overlap(*both) for both in zip(before, own, strict=True)]
        self._left[node.field] = left
        return all(map(_is_empty, left))


def _overlap(one: _Moments, other: _Moments) -> _Moments:
    starts, ends = ([moment for moment in pair if moment is not None] for pair in zip(one, other, strict=True))
    return max(starts, default=None), min(ends, default=None)


def _is_empty(moments: _Moments) -> bool:
    start, end = moments
    return start is not None and end is not None and end <= start


def when(operator: str, value: str) -> When:
    """
    What `operator:value` says; the operator is one of FIELDS. Raises ValueError for what is no date.

    All but `after` and `before` take `A..B`, both included, `A..`, `..B`, and `>A`, `>=A`, `<A`, `<=A` with a date of
    the calendar.
    """
    start, end = value, value
    if operator in ("after", "before"):
        interval(value, _SOME_DAY)
        start, end = (value, "") if operator == "after" else ("", f"<{value}")
    elif found := _COMPARED.fullmatch(value):
        start, end = _compared(found[1], found[2])
    elif ".." in value:
        start, _, end = value.partition("..")
    if not start and not end:
        raise ValueError(f"{value[:40]!r} is no date")
    made = When(FIELDS[operator], start, end)  # type: ignore[arg-type]
    bounds(made, _SOME_DAY)
    return made


def _compared(sign: str, spec: str) -> tuple[str, str]:
    if _AGO.fullmatch(spec.lower()):
        raise ValueError(f"{spec} is a stretch of time up to now: nothing is {sign} than that")
    return {">": (f">{spec}", ""), ">=": (spec, ""), "<": ("", f"<{spec}"), "<=": ("", spec)}[sign]


def _named(numbers: list[int], zone: tzinfo | None) -> tuple[datetime, datetime]:
    """A year, month, day, minute or second. Raises ValueError if the calendar or the clock has none such."""
    begin = datetime(*[*numbers, 1, 1][: max(3, len(numbers))])  # type: ignore[arg-type]  # noqa: DTZ001
    if len(numbers) > 3:
        length = timedelta(seconds=1 if len(numbers) == 6 else 60)
        start = at_wall(begin, zone)
        again = at_wall(begin.replace(fold=1), zone)  # when clocks go back it comes twice
        return start, _later(max(start, again), length)
    if len(numbers) == 3:
        return at_wall(begin, zone), at_wall(_later(begin, 1), zone)
    return at_wall(begin, zone), at_wall(_months_later(begin, 1 if len(numbers) == 2 else 12), zone)


def _ago(wall: datetime, count: int, unit: str) -> datetime:
    if unit in "dw":
        return _later(wall, -count * (7 if unit == "w" else 1))
    return _months_later(wall, -count * (12 if unit == "y" else 1))


def _later(moment: datetime, by: int | timedelta) -> datetime:
    """So many days, or so much, later or earlier; no further than the calendar goes."""
    step = timedelta(days=by) if isinstance(by, int) else by
    try:
        return moment + step
    except OverflowError:
        return (_LAST if step > timedelta() else _FIRST).replace(tzinfo=moment.tzinfo)


def _months_later(wall: datetime, by: int) -> datetime:
    """The same day of another month, or its last one."""
    year, month = divmod(wall.year * 12 + wall.month - 1 + by, 12)
    if not _FIRST.year <= year <= _LAST.year:
        return _LAST if by > 0 else _FIRST
    return wall.replace(year=year, month=month + 1, day=min(wall.day, monthrange(year, month + 1)[1]))


def at_wall(wall: datetime, zone: tzinfo | None) -> datetime:
    """When clocks show `wall`, the first time they do, in UTC. `zone` is None for that of the machine."""
    try:
        return (wall if zone is None else wall.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError, OSError):  # the first and the last day of the calendar
        return wall.replace(tzinfo=UTC)
