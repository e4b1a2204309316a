"""Tasks of the notes that pass a question's filters, and the notes themselves, the last changed first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Literal

from vragd.catalog.reader import Snapshot
from vragd.catalog.selecting import Entry
from vragd.notes.chunk import OTHER, REGISTRY, split_name
from vragd.notes.structure import Task, tasks_of
from vragd.search.links import FileRef
from vragd.search.lists import ids_of
from vragd.search.question import Target
from vragd.system.filenames import exact, shown

State = Literal["todo", "done", "all"]


@dataclass(frozen=True, slots=True)
class Placed:
    """
    A task of the note `of`: its first line, from 1, and the headings it stands under. `state` is the character in its
    brackets; of a canvas the line is that of its card.
    """

    of: FileRef
    line: int
    state: str
    done: bool
    text: str
    heading: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A note, and when its file was changed, in seconds since 1970."""

    note: FileRef
    modified: float


class Tasks:
    """Open tasks, done ones, or both; by store, source, path and line. `counts` are of both, and of notes with any."""

    most = None

    def __init__(self, state: State = "todo") -> None:
        self._state = state
        self.counts = Counter[str]()
        self.found: list[Placed] = []

    def add(self, now: Snapshot, target: Target, notes: Sequence[Entry]) -> None:
        tasks: list[tuple[Entry, Task]] = []
        by_kind: dict[str, list[Entry]] = {}
        for note in notes:
            by_kind.setdefault(reader_of(note.path), []).append(note)
        marked = {note.id: note for note in by_kind.get("markdown", ())}
        for row, text in now.selecting.texts(ids_of([*marked.values()])):
            tasks += ((marked[row], task) for task in tasks_of(text))
        for canvas in by_kind.get("canvas", ()):
            for heading, line, text in now.selecting.passages(canvas.id):
                tasks += ((canvas, Task(line, one.state, one.text, heading)) for one in tasks_of(text))
        self.counts.update("todo" if task.state == " " else "done" for _, task in tasks)
        self.counts["notes"] += len({note.id for note, _ in tasks})
        wanted = [(note, task) for note, task in tasks if self._is_wanted(task)]
        wanted.sort(key=lambda one: (one[0].source, one[0].path))
        refs = files_of(now, target.name, [note for note, _ in wanted])
        self.found += [
            Placed(refs[note.id], task.line, task.state, task.state != " ", task.text, task.heading)
            for note, task in wanted
        ]

    def _is_wanted(self, task: Task) -> bool:
        return self._state == "all" or (task.state == " ") == (self._state == "todo")


class Recent:
    """The `most` notes whose files were changed last, the last first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.found: list[Changed] = []

    def add(self, now: Snapshot, target: Target, notes: Sequence[Entry]) -> None:
        latest = nsmallest(self.most, notes, key=lambda note: (-note.modified_ns, note.source, note.path))
        refs = files_of(now, target.name, latest)
        self.found += [Changed(refs[note.id], note.modified_ns / 1e9) for note in latest]
        self.found = sorted(self.found, key=lambda one: -one.modified)[: self.most]


def reader_of(path: str) -> str:
    """What kind of reader takes a file of that name: `markdown`, `canvas`, `code` or `document`."""
    return REGISTRY.get(split_name(path)[1], OTHER)[0]


def files_of(now: Snapshot, store: str, notes: Sequence[Entry]) -> dict[int, FileRef]:
    """Those notes as answers have them, by row."""
    titles = now.lookup.notes([note.id for note in notes])
    return {
        note.id: FileRef(store, note.source, shown(note.path), titles[note.id][2], exact(note.path)) for note in notes
    }
