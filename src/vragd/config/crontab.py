"""A time of the calendar as crontab(5) writes it: `30 3 * * mon-fri`, `@daily`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS: Sequence[tuple[str, int, int, Mapping[str, int]]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_PART = re.compile(r"(?:(?P<all>\*)|(?P<first>[a-z]+|[0-9]+)(?:-(?P<last>[a-z]+|[0-9]+))?)(?:/(?P<step>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class Crontab:
    """
    The minutes at which something is due. Days of the week are 0 to 6, 0 is Sunday.

    A day fits both `days` and `weekdays`; with `either`, as crontab(5) has it where both are restricted, one of them.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool


def parse(text: str) -> Crontab:
    """What `text` says. Raises ValueError saying what is wrong with it."""
    words = _SHORT.get(text.strip().lower(), text).lower().split()
    if len(words) == 1 and words[0].startswith("@"):
        raise ValueError(f"{text!r} is none of {', '.join(_SHORT)}")
    if len(words) != len(_FIELDS):
        raise ValueError(f"{text!r} has {len(words)} fields, expected 5: minute, hour, day, month, day of the week")
    minutes, hours, days, months, weekdays = (
        _values(word, *field) for word, field in zip(words, _FIELDS, strict=True)
    )  # fmt: skip
    weekdays = frozenset(day % 7 for day in weekdays)
    either = not words[2].startswith("*") and not words[4].startswith("*")
    if not either and not any(day <= _LONGEST[month - 1] for day in days for month in months):
        raise ValueError(f"{text!r} never comes: no such month has such a day")
    return Crontab(minutes, hours, days, months, weekdays, either)


def _values(word: str, what: str, low: int, high: int, names: Mapping[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no {what}")
        if match["all"]:
            # `*/2` of the days of the week counts from Sunday to Saturday, once
            first, last = low, min(high, 6) if high == 7 else high
        else:
            first = _value(match["first"], what, low, high, names)
            last = first
            if match["last"]:
                last = _value(match["last"], what, low, high, names)
                if high == 7 and last == 0 < first:
                    last = 7  # a range that ends with Sunday
            elif match["step"]:
                last = high
        step = int(match["step"] or 1)
        if step < 1:
            raise ValueError(f"{part!r}: a step is at least 1")
        if first > last:
            raise ValueError(f"{part!r} is a range that ends before it begins")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _value(word: str, what: str, low: int, high: int, names: Mapping[str, int]) -> int:
    if word in names:
        return names[word]
    if not word.isdigit() or not low <= int(word) <= high:
        raise ValueError(f"{word!r} is no {what}, which goes from {low} to {high}")
    return int(word)
