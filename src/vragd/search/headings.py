"""A heading as it is read: a link by its text, no marks of emphasis or code. Answers have it as it is written."""

from __future__ import annotations

from collections.abc import Sequence

from vragd.system.unseen import seen

_MARKS = frozenset("*_~=`[\\\0")


def as_read(heading: str) -> str:
    """One heading."""
    if _MARKS.isdisjoint(heading):
        return heading
    from vragd.search.unmarked import heading_unmarked  # most headings need none of it

    return heading_unmarked(heading)


def as_seen(heading: str) -> str:
    """One heading as it is read, without characters that nobody sees."""
    return as_read(seen(heading))


SPELT = (str, as_read, as_seen)
"""The ways in which somebody may name a heading, likeliest first."""


def path_of(headings: Sequence[str]) -> str:
    """The headings that a passage is under, the outermost first."""
    return " › ".join(map(as_read, headings))
