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
    start, end = min(span[0], len(text)), min(span[1], len(text))
    before, after = _cells(text[max(0, start - WIDTH) : start]), _cells(text[start : start + WIDTH])
    marked = _total(_cells(text[start : min(end, start + WIDTH)]))
    is_cut_before, is_cut_after = start > WIDTH, len(text) > start + WIDTH
    if is_cut_before or is_cut_after or _total(before) + max(_total(after), 1) > WIDTH:
        if is_cut_before or _total(before) > _BEFORE:
            before = [_CUT, *_last(before, _BEFORE - 1)]
        room = WIDTH - _total(before)
        if is_cut_after or _total(after) > room:
            after = [*_first(after, room - 1), _CUT]
    n_carets = min(max(marked, 1), max(_total(after), 1))
    return f"{''.join(before + after)}\n{' ' * _total(before)}{'^' * n_carets}"


def _first(cells: Iterable[str], room: int) -> list[str]:
    """As many cells as have room."""
    kept = list[str]()
    for cell in cells:
        room -= _width(cell)
        if room < 0:
            break
        kept.append(cell)
    return kept


def _last(cells: list[str], room: int) -> list[str]:
    kept = _first(reversed(cells), room)[::-1]
    while kept and _width(kept[0]) == 0:  # an accent whose letter had no room
        del kept[0]
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
