"""
Cutting a note into chunks whose boundaries depend on nearby content only.

A section that is too long is cut at the boundary with the highest priority, and the halves again,
until all fit. The priority of a boundary is a hash of the block behind it, so an edit moves only the
boundaries beside it: any other boundary that was chosen is chosen again, since the stretch it is
chosen in can only have grown. (The argument is that of a treap; Seidel and Aragon, "Randomized Search
Trees", 1996. The least size is the one thing that can carry an effect further, and only to the next
boundary.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import xxhash

from vragd.notes.markdown import Block, decode, front_matter, properties, sections
from vragd.notes.model import Chunk, Note, NotIndexable
from vragd.notes.optout import opts_out

VERSION = "markdown-1"  # part of the space: change it with anything that moves a boundary

MAX_CHARS = 1_500
MIN_CHARS = 400

# Where a sentence ends: not within 3.14 or example.com, but Chinese and Japanese have no blank to go by.
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])\s*(?=\S)")


def read_note(data: bytes, stem: str) -> Note:
    """
    The note in `data`; `stem` is its file name without suffix, which is its title unless it names one.

    Linear in the size of `data` but for a logarithm. Raises NotIndexable for a binary file, or for a
    note that opts out with `vragd: false` in its front matter.
    """
    text, lossy = decode(data)
    lines = text.split("\n")
    body = front_matter(lines)
    fields = properties(lines[1 : body - 1]) if body else {}
    if opts_out(lines):
        raise NotIndexable("opted_out")
    return Note(title=fields.get("title") or stem, chunks=tuple(_chunks(lines, body)), lossy=lossy)


def _chunks(lines: Sequence[str], body: int) -> Iterator[Chunk]:
    # Properties go with the first section: alone they are a few words that outrank whole passages.
    waiting = [Block(0, body)] if body and any(line.strip() for line in lines[1 : body - 1]) else []
    for section in sections(lines, body):
        yield from _cut_blocks(lines, [*waiting, *section.blocks], section.heading)
        waiting = []
    if waiting:
        yield from _cut_blocks(lines, waiting, ())


def _cut_blocks(lines: Sequence[str], blocks: Sequence[Block], heading: tuple[str, ...]) -> Iterator[Chunk]:
    texts = ["\n".join(lines[block.start : block.end]) for block in blocks]
    # what joins two blocks counts: it is part of a chunk's text
    gaps = [behind.start - block.end for block, behind in pairwise(blocks)]
    for first, last in _groups(texts, [*gaps, 0]):
        start, end = blocks[first].start, blocks[last - 1].end
        if last - first == 1 and len(texts[first]) > MAX_CHARS:
            yield from _cut_lines(lines, start, end, heading)
        else:
            yield from _chunk("\n".join(lines[start:end]), heading, start, end)


def _cut_lines(lines: Sequence[str], start: int, end: int, heading: tuple[str, ...]) -> Iterator[Chunk]:
    block = lines[start:end]
    for first, last in _groups(block, [0] * len(block)):
        if last - first == 1 and len(block[first]) > MAX_CHARS:
            yield from _cut_line(block[first], heading, start + first)
        else:
            yield from _chunk("\n".join(block[first:last]), heading, start + first, start + last)


def _cut_line(line: str, heading: tuple[str, ...], index: int) -> Iterator[Chunk]:
    ends = [*(match.end() for match in _SENTENCE.finditer(line)), len(line)]
    sentences = [line[start:end] for start, end in pairwise([0, *ends])]
    for first, last in _groups(sentences, [0] * len(sentences)):
        text = "".join(sentences[first:last])
        for i in range(0, len(text), MAX_CHARS):
            yield from _chunk(text[i : i + MAX_CHARS], heading, index, index + 1)


def _chunk(text: str, heading: tuple[str, ...], start: int, end: int) -> Iterator[Chunk]:
    if stripped := text.strip():  # blank lines at its edges, as within a fence, are not its own
        blank_above = text[: len(text) - len(text.lstrip())].count("\n")
        blank_below = text[len(text.rstrip()) :].count("\n")
        yield Chunk(stripped, heading, (start + 1 + blank_above, end - blank_below))


def _groups(texts: Sequence[str], gaps: Sequence[int]) -> list[tuple[int, int]]:
    """
    Neighbouring `texts` grouped as (first, end) so that each group fits MAX_CHARS, or is a single text.

    `gaps[i]` characters stand between text i and the next, besides the one that joins any two.
    """
    sizes = [len(text) + 1 + gap for text, gap in zip(texts, gaps, strict=True)]
    if len(texts) <= 1 or sum(sizes) <= MAX_CHARS:
        return [(0, len(texts))] if texts else []
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    priorities = np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], dtype=np.uint64)
    done: list[tuple[int, int]] = []
    waiting = [(0, len(texts))]
    while waiting:
        first, end = waiting.pop()
        if end - first == 1 or offsets[end] - offsets[first] <= MAX_CHARS:
            done.append((first, end))
            continue
        cut = _boundary(offsets, priorities, first, end)
        waiting += [(cut, end), (first, cut)]
    return done


def _boundary(offsets: np.ndarray, priorities: np.ndarray, first: int, end: int) -> int:
    """The best place to cut between `first` and `end`: the highest priority that leaves both sides a fair size."""
    low = int(np.searchsorted(offsets, offsets[first] + MIN_CHARS))
    high = int(np.searchsorted(offsets, offsets[end] - MIN_CHARS, side="right")) - 1
    low, high = max(low, first + 1), min(high, end - 1)
    if low > high:
        low, high = first + 1, end - 1
    window = priorities[low : high + 1]
    best = np.flatnonzero(window == window.max())
    middle = (first + end) / 2 - low  # equal texts have equal priorities: cut those evenly
    return low + int(best[np.argmin(np.abs(best - middle))])
