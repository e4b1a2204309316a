"""A heading as it is read: a link by its text, no marks of emphasis or code. Answers have it as it is written."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKS = frozenset("*_~=`[\\$\0")
_CODE = re.compile(r"(?<!`)(`++)(.+?)(?<!`)\1(?!`)")
_RULES = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        (r"!?\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]", r"\1"),
        (r"!?\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*\)", r"\1"),
    )
)


def as_read(heading: str) -> str:
    """One heading."""
    if _MARKS.isdisjoint(heading):
        return heading
    from vragd.search.unmarked import hold, restored, without_emphasis  # most headings need none of it

    held: list[str] = []
    text = _CODE.sub(lambda code: hold(code[2], held), heading.replace("\0", ""))
    for pattern, shown in _RULES:
        text = pattern.sub(shown, text)
    return restored(without_emphasis(text), held)


def path_of(headings: Sequence[str]) -> str:
    """The headings that a passage is under, the outermost first."""
    return " › ".join(map(as_read, headings))
