"""The notes of a catalog with their passages and vectors, some at a time. For connections that read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import apsw
import numpy as np

from vragd.catalog.model import ChunkRow, SpaceRow, from_blob
from vragd.system import packed


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk and its vector, float32, shape (dimension,); None where the space has none of its text."""

    chunk: ChunkRow
    vector: np.ndarray | None


@dataclass(frozen=True, slots=True)
class ExportedNote:
    """`properties` are JSON by name, as they were typed; `changed_at` is seconds since 1970."""

    uid: str
    label: str
    path: str
    title: str
    changed_at: int
    properties: Mapping[str, str]
    passages: Sequence[Passage]


def answering_space(db: apsw.Connection) -> SpaceRow | None:
    """The space that questions are put to; None before there is one."""
    rows = db.execute(
        "select id, fingerprint, dimension, '', identity, embedder from space"
        " where id = (select coalesce(answers_id, space_id) from store)"
    )
    return next((SpaceRow(*row) for row in rows), None)


def count(db: apsw.Connection) -> int:
    """How many passages there are."""
    ((found,),) = db.execute("select count(*) from chunk")
    return int(found)


def notes_after(db: apsw.Connection, note: int, limit: int) -> list[int]:
    """The next `limit` notes above this one, in order, of those that have passages."""
    rows = db.execute(
        "select n.id from note n where n.id > ? and exists (select 1 from chunk c where c.note_id = n.id)"
        " order by n.id limit ?",
        (note, limit),
    )
    return [found for (found,) in rows]


def note(db: apsw.Connection, note_id: int, space: SpaceRow) -> ExportedNote:
    """All of a note that there is now."""
    ((uid, label, path, title, changed_at),) = db.execute(
        "select s.uid, s.label, n.path, n.title, n.mtime_ns / 1000000000 from note n join source s"
        " on s.id = n.source_id where n.id = ?",
        (note_id,),
    )
    properties = dict(db.execute("select name, value from note_property where note_id = ? order by name", (note_id,)))
    return ExportedNote(uid, label, from_blob(path), title, changed_at, properties, _passages(db, note_id, space))


def _passages(db: apsw.Connection, note_id: int, space: SpaceRow) -> list[Passage]:
    rows = db.execute(
        "select c.key, c.text_hash, c.heading, c.line_from, c.line_to, c.text, e.vector from chunk c"
        " left join embedding e on e.space_id = ? and e.text_hash = c.text_hash and length(e.vector) = ?"
        " where c.note_id = ? order by c.ordinal",
        (space.id, packed.bytes_of(space.dimension), note_id),
    )
    kind = packed.kind(space.dimension)
    return [
        Passage(
            ChunkRow(key, text_hash, tuple(json.loads(heading)), (first, last), text),
            None if vector is None else packed.unpack(np.frombuffer(vector, dtype=kind))[0],
        )
        for key, text_hash, heading, first, last, text, vector in rows
    ]
