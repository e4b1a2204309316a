"""A note's record and chunks exchanged for others: the steps of a commit, inside its transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from vragd.catalog.model import NoteChange, from_blob, to_blob


def upsert(db: apsw.Connection, change: NoteChange) -> int:
    """Write the note's record, but for its chunks; its id."""
    values = (
        *change.stamp,
        int(change.racy),
        change.digest,
        change.title,
        change.space_id,
        change.state,
        change.reason,
        change.attempts,
        change.retry_at,
        change.seq,
        time.time(),
    )
    ((note_id,),) = db.execute(
        "insert into note(source_id, path, inode, size, mtime_ns, ctime_ns, racy, digest, title, space_id,"
        " state, reason, attempts, retry_at, seq, changed_at) values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " on conflict(source_id, path) do update set (inode, size, mtime_ns, ctime_ns, racy, digest, title,"
        " space_id, state, reason, attempts, retry_at, seq, changed_at) = (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " returning id",
        (change.source_id, to_blob(change.path), *values, *values),
    )
    assert isinstance(note_id, int)
    return note_id


@dataclass(frozen=True, slots=True)
class Had:
    """What a note's record said before of what its chunks are indexed with. `names` as JSON."""

    title: str
    space_id: int | None
    names: str
    words: str


def swap_chunks(db: apsw.Connection, note_id: int, change: NoteChange, had: Had | None, generation: int) -> set[str]:
    """
    Exchange the note's chunks for those of `change`, touching only what differs; the keys that are no more.

    `had` is of the note before, if there was one. What a backend has to be told again is of this `generation`.
    """
    assert change.chunks is not None
    words, names = change.words, json.dumps(change.names, ensure_ascii=False)
    retitled = had is not None and (had.title, had.names) != (change.title, names)
    moved = had is not None and had.space_id != change.space_id
    if had is None or retitled or had.words != words:
        db.execute("update note set names = ?, words = ? where id = ?", (names, words, note_id))
    called = _called(change.title, change.names)
    rows = db.execute("select key, id, heading, text, ordinal from chunk where note_id = ?", (note_id,))
    old = {key: (rowid, heading, text, ordinal) for key, rowid, heading, text, ordinal in rows}
    for ordinal, chunk in enumerate(change.chunks):
        heading = json.dumps(chunk.heading, ensure_ascii=False)
        columns = (int(chunk.embedded), ordinal, heading, *chunk.lines, chunk.meta_hash)
        text = _with_words(chunk.text, change.path, words) if ordinal == 0 else chunk.text
        if before := old.pop(chunk.key, None):
            db.execute(
                "update chunk set changed = case when ?7 or embedded != ?1 or meta_hash is not ?6 then ?8 else changed"
                " end, embedded = ?1, ordinal = ?2, heading = ?3, line_from = ?4, line_to = ?5, meta_hash = ?6"
                " where id = ?9",
                (*columns, moved, generation, before[0]),
            )
            if before[2] != chunk.text:  # marks only: what is embedded is the same
                db.execute("update chunk set text = ? where id = ?", (chunk.text, before[0]))
            was = _with_words(before[2], change.path, had.words) if had and before[3] == 0 else before[2]
            if (before[1], was) != (heading, text) or retitled:
                db.execute("delete from chunk_text where rowid = ?", (before[0],))
                _index_text(db, before[0], called, chunk.heading, text)
        else:
            db.execute(
                "insert into chunk(note_id, key, text_hash, embedded, ordinal, heading, line_from, line_to, meta_hash,"
                " text, changed) values (?,?,?,?,?,?,?,?,?,?,?)",
                (note_id, chunk.key, chunk.text_hash, *columns, chunk.text, generation),
            )
            _index_text(db, db.last_insert_rowid(), called, chunk.heading, text)
    return _drop_chunks(db, {key: row[0] for key, row in old.items()})


def index_all(db: apsw.Connection) -> None:
    """Full text of every chunk anew, from what the catalog holds. To be called in a transaction."""
    db.execute("insert into chunk_text(chunk_text) values ('delete-all')")
    rows = db.execute(
        "select c.id, c.ordinal, c.heading, c.text, n.path, n.title, n.names, n.words"
        " from chunk c join note n on n.id = c.note_id"
    )
    for rowid, ordinal, heading, text, path, title, names, words in rows:
        whole = text if ordinal else _with_words(text, from_blob(path), words)
        _index_text(db, rowid, _called(title, json.loads(names)), json.loads(heading), whole)


def _called(title: str, names: Sequence[str]) -> str:
    return "\n".join(dict.fromkeys((title, *names)))


def _with_words(text: str, path: str, words: str) -> str:
    """A note's first chunk stands for the note: its folders, and what is in no chunk, are found with it."""
    folders = path.rpartition("/")[0].encode("utf-8", "replace").decode()
    return "\n".join(part for part in (text, words, folders) if part)


def _index_text(db: apsw.Connection, rowid: int, called: str, heading: Sequence[str], text: str) -> None:
    db.execute(
        "insert into chunk_text(rowid, title, heading, text) values (?, ?, ?, ?)",
        (rowid, called, " ".join(heading), text),
    )


def remove(db: apsw.Connection, note_id: int) -> set[str]:
    """Forget the note; the keys of the chunks it had."""
    rows = db.execute("select key, id from chunk where note_id = ?", (note_id,))
    dead = _drop_chunks(db, dict(rows))
    db.execute("delete from note where id = ?", (note_id,))
    return dead


def _drop_chunks(db: apsw.Connection, rowids: dict[str, int]) -> set[str]:
    for rowid in rowids.values():
        db.execute("delete from chunk_text where rowid = ?", (rowid,))
        db.execute("delete from chunk where id = ?", (rowid,))
    return set(rowids)
