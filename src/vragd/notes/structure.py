"""What stands where in Markdown: headings and tasks by their lines, and what they stand under."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vragd.notes.blocks import blocks_of
from vragd.notes.markdown import front_matter
from vragd.notes.model import Blocks

BLOCK_ID = re.compile(r"(?:^|\s)\^([A-Za-z0-9-]+)$")
"""At the end of a line, in no code."""
_FOOTNOTE = re.compile(r"(?:[ \t]|>)*+\[\^([^\s\]]++)\]:")
_PERHAPS = re.compile(r"[-+*.)][ \t]++\[.\]")


class Heading(NamedTuple):
    """`line` counts from 1; `path` goes from the outermost heading in, this one last."""

    line: int
    level: int
    path: tuple[str, ...]


class Task(NamedTuple):
    """A task by its first line, from 1, below the headings `heading`. `state` is the character in its brackets."""

    line: int
    state: str
    text: str
    heading: tuple[str, ...]


class Places(NamedTuple):
    """
    What links can name in a note: (level, title) of every heading, those in quotes and lists too; ids of blocks, in
    small letters; names of footnotes, folded.
    """

    headings: list[tuple[int, str]]
    blocks: frozenset[str]
    footnotes: frozenset[str]


def places_of(text: str) -> Places:
    """The places of a note."""
    lines, _ = _read(text)
    found = blocks_of(lines)
    headings = [(block.start, *block.heading) for block in found.blocks if block.heading]
    seen = [lines[at] for at in lines_with_ids(found)]
    return Places(
        [(level, title) for _, level, title in sorted([*headings, *found.inner])],
        frozenset(match[1].lower() for line in seen if (match := BLOCK_ID.search(line))),
        frozenset(match[1].casefold() for line in seen if (match := _FOOTNOTE.match(line))),
    )


def lines_with_ids(found: Blocks) -> list[int]:
    """The lines at whose end the id of a block may stand: neither of code, also within a list, nor of comments."""
    code = {at for first, behind, _ in found.fences for at in range(first, behind)}
    blocks = [block for block in found.blocks if block.kind not in ("code", "comment")]
    return [at for block in blocks for at in range(block.start, block.end) if at not in code]


def headings_of(text: str) -> list[Heading]:
    """The headings outside of quotes, lists, code and comments, in order."""
    lines, body = _read(text)
    return list(_headings(blocks_of(lines), body))


def tasks_of(text: str) -> list[Task]:
    """The tasks in every list, also of quotes, in order."""
    if not _PERHAPS.search(text):  # cutting lines into blocks takes a hundred times as long
        return []
    lines, body = _read(text)
    found = blocks_of(lines)
    headings = list(_headings(found, body))
    tasks: list[Task] = []
    at, above = 0, tuple[str, ...]()
    for line, state, column in sorted(found.tasks):
        while at < len(headings) and headings[at].line <= body + line + 1:
            above = headings[at].path
            at += 1
        tasks.append(Task(body + line + 1, state, lines[line].expandtabs(4)[column:].strip(), above))
    return tasks


def _read(text: str) -> tuple[Sequence[str], int]:
    """The lines behind the properties, and how many those take."""
    lines = [line.rstrip() for line in text.split("\n")]
    body = front_matter(lines)
    return lines[body:], body


def _headings(found: Blocks, body: int) -> Iterator[Heading]:
    path: list[tuple[int, str]] = []
    for block in found.blocks:
        if block.heading is not None:
            level, title = block.heading
            path = [*((above, said) for above, said in path if above < level), (level, title)]
            yield Heading(body + block.start + 1, level, tuple(said for _, said in path))
