"""
Passages with their vectors on the way from one place to another, and the origin that a store on notes is.

Beside a daemon or without one: nothing is written, no lock is held.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vragd.backends.base import Entry
from vragd.catalog import exported
from vragd.config.settings import LimitSettings, StoreSettings
from vragd.embed.base import Space
from vragd.errors import NotFound
from vragd.store.resting import Resting
from vragd.sync.embedding import is_stand_in
from vragd.sync.vectors import to_entry

NOTES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What vectors are: their length, how near is told, and which model's they are: `space` as `Space.meaning`, `model`
    for people, `identity` all that is known of it. Empty where nobody knows; `dimension` is then 0, too, if need be.
    """

    dimension: int
    metric: str
    space: str = ""
    model: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """
    A passage on its way: `entry.values` is None where it has no vector. `embedded` is the text as its vector was made
    of it, if that is not the one that is shown.
    """

    entry: Entry
    properties: Mapping[str, Any] = field(default_factory=dict)
    embedded: str = ""

    @property
    def text(self) -> str:
        return str(self.entry.payload.get("content", ""))


Records = Generator[Record, None, None]


class Origin(Protocol):
    """
    Where passages come from. `records` may be called more than once, and gives one after the other.

    `left_out` counts what `records` met and did not give, by why, in words; it begins anew with each call.
    """

    title: str
    """For people: what it is."""
    shape: Shape
    count: int | None
    """How many there are, None if nobody knows."""
    with_text: bool
    left_out: Counter[str]

    def records(self) -> Records: ...

    def close(self) -> None: ...


class Indexed:
    """
    A store on notes, as its catalog has it: every note whole, as of the moment when it is read. Use it on one thread.

    What has been withdrawn since, or is of a source that is not there, is left out. Raises NotFound where nothing is
    indexed, and what `Resting` does.
    """

    with_text = True

    def __init__(self, name: str, settings: StoreSettings, folder: Path, limits: LimitSettings) -> None:
        if not (folder / "catalog.db").exists():
            raise NotFound(f"nothing of store {name!r} is indexed yet", hint="vragd run, or vragd index")
        self._resting = Resting(name, settings, folder, limits)
        self.title = f"store {name}"
        self.left_out = Counter[str]()
        self.count: int | None = None
        try:
            with self._resting.reader.snapshot() as now:
                space, self.count = exported.answering_space(now.db), exported.count(now.db)
            if space is None or is_stand_in(space):
                raise NotFound(f"nothing of store {name!r} is embedded yet", hint="vragd status says how far it is")
        except BaseException:
            self.close()
            raise
        self._space, identity = space, json.loads(space.identity)
        known = Space(**identity)
        self.shape = Shape(space.dimension, settings.metric, known.meaning, known.title, identity)

    @property
    def away(self) -> list[str]:
        """Sources that are not there now: nothing of them is given."""
        return [one.source.label for one in self._resting.looked if not one.is_there]

    def records(self) -> Records:
        self.left_out = Counter()
        looked = {one.source.label: one for one in self._resting.looked}
        last = 0
        while True:
            with self._resting.reader.snapshot() as now:
                found = exported.notes_after(now.db, last, NOTES_AT_ONCE)
                notes = [exported.note(now.db, note, self._space) for note in found]
            if not notes:
                return
            last = found[-1]
            for note in notes:
                source = looked.get(note.label)
                if source is None or not source.is_there:
                    self.left_out[f"of source {note.label!r}, which is not there"] += len(note.passages)
                elif source.withheld(note.path):
                    self.left_out["withdrawn since, or gone"] += len(note.passages)
                else:
                    yield from _records(note)

    def close(self) -> None:
        self._resting.close()


def _records(note: exported.ExportedNote) -> Iterator[Record]:
    properties = {name: json.loads(value) for name, value in note.properties.items()}
    for one in note.passages:
        # an entry without values is given as such: whoever takes it says what becomes of it
        entry = to_entry(note.uid, note.label, note.path, note.title, one.chunk, one.vector, note.changed_at)
        yield Record(entry, properties)
