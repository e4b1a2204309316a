"""A mistake as a terminal shows it: the line, and carets under what is wrong."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

WIDTH = 80
_BEFORE = 30  # columns of what stands before the mistake, where not all has room
_CUT = "…"


def pointed(text: str, span: tuple[int, int]) -> str:
    """
    Two lines of 80 columns at most: `text`, or what of it is around `span`, and carets below the span.

    `span` is half-open, in code points. Line ends and other controls are shown as blanks, and what has no width and
    is no accent is left out. A span behind the text's end has its caret there.
    """
    start = min(span[0], len(text))
    end = min(max(span[1], start), len(text))
    before, after = _cells(text[:start][-WIDTH:]), _cells(text[start:][:WIDTH])
    n_marked = sum(_width(cell) for cell in _cells(text[start:end][:WIDTH]))
    whole = start <= WIDTH and len(text) - start <= WIDTH
    if not whole or _total(before) + max(_total(after), 1) > WIDTH:
        before = _cut(before, start, max(_BEFORE, WIDTH - 2 - _total(after)))
        room = WIDTH - _total(before)
        fits = len(text) - start <= WIDTH and _total(after) <= room
        after = after if fits else [*_first(after, room - 1), _CUT]
    left, right = _total(before), max(_total(after), 1)
    return f"{''.join(before + after)}\n{' ' * left}{'^' * min(max(n_marked, 1), right)}"


def _cut(cells: list[str], n_before: int, room: int) -> list[str]:
    """The end of what stands before the mistake."""
    if n_before <= WIDTH and _total(cells) <= room:
        return cells
    kept = list(reversed(_first(reversed(cells), room - 1)))
    while kept and _width(kept[0]) == 0:
        del kept[0]
    return [_CUT, *kept]


def _first(cells: Iterable[str], room: int) -> list[str]:
    """As many cells as have room."""
    kept = list[str]()
    for cell in cells:
        room -= _width(cell)
        if room < 0:
            break
        kept.append(cell)
    return kept


def _cells(text: str) -> list[str]:
    return [cell for char in text if (cell := _cell(char))]


def _cell(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    if kind == "Cs":
        return "\ufffd"
    return " " if kind in ("Cc", "Zl", "Zp") else char


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _total(cells: Iterable[str]) -> int:
    return sum(map(_width, cells))
