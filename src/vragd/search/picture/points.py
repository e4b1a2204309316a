"""The notes of a store that have a place in the picture, and their vectors, at one instant of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vragd.catalog.lookup import Lookup
from vragd.catalog.reader import Snapshot
from vragd.search.narrowed import hidden_by
from vragd.search.picture.kept import Kept, digest
from vragd.search.picture.layout import unit
from vragd.search.question import Target

AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Listed:
    """
    Notes, in the order of their `keys`, which is that of no name: `rows` are their ids, `marks` say which text each
    has, `names` have (source, path, title).
    """

    rows: list[int]
    keys: list[bytes]
    marks: list[bytes]
    names: list[tuple[str, str, str]]


def listed(now: Snapshot, target: Target) -> Listed:
    """Those that may be shown to whom `target` is for."""
    every = now.selecting.all()
    hidden = hidden_by(target, now.lookup, every.tolist())
    found = {
        row: (source, path, title)
        for row, (source, path, title, _) in now.lookup.notes(every.tolist()).items()
        if source in target.places and row not in hidden
    }
    texts: dict[int, list[bytes]] = {}
    for row, text_hash in now.selecting.text_hashes(np.array(list(found), dtype=np.int64)):
        texts.setdefault(row, []).append(text_hash)
    notes = sorted((key_of(target.places[source].uid, path), row) for row, (source, path, _) in found.items())
    rows = [row for _, row in notes]
    marks = [digest(b"".join(texts.get(row, ()))) for row in rows]
    return Listed(rows, [key for key, _ in notes], marks, [found[row] for row in rows])


def key_of(uid: str, path: str) -> bytes:
    """Of the note at `path` of the source `uid`."""
    return digest(f"{uid}\0{path}".encode("utf-8", "surrogateescape"))


def vectors_of(now: Lookup, space_id: int, dimension: int, rows: Sequence[int]) -> np.ndarray:
    """
    Of each note the mean of its chunks' vectors, its title's where it has no chunk: unit rows, float32, shape
    (notes, dimension); NaN for one that has none.
    """
    sums = np.zeros((len(rows), dimension), dtype=np.float32)
    at = {row: i for i, row in enumerate(rows)}
    owner = dict(now.chunks_among(np.array(rows, dtype=np.int64)))
    chunks = list(owner)
    for start in range(0, len(chunks), AT_ONCE):
        found, vectors = now.vectors(space_id, chunks[start : start + AT_ONCE])
        if found and vectors.shape[1] == dimension:
            np.add.at(sums, [at[owner[chunk]] for chunk in found], vectors)
    bare = [rows[i] for i in np.flatnonzero(~sums.any(axis=1)).tolist()]
    for start in range(0, len(bare), AT_ONCE):
        found, vectors = now.title_vectors(space_id, bare[start : start + AT_ONCE])
        if found and vectors.shape[1] == dimension:
            sums[[at[row] for row in found]] = vectors
    made = unit(sums)
    made[~sums.any(axis=1)] = np.nan
    return made


def points_of(notes: Listed, kept: Kept | None) -> tuple[np.ndarray, np.ndarray]:
    """
    The points that the notes had, NaN for one that is new or has another text, float32, shape (n, 2); and which of
    them are no part of a layout of all. One that was renamed stays where it was.
    """
    points = np.full((len(notes.keys), 2), np.nan, dtype=np.float32)
    placed = np.ones(len(notes.keys), dtype=bool)
    if kept is None:
        return points, placed
    at = {key: i for i, key in enumerate(kept.keys)}
    gone = at.keys() - set(notes.keys)
    left = {kept.marks[at[key]]: at[key] for key in sorted(gone)}
    for i, (key, mark) in enumerate(zip(notes.keys, notes.marks, strict=True)):
        old = at.get(key)
        if old is None:
            old = left.pop(mark, None)
        if old is not None and kept.marks[old] == mark:
            points[i], placed[i] = kept.points[old], kept.placed[old]
    return points, placed
