"""Lines without marks to chunks: what readers of code and of documents share."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from vragd.notes.cut import Cutter, Span
from vragd.notes.machine import Count
from vragd.notes.model import Chunk, LeftOut
from vragd.notes.outline import Stretch

_A_WORD = re.compile(r"[^\W_]")


class Plain:
    """`lines` without blanks at their ends; they are shown by their `numbers`, 1, 2, 3, … if none are given."""

    def __init__(self, lines: Sequence[str], numbers: Sequence[int] | None = None) -> None:
        self._text = "\n".join(lines)
        self._starts = [0, *accumulate(len(line) + 1 for line in lines)]
        self._numbers = range(1, len(lines) + 1) if numbers is None else numbers
        self._cutter, self._wordless = Cutter(self._text), Count()

    def chunks(self, stretches: Sequence[Stretch]) -> list[Chunk]:
        """Those of all stretches."""
        return [chunk for stretch in stretches for chunk in self._chunks(stretch)]

    def left_out(self) -> tuple[LeftOut, ...]:
        """What was in none of the chunks so far, as it has no word."""
        return self._wordless.told("wordless")

    def _chunks(self, stretch: Stretch) -> Iterator[Chunk]:
        units = [span for part in stretch.parts if (span := self._span(*part))]
        if not units:
            return
        begin, tail = units[0][0], units[-1][1]
        word = _A_WORD.search(self._text, begin, tail)
        hold = self._text.rfind("\n", 0, word.start()) + 1 if word else begin
        while tail > hold and not self._text[tail - 1].isalnum():
            tail -= 1
        for start, end in self._cutter.cut(units, max(hold, begin), tail - 1):
            shown = self._text[start:end].rstrip()
            if _A_WORD.search(shown):
                lines = (self._number(start), self._number(start + len(shown) - 1))
                yield Chunk(shown, stretch.path, lines, _embedded(shown))
            else:
                for line in filter(None, shown.split("\n")):
                    self._wordless.add(line)

    def _span(self, first: int, last: int) -> Span | None:
        """The lines without blank ones around them."""
        start, end = self._starts[first], self._starts[last + 1] - 1
        part = self._text[start:end]
        inner = part.strip("\n")
        if not inner:
            return None
        start += len(part) - len(part.lstrip("\n"))
        return start, start + len(inner)

    def _number(self, offset: int) -> int:
        return self._numbers[bisect_right(self._starts, offset) - 1]


def _embedded(text: str) -> str:
    """However far in it stands: what only moves to the right costs no embedding."""
    return "\n".join([line for part in text.split("\n") if (line := part.strip())])
