"""What a note is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    A contiguous span of a note. `lines` are 1-based and inclusive, `heading` goes from the outermost in.

    Two chunks may share a line when a single line is longer than a chunk.
    """

    text: str
    heading: tuple[str, ...]
    lines: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Note:
    """A note's text, cut. `lossy`: some bytes were not text and were replaced."""

    title: str
    chunks: tuple[Chunk, ...]
    lossy: bool = False


class NotIndexable(Exception):
    """The bytes are not a note, or the note does not want to be one. `reason` is shown to the user."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
