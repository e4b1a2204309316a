"""
The picture of a store: its notes with their points, links and regions, as it stands, and what is to be laid out anew.

A note's point is that of the mean of its chunks' vectors. What has a point keeps it; a note that is new or has another
text comes to the mean of its nearest neighbours' points. Once those are many, all are laid out anew, and that is
turned so that it lies on the old.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from vragd.catalog.closed import any_closed
from vragd.catalog.reader import Snapshot
from vragd.errors import VragdError
from vragd.search.links import graph_of
from vragd.search.narrowed import linked_of
from vragd.search.picture.kept import NAMES, Kept
from vragd.search.picture.layout import among, fitted
from vragd.search.picture.points import Listed, listed, points_of, vectors_of
from vragd.search.picture.regions import Region, regions
from vragd.search.question import Target

State = Literal["ready", "computing", "empty"]
FEW, MANY = 2, 0.25  # notes, or a share of all, that may be put among the others before all are laid out anew


@dataclass(frozen=True, slots=True)
class Note:
    """A note at its point. `id` says which it is as long as it has its path; `folder` is '' at the top of a source."""

    id: str
    path: str
    title: str
    source: str
    folder: str
    tags: tuple[str, ...]
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Picture:
    """
    Of one store and space. `computing`: some have no point yet, and are not among `notes`. `links` are pairs of places
    in `notes`, the lower first. `without` are notes that have no vector, `words_alone` whether none ever gets one.
    `reason`: why there is no layout.
    """

    store: str
    space: str
    state: State
    notes: list[Note] = field(default_factory=list)
    links: list[tuple[int, int]] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    without: int = 0
    reason: str = ""
    generation: int = 0
    words_alone: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A layout that is to be made of `vectors`, and kept in `file`; `old` are the points there were, NaN for none."""

    file: Path
    space: str
    keys: Sequence[bytes]
    marks: Sequence[bytes]
    vectors: np.ndarray
    old: np.ndarray

    @property
    def input(self) -> tuple[bytes, ...]:
        """What it is made of."""
        return (*self.keys, *self.marks)

    def keep(self, points: np.ndarray) -> None:
        """Keep what was laid out. Raises DiskFull, and DataDirError where the store is gone."""
        placed = np.zeros(len(points), dtype=bool)
        Kept(self.space, self.keys, self.marks, fitted(points, self.old), placed).write(self.file)


def picture(target: Target, folder: Path) -> tuple[Picture, Wanted | None]:
    """
    The picture of a store, whose `folder` keeps its layout, and what must be laid out first. Blocks: a second or two
    for ten thousand notes.
    """
    space = target.space
    with target.reader.snapshot() as now:
        notes, generation = listed(now, target), now.generation()
        if space is None or target.words_alone or not notes.rows:
            fingerprint = space.fingerprint if space else ""
            return Picture(
                target.name, fingerprint, "empty", without=len(notes.rows), generation=generation,
                words_alone=target.words_alone,
            ), None  # fmt: skip
        file = folder / NAMES[target.assistant and any_closed(now.db)]
        points, wanted, without = _points(now, target, notes, file)
        shown = np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
        shown.sort(key=lambda i: notes.names[i])
        rows = [notes.rows[i] for i in shown]
        at = points[shown]
        state: State = "computing" if wanted is not None else "ready" if shown else "empty"
        return Picture(
            target.name, space.fingerprint, state, _notes(now, notes, shown, at), _links(now, target, rows),
            regions(now, rows, at), without, generation=generation,
        ), wanted  # fmt: skip


def _points(now: Snapshot, target: Target, notes: Listed, file: Path) -> tuple[np.ndarray, Wanted | None, int]:
    """Of each note its point, or NaN; the layout that is wanted; and how many have no vector."""
    assert target.space is not None
    space, dimension, fingerprint = target.space.id, target.space.dimension, target.space.fingerprint
    kept = Kept.read(file, fingerprint)
    points, placed = points_of(notes, kept)
    had = np.isfinite(points).all(axis=1)
    vectors = np.full((len(notes.rows), dimension), np.nan, dtype=np.float32)
    new = np.flatnonzero(~had)
    vectors[new] = vectors_of(now.lookup, space, dimension, [notes.rows[i] for i in new])
    new = new[np.isfinite(vectors[new]).all(axis=1)]
    without = int((~had).sum()) - len(new)
    if not len(new):
        return points, None, without
    old = np.flatnonzero(had)
    vectors[old] = vectors_of(now.lookup, space, dimension, [notes.rows[i] for i in old])
    every = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    if kept is None or not len(old) or placed[every].sum() > max(FEW, MANY * len(every)):
        keys, marks = [notes.keys[i] for i in every], [notes.marks[i] for i in every]
        return points, Wanted(file, fingerprint, keys, marks, vectors[every], points[every]), without
    known = np.intersect1d(old, every)
    points[new] = among(vectors[new], vectors[known], points[known])
    keys, marks = [notes.keys[i] for i in every], [notes.marks[i] for i in every]
    with suppress(VragdError):  # what is not kept is found again
        Kept(fingerprint, keys, marks, points[every], placed[every]).write(file)
    return points, None, without


def _notes(now: Snapshot, notes: Listed, shown: Sequence[int], points: np.ndarray) -> list[Note]:
    tags: dict[int, list[str]] = {}
    for row, _, said in now.selecting.tags_of(np.array([notes.rows[i] for i in shown], dtype=np.int64)):
        tags.setdefault(row, []).append(said)
    made = []
    for i, (x, y) in zip(shown, points.tolist(), strict=True):
        source, path, title = notes.names[i]
        folder = path.rpartition("/")[0]
        of = tuple(tags.get(notes.rows[i], ()))
        made.append(Note(notes.keys[i].hex(), path, title, source, folder, of, round(x, 5), round(y, 5)))
    return made


def _links(now: Snapshot, target: Target, rows: Sequence[int]) -> list[tuple[int, int]]:
    """Who is linked with whom, each pair once."""
    at = {row: i for i, row in enumerate(rows)}
    found = set[tuple[int, int]]()
    for edge in graph_of(linked_of(target), now.db).everything():
        if edge.to is not None and edge.of.note in at and edge.to.note in at and edge.of.note != edge.to.note:
            one, other = sorted((at[edge.of.note], at[edge.to.note]))
            found.add((one, other))
    return sorted(found)
