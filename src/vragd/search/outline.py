"""The headings of one note."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vragd.catalog.link_names import place_keys
from vragd.catalog.reader import Snapshot
from vragd.errors import NotFound, UsageError
from vragd.notes.structure import Heading, headings_of
from vragd.search.lines import NoteText, is_within
from vragd.search.links import Asked, FileRef, Linked, graph_of, refs_of
from vragd.search.tasks import reader_of
from vragd.system.filenames import shown


@dataclass(frozen=True, slots=True)
class Line:
    """A heading: its line, from 1, its level from 1 (`#`), and what it says."""

    line: int
    level: int
    text: str


@dataclass(slots=True)
class Outline:
    """The headings of `note`, or those from the heading `place` on that are below it, or in those `lines`."""

    note: FileRef
    place: str
    lines: tuple[int, int] | None = None
    headings: list[Line] = field(default_factory=list)
    n_unread: int = 0
    generation: int = 0


def outline_of(target: Linked, asked: Asked) -> Outline:
    """
    The headings of a note as it was read. Of code, documents and canvases, what their passages stand under.

    Raises NotFound for a file that is no note, or went in between, UsageError for a block without headings, and as
    `NoteText` for a place that is not there.
    """
    with target.reader.snapshot() as now:
        graph = graph_of(target, now.db)
        file = graph.at(asked.file.source, asked.file.path)
        if file is None or not file.note:
            raise NotFound(f"{shown(asked.file.path)!r} is no note: it has no headings", hint="vragd files lists notes")
        (note,) = refs_of(target, graph, [file])
        found = list(_headings(now, file.note, file.path))
        within: tuple[int, int] | None = None
        wanted = place_keys(asked.place)
        if wanted or asked.lines:
            text = NoteText(now, file)
            within, wanted = text.range_of(asked.place, asked.lines), text.keys_of(asked.place)
        if within and (asked.lines or asked.place.startswith("^")):
            found = [one for one in found if within[0] <= one.line <= within[1]]
            if not found and asked.lines is None:
                hint = f"vragd get NOTE#{asked.place} reads it; vragd outline NOTE lists the headings of the note"
                raise UsageError(f"the block #{asked.place} has no headings", hint=hint)
        elif within:
            found = [one for one in found if is_within(one.path, wanted)]
        lines = [Line(one.line, one.level, one.path[-1]) for one in found]
        return Outline(note, asked.place, within if asked.lines else None, lines, graph.n_unread(), now.generation())


def _headings(now: Snapshot, note: int, path: str) -> Iterator[Heading]:
    if reader_of(path) == "markdown":
        for _, text in now.selecting.texts(np.array([note], dtype=np.int64)):
            yield from headings_of(text)
        return
    above = tuple[str, ...]()
    for heading, line, _ in now.selecting.passages(note):
        shared = 0
        while shared < min(len(above), len(heading)) and above[shared] == heading[shared]:
            shared += 1
        for level in range(shared + 1, len(heading) + 1):
            yield Heading(line, level, heading[:level])
        above = heading
