"""
Cutting a section into chunks whose boundaries depend on nearby content only.

A stretch that is too long is cut at the boundary with the highest priority, and the halves again, until all fit. The
priority of a boundary is a hash of the words behind it, so an edit moves only the boundaries beside it: any other
boundary that was chosen is chosen again, since the stretch it is chosen in can only have grown. (The argument is that
of a treap; Seidel and Aragon, "Randomized Search Trees", 1996. The least size is the one thing that can carry an effect
further, and only to the next boundary.) Of the words behind a boundary only the pair with the highest hash counts, so
that an edit in a paragraph seldom moves the boundary above it. Where words are all there is to cut between, each counts
with the next two: one alone stands in many places, and which of them is taken would hang on where the middle is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import numpy as np
import xxhash

from vragd.notes.size import MAX_CHARS, MIN_CHARS

_WORDS = 3  # the level on which there are words to cut between: below paragraphs, lines and sentences
_TOGETHER = 3  # words whose hash a place between them has
_WORDS_TOLD = 16
_ENOUGH = 160  # characters, in which that many words stand mostly

Span = tuple[int, int]
"""Offsets into a text, end excluded."""

# Where a sentence ends: not within 3.14 or example.com, but Chinese and Japanese have no blank to go by.
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])\s*(?=\S)")
_BLANK = re.compile(r"\s++")
_WORD = re.compile(r"\w+")


class Cutter:
    """Cuts sections of one text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def cut(self, units: Sequence[Span], hold: int, tail: int) -> Iterator[Span]:
        """
        Spans of at most MAX_CHARS that cover `units` in order. Nothing is cut before `hold` or behind `tail`.

        A unit that does not fit is cut between lines, a line between sentences, those at blanks, the rest wherever.
        """
        yield from self._cut(units, hold, tail, 0)

    def _cut(self, atoms: Sequence[Span], hold: int, tail: int, level: int) -> Iterator[Span]:
        for first, last in self._groups(atoms, level):
            start, end = atoms[first][0], atoms[last - 1][1]
            if end - start <= MAX_CHARS:
                yield start, end
            else:
                parts = self._smaller(start, end, max(hold, start), tail, level)
                yield from self._cut(parts, hold, tail, level + 1)

    def _smaller(self, start: int, end: int, hold: int, tail: int, level: int) -> Sequence[Span]:
        """The next smaller parts of a span; the first goes on to `hold` at least, the last begins before `tail`."""
        if level == 0:
            cuts = [at + 1 for at in _all(self._text, "\n", hold, end)]
        elif level == 1:
            cuts = [match.end() for match in _SENTENCE.finditer(self._text, hold, end)]
        elif level == 2:
            cuts = [match.end() for match in _BLANK.finditer(self._text, hold, end)]
        else:
            return _characters(self._text, start, end)
        edges = [start, *(cut for cut in cuts if hold < cut < end and cut <= tail), end]
        return [span for span in (self._trimmed(*pair) for pair in pairwise(edges)) if span[0] < span[1]]

    def _trimmed(self, start: int, end: int) -> Span:
        part = self._text[start:end]
        return start + len(part) - len(part.lstrip("\n")), end - len(part) + len(part.rstrip())

    # -- grouping -----------------------------------------------------------------------------------

    def _groups(self, atoms: Sequence[Span], level: int) -> list[tuple[int, int]]:
        """Neighbouring `atoms` grouped as (first, end) so that each group fits MAX_CHARS, or is a single one."""
        if not atoms:
            return []
        if len(atoms) == 1 or atoms[-1][1] - atoms[0][0] <= MAX_CHARS:
            return [(0, len(atoms))]
        spans = np.array(atoms, dtype=np.int64)
        starts, ends = spans[:, 0], spans[:, 1]
        priorities = self._priorities(atoms, level)
        done: list[tuple[int, int]] = []
        waiting = [(0, len(atoms))]
        while waiting:
            first, last = waiting.pop()
            if last - first == 1 or ends[last - 1] - starts[first] <= MAX_CHARS:
                done.append((first, last))
                continue
            cut = _boundary(starts, ends, priorities, first, last)
            waiting += [(cut, last), (first, cut)]
        return done

    def _priorities(self, atoms: Sequence[Span], level: int) -> np.ndarray:
        texts = [self._text[start:end] for start, end in atoms]
        if level == _WORDS:
            texts = [" ".join(texts[i : i + _TOGETHER]) for i in range(len(texts))]
            found = [xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts]
        else:
            found = [_priority(text) for text in texts]
        return np.array(found, dtype=np.uint64)


def _priority(text: str) -> int:
    words = _WORD.findall(text, 0, _ENOUGH)[:-1]  # the last may go on
    if len(words) < _WORDS_TOLD:
        words = [match[0] for match in islice(_WORD.finditer(text), _WORDS_TOLD)]
    whole = xxhash.xxh3_64_intdigest(text[:MAX_CHARS].encode("utf-8", "surrogatepass"))
    if len(words) < 2:
        return whole
    encoded = [word.encode("utf-8", "surrogatepass") for word in words[:_WORDS_TOLD]]
    pairs = map(b"%b %b".__mod__, pairwise(encoded))
    best = max(map(xxhash.xxh3_64_intdigest, pairs))
    return best >> 16 << 16 | whole >> 48  # the whole only parts those that are equal else


def _boundary(starts: np.ndarray, ends: np.ndarray, priorities: np.ndarray, first: int, last: int) -> int:
    """The best place to cut between `first` and `last`: the highest priority that leaves both sides a fair size."""
    low = int(np.searchsorted(ends, starts[first] + MIN_CHARS)) + 1
    high = int(np.searchsorted(starts, ends[last - 1] - MIN_CHARS, side="right")) - 1
    low, high = max(low, first + 1), min(high, last - 1)
    if low > high:
        low, high = first + 1, last - 1
    window = priorities[low : high + 1]
    best = np.flatnonzero(window == window.max())
    middle = (first + last) / 2 - low  # equal texts have equal priorities: cut those evenly
    return low + int(best[np.argmin(np.abs(best - middle))])


def _all(text: str, mark: str, start: int, end: int) -> Iterator[int]:
    at = text.find(mark, start, end)
    while at >= 0:
        yield at
        at = text.find(mark, at + 1, end)


def _characters(text: str, start: int, end: int) -> list[Span]:
    """Parts of a run without blanks that fit, cut where a hash of the next characters says."""
    run = np.frombuffer(text[start:end].encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    mixed = np.zeros(len(run), dtype=np.uint64)
    for i in range(8):
        mixed[: len(run) - i] += (run[i:] + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15 * (2 * i + 1) ** 7 % 2**64)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
    offsets = np.arange(len(run) + 1)
    parts, waiting = list[Span](), [(0, len(run))]
    while waiting:
        first, last = waiting.pop()
        if last - first <= MAX_CHARS:
            parts.append((start + first, start + last))
            continue
        cut = _boundary(offsets[:-1], offsets[1:], mixed, first, last)
        waiting += [(cut, last), (first, cut)]
    return parts
