"""
Lines that recur from note to note, as those of a template do: they say nothing of what one of them is about.

A line is compared without what marks it as a heading, a quotation, an item or a task, and whether that is done.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

from vragd.catalog.fold import fold
from vragd.catalog.indexing import dates_in

RECURS_IN = 3
"""A line in so many other notes recurs."""
_LONGEST_DAY = 10
_MARKS = re.compile(r"^[\s>]*(?:#{1,6}\s|(?:[-*+]|\d{1,9}[.)])\s+(?:\[.\]\s)?)?\s*")


def line_key(line: str) -> str:
    """What a line is compared by; '' for one without text."""
    return fold(_MARKS.sub("", line)).strip()


def is_day(text: str) -> bool:
    """Whether that is a day, and nothing else: a line or a title that says nothing of what the note is about."""
    return bool(dates_in(text)) and len(text.strip()) <= _LONGEST_DAY


def keys_in(text: str) -> set[str]:
    """Those of its lines."""
    return {key for line in text.splitlines() if (key := line_key(line))}


def recurring(keys: Collection[str], texts: Iterable[str]) -> frozenset[str]:
    """Which of the lines are in RECURS_IN of the texts or more."""
    found = Counter(key for text in texts for key in keys_in(text).intersection(keys))
    return frozenset(key for key, n in found.items() if n >= RECURS_IN)


def says_something(line: str, keys: Collection[str]) -> bool:
    """Whether it is none of the lines that recur, and more than a day."""
    key = line_key(line)
    return key not in keys and not is_day(key)


def without(text: str, keys: Collection[str]) -> str:
    """The text without those of its lines, and those that are but a day; the text itself if it has none of them."""
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if says_something(line, keys)]
    return text if len(kept) == len(lines) else "".join(kept)
