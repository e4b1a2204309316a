"""A note's record and chunks exchanged for others: the steps of a commit, inside its transaction."""

from __future__ import annotations

import json

import apsw

from vragd.catalog.facts import forget_facts
from vragd.catalog.indexing import Named, Terms, forget_note, index_chunk, index_note, terms_of_chunk
from vragd.catalog.link_names import name_key
from vragd.catalog.links import drop_links
from vragd.catalog.model import BY_RULE, UNREAD, NoteChange, to_blob
from vragd.catalog.passages import bury_passage, leave_note


def upsert(db: apsw.Connection, change: NoteChange, written: int, now: float) -> int:
    """Write the note's record, but for its chunks, by the commit `written`; its id. `now`: seconds since 1970."""
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
        now,
        change.reader,
        written,
    )
    unread = change.closed & BY_RULE | UNREAD
    ((note_id,),) = db.execute(
        "insert into note(source_id, path, inode, size, mtime_ns, ctime_ns, racy, digest, title, space_id,"
        " state, reason, attempts, retry_at, seq, changed_at, reader, changed, link_name, closed)"
        " values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " on conflict(source_id, path) do update set (inode, size, mtime_ns, ctime_ns, racy, digest, title,"
        " space_id, state, reason, attempts, retry_at, seq, changed_at, reader, changed)"
        " = (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " returning id",
        (change.source_id, to_blob(change.path), *values, name_key(change.path), unread, *values),
    )
    assert isinstance(note_id, int)
    return note_id


def swap_chunks(
    db: apsw.Connection, note_id: int, change: NoteChange, had_space: int | None, generation: int, now: float
) -> set[str]:
    """
    Exchange the note's chunks for those of `change`, touching only what differs; the keys that are no more.

    `had_space` is the space of the note before, if there was one. What a backend has to be told again is of this
    `generation`. `now`: seconds since 1970.
    """
    assert change.chunks is not None
    moved = had_space is not None and had_space != change.space_id
    rows = db.execute("select key, id, heading, text from chunk where note_id = ?", (note_id,))
    old = {key: (rowid, heading, text) for key, rowid, heading, text in rows}
    rows_now: list[tuple[int, Terms]] = []
    for ordinal, chunk in enumerate(change.chunks):
        terms = terms_of_chunk(chunk.text, tuple(chunk.heading))
        heading = json.dumps(chunk.heading, ensure_ascii=False)
        columns = (int(chunk.embedded), ordinal, heading, *chunk.lines, chunk.meta_hash)
        if before := old.pop(chunk.key, None):
            db.execute(
                "update chunk set changed = case when ?7 or embedded != ?1 or meta_hash is not ?6 then ?8 else changed"
                " end, embedded = ?1, ordinal = ?2, heading = ?3, line_from = ?4, line_to = ?5, meta_hash = ?6"
                " where id = ?9",
                (*columns, moved, generation, before[0]),
            )
            rowid = before[0]
            if before[2] != chunk.text:  # marks only: what is embedded is the same
                db.execute("update chunk set text = ? where id = ?", (chunk.text, rowid))
            if before[1:] != (heading, chunk.text):
                db.execute("delete from chunk_text where rowid = ?", (rowid,))
                index_chunk(db, rowid, terms)
        else:
            db.execute(
                "insert into chunk(note_id, key, text_hash, embedded, ordinal, heading, line_from, line_to, meta_hash,"
                " text, changed) values (?,?,?,?,?,?,?,?,?,?,?)",
                (note_id, chunk.key, chunk.text_hash, *columns, chunk.text, generation),
            )
            rowid = db.last_insert_rowid()
            index_chunk(db, rowid, terms)
        rows_now.append((rowid, terms))
    names = json.dumps(change.names, ensure_ascii=False)
    db.execute("update note set names = ?1, words = ?2 where id = ?3 and (names, words) != (?1, ?2)",
               (names, change.words, note_id))  # fmt: skip
    forget_note(db, note_id)
    if change.state != "skipped":
        index_note(db, note_id, Named(change.path, change.title, change.names, change.words), rows_now)
    return _drop_chunks(db, {key: row[0] for key, row in old.items()}, now)


def remove(db: apsw.Connection, note_id: int, now: float) -> set[str]:
    """Forget the note; the keys of the chunks it had."""
    rows = db.execute("select key, id from chunk where note_id = ?", (note_id,))
    dead = _drop_chunks(db, dict(rows), now)
    forget_note(db, note_id)
    forget_facts(db, note_id)
    drop_links(db, note_id)
    leave_note(db, note_id)
    db.execute("delete from note where id = ?", (note_id,))
    return dead


def _drop_chunks(db: apsw.Connection, rowids: dict[str, int], now: float) -> set[str]:
    for rowid in rowids.values():
        bury_passage(db, rowid, now)
        db.execute("delete from chunk_text where rowid = ?", (rowid,))
        db.execute("delete from chunk where id = ?", (rowid,))
    return set(rowids)
