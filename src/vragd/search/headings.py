"""A heading as it is read: a link by its text, no marks of emphasis or code. Answers have it as it is written."""

from __future__ import annotations

from collections.abc import Sequence

_MARKS = frozenset("*_~=`[\\\0")


def as_read(heading: str) -> str:
    """One heading."""
    if _MARKS.isdisjoint(heading):
        return heading
    from vragd.search.unmarked import heading_unmarked  # most headings need none of it

    return heading_unmarked(heading)


def path_of(headings: Sequence[str]) -> str:
    """The headings that a passage is under, the outermost first."""
    return " › ".join(map(as_read, headings))
