"""
The catalog's one read-write connection. Owned by the store's writer lane: no other thread may call it.

Each method that writes is one transaction, durable when it returns.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vragd.catalog import sweep
from vragd.catalog.check import check, mend
from vragd.catalog.model import (
    KNOWN_COLUMNS,
    ChunkRow,
    Committed,
    Known,
    NoteChange,
    NoteRemoval,
    SourceRow,
    SpaceRow,
    from_blob,
    known_from,
    to_blob,
)
from vragd.catalog.schema import MIGRATIONS
from vragd.catalog.swap import remove, swap_chunks, upsert
from vragd.errors import CatalogCorrupt
from vragd.system import packed
from vragd.system.sqlite import open_read_write, transaction, translated

_BATCH = 500  # bound parameters in one statement, well below SQLite's limit

Item = TypeVar("Item", str, bytes)
Place = tuple[tuple[str, ...], tuple[int, int]]


class Catalog:
    """Reads and writes of the writer lane. See `Reader` for queries."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises as `open_read_write`."""
        self.path = path
        self.damage: CatalogCorrupt | None = None
        """What a read or write last said of a damaged file. May be looked at from any thread."""
        self._closed = False
        self._db = open_read_write(path, MIGRATIONS)
        try:
            self._seq = self._one("select coalesce(max(seq), 0) from note")
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Fold the write-ahead log into the file and close. Closed also when that raises; once is enough."""
        if self._closed:
            return
        self._closed = True
        with translated("the catalog"):
            try:
                self._db.execute("pragma optimize")
            finally:
                self._db.close()

    def next_seq(self) -> int:
        """A number above every earlier one, to be taken when a note's bytes are read."""
        self._seq += 1
        return self._seq

    # -- meta ------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """A remembered value."""
        rows = self._read("select value from meta where key = ?", key)
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        with self._transaction():
            self._db.execute("insert or replace into meta values (?, ?)", (key, value))

    # -- sources and spaces ------------------------------------------------------------------------

    def sources(self) -> list[SourceRow]:
        """Every registered source."""
        rows = self._read("select id, uid, label, device, inode, obsidian from source order by id")
        return [
            SourceRow(i, uid, label, None if device is None else (device, inode, bool(obsidian)))
            for i, uid, label, device, inode, obsidian in rows
        ]

    def register_source(self, label: str, uid: str, source_id: int | None = None) -> SourceRow:
        """The source called `label`, made with `uid` if it is new, and with `source_id` if it had one before."""
        with self._transaction():
            self._db.execute(
                "insert into source(id, uid, label) values (?, ?, ?) on conflict(label) do nothing",
                (source_id, uid, label),
            )
        return next(row for row in self.sources() if row.label == label)

    def rename_sources(self, uids: Mapping[str, str]) -> None:
        """Give sources other identities, and their chunks the keys that go with them: old uid to new."""
        with self._transaction():
            for old, new in uids.items():
                self._db.execute("update source set uid = ? where uid = ?", (new, old))
                theirs = "where substr(key, 1, length(?) + 1) = ? || '-'"
                self._db.execute(
                    f"update chunk set key = ? || substr(key, length(?) + 1) {theirs}", (new, old, old, old)
                )
                self._db.execute(f"delete from intent {theirs}", (old, old))

    def set_identity(self, source_id: int, device: int, inode: int, obsidian: bool) -> None:
        """Remember by what the source's root is recognised."""
        with self._transaction():
            self._db.execute(
                "update source set device = ?, inode = ?, obsidian = ? where id = ?",
                (device, inode, int(obsidian), source_id),
            )

    def forget_source(self, source_id: int) -> None:
        """Remove a source that has no notes left."""
        with self._transaction():
            self._db.execute("delete from source where id = ?", (source_id,))

    def register_space(self, collection: str, fingerprint: str, identity: str, dimension: int) -> SpaceRow:
        """The space, made if it is new. Another that has the name of its collection loses it."""
        with self._transaction():
            self._db.execute(
                "update space set collection = 'gone.' || substr(fingerprint, 1, 8)"
                " where collection = ? and fingerprint != ?",
                (collection, fingerprint),
            )
            if self._db.changes():
                self._db.execute("delete from intent where collection = ?", (collection,))
            self._db.execute(
                "insert into space(fingerprint, identity, dimension, collection) values (?, ?, ?, ?)"
                " on conflict(fingerprint) do nothing",
                (fingerprint, identity, dimension, collection),
            )
        return next(space for space in self.spaces() if space.fingerprint == fingerprint)

    def spaces(self) -> list[SpaceRow]:
        """Every space that has something in the catalog or the backend."""
        rows = self._read("select id, fingerprint, dimension, collection, identity, embedder from space order by id")
        return [SpaceRow(*row) for row in rows]

    def record_embedder(self, space: SpaceRow, settings: str) -> SpaceRow:
        """Remember the settings (JSON) of the embedder that makes the space's vectors; the space with them."""
        with self._transaction():
            self._db.execute("update space set embedder = ? where id = ?", (settings, space.id))
        return replace(space, embedder=settings)

    def forget_space(self, space_id: int) -> None:
        """Remove a space no note uses, its embeddings included."""
        with self._transaction():
            self._db.execute("delete from embedding where space_id = ?", (space_id,))
            self._db.execute("delete from space where id = ?", (space_id,))

    def any_outside(self, space_id: int, away: Collection[int] = (), *, or_failed: bool = True) -> bool:
        """Whether there is a note whose chunks are of another space; in no source that is `away`, if any is."""
        failed = "" if or_failed else " and state != 'failed'"
        marks = ",".join("?" * len(away))
        sql = f"select exists (select 1 from note where space_id != ? {failed} and source_id not in ({marks}))"
        return bool(self._one(sql, space_id, *away))

    def notes_outside(self, space_id: int) -> list[tuple[int, str]]:
        """(source id, path) of the notes whose chunks are of another space."""
        rows = self._read("select source_id, path from note where space_id != ?", space_id)
        return [(source, from_blob(path)) for source, path in rows]

    # -- notes -------------------------------------------------------------------------------------

    def known_note(self, source_id: int, path: str) -> Known | None:
        """What is remembered of one note."""
        rows = self._read(
            f"select {KNOWN_COLUMNS} from note where source_id = ? and path = ?", source_id, to_blob(path)
        )
        return known_from(rows[0]) if rows else None

    def embedded_chunks(self, note_id: int) -> dict[str, Place]:
        """Where a note's chunks that have a vector are: (heading path, (first, last line)) by key."""
        rows = self._read("select key, heading, line_from, line_to from chunk where note_id = ? and embedded", note_id)
        return {key: (tuple(json.loads(heading)), (first, last)) for key, heading, first, last in rows}

    def due_for_retry(self, now: float) -> list[tuple[int, str]]:
        """(source id, path) of failed notes whose time has come, or was put down by a clock that was wrong."""
        due = "retry_at <= ? or retry_at > ?"
        rows = self._read(f"select source_id, path from note where {due}", now, now + sweep.AHEAD_S)
        return [(source, from_blob(path)) for source, path in rows]

    # -- embeddings --------------------------------------------------------------------------------

    def embedded(self, space_id: int, hashes: Collection[bytes]) -> set[bytes]:
        """Those of `hashes` that have an embedding in the space."""
        return {found for (found,) in self._in("select text_hash from embedding", space_id, hashes)}

    def embeddings(self, space_id: int, hashes: Collection[bytes]) -> dict[bytes, np.ndarray]:
        """The vectors of those of `hashes` that have one: float32, shape (dimension,)."""
        found = list(self._in("select text_hash, vector from embedding", space_id, hashes))
        if not found:
            return {}
        dimension = (len(found[0][1]) - packed.bytes_of(0)) // 2
        rows = packed.unpack(np.frombuffer(b"".join(row[1] for row in found), dtype=packed.kind(dimension)))
        return {text_hash: row for (text_hash, _), row in zip(found, rows, strict=True)}

    def _in(self, select: str, space_id: int, hashes: Collection[bytes]) -> Iterator[Sequence[Any]]:
        for some in _batched(list(hashes)):
            marks = ",".join("?" * len(some))
            # a vector of another length is none: it was made by another model than the space's
            yield from self._read(
                f"{select} where space_id = ? and text_hash in ({marks})"
                " and length(vector) = (select 4 + 2 * dimension from space where id = space_id)",
                space_id,
                *some,
            )

    def sweep_embeddings(self, now: float, keep_s: float) -> int:
        """Forget embeddings unused for `keep_s` seconds, so long does an undo cost none; returns how many."""
        found = sweep.find_unused(self._db, now, keep_s)
        return sum(self.forget_unused(some, now) for some in found.slices())

    def forget_unused(self, found: sweep.Unused, now: float) -> int:
        """The same for what `Reader.find_unused` found."""
        with self._transaction():
            return sweep.embeddings(self._db, found, now)

    def sweep_words(self, now: float, every_s: float) -> None:
        """Forget the words of chunks that are gone, unless that was done in the last `every_s` seconds."""
        if -sweep.AHEAD_S <= now - float(self.meta("words_swept") or 0) < every_s:
            return
        with self._transaction():
            sweep.words(self._db)
            self._db.execute("insert or replace into meta values ('words_swept', ?)", (str(now),))
        self._read("pragma wal_checkpoint(truncate)")  # what was deleted stands in the log as it was written

    # -- the order of writes -----------------------------------------------------------------------

    def save(
        self,
        space_id: int,
        vectors: Iterable[tuple[bytes, np.ndarray]],
        collection: str,
        intents: Iterable[str],
    ) -> None:
        """Keep new embeddings and, in the same transaction, name the keys about to be put."""
        with self._transaction():
            self._db.executemany(
                "insert into embedding(space_id, text_hash, vector) values (?, ?, ?)"
                " on conflict do update set vector = excluded.vector where length(vector) != length(excluded.vector)",
                ((space_id, text_hash, packed.pack(vector[None]).tobytes()) for text_hash, vector in vectors),
            )
            self._intend(collection, intents)

    def commit(self, collection: str, changes: Sequence[NoteChange | NoteRemoval]) -> Committed:
        """
        Swap each note's chunks for the new ones, all or nothing; keys that die by it become intents.

        A change whose `seq` is not above the stored one is dropped: somebody read the note later.
        """
        dead: set[str] = set()
        n_stale, answers_change = 0, False
        with self._transaction():
            for change in changes:
                known = self._db.execute(
                    "select id, seq, title from note where source_id = ? and path = ?",
                    (change.source_id, to_blob(change.path)),
                ).fetchone()
                if known and known[1] >= change.seq:
                    n_stale += 1
                elif isinstance(change, NoteRemoval):
                    if known:
                        dead |= remove(self._db, known[0])
                        answers_change = True
                else:
                    note_id = upsert(self._db, change)
                    if change.chunks is not None:
                        retitled = known is not None and known[2] != change.title
                        dead |= swap_chunks(self._db, note_id, change, retitled=retitled)
                        dead.difference_update(chunk.key for chunk in change.chunks)
                        answers_change = True
            self._intend(collection, dead)
            if answers_change:
                self._db.execute("update meta set value = value + 1 where key = 'generation'")
            generation = self._one("select cast(value as integer) from meta where key = 'generation'")
        return Committed(generation, tuple(dead), n_stale)

    def _intend(self, collection: str, keys: Iterable[str]) -> None:
        self._db.executemany("insert or ignore into intent values (?, ?)", ((collection, key) for key in keys))

    def intents(self, collection: str) -> list[str]:
        """Keys that may be in the backend without being live."""
        return [key for (key,) in self._read("select key from intent where collection = ?", collection)]

    def clear(self, collection: str, keys: Iterable[str]) -> None:
        """Forget intents whose keys are surely gone, or surely live."""
        with self._transaction():
            self._db.executemany(
                "delete from intent where collection = ? and key = ?", ((collection, key) for key in keys)
            )

    def clear_all(self, collection: str) -> None:
        """Forget every intent of a collection that is no more."""
        with self._transaction():
            self._db.execute("delete from intent where collection = ?", (collection,))

    # -- to rebuild a backend ------------------------------------------------------------------------

    def live_keys(self, space_id: int) -> set[str]:
        """The keys a backend must hold: those of the embedded chunks of the space's notes."""
        rows = self._read(
            "select c.key from chunk c join note n on n.id = c.note_id where n.space_id = ? and c.embedded", space_id
        )
        return {key for (key,) in rows}

    def embedded_keys(self, space_id: int) -> set[str]:
        """The keys of all chunks that there is an embedding of this space for, whatever space their notes are in."""
        rows = self._read(
            "select c.key from chunk c join embedding e on e.space_id = ? and e.text_hash = c.text_hash"
            " where c.embedded",
            space_id,
        )
        return {key for (key,) in rows}

    def live_keys_after(self, space_id: int, key: str, limit: int) -> list[str]:
        """The next `limit` live keys above `key`, in order: `live_keys` a slice at a time."""
        rows = self._read(
            "select c.key from chunk c join note n on n.id = c.note_id"
            " where c.key > ? and n.space_id = ? and c.embedded order by c.key limit ?",
            key,
            space_id,
            limit,
        )
        return [found for (found,) in rows]

    def rows_for(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes, int, str, str, ChunkRow]]:
        """(key, text hash, source id, path, title, chunk) of live chunks among `keys`."""
        for some in _batched(keys):
            marks = ",".join("?" * len(some))
            for key, text_hash, source, path, title, heading, line_from, line_to, text in self._read(
                "select c.key, c.text_hash, n.source_id, n.path, n.title, c.heading, c.line_from, c.line_to, c.text"
                f" from chunk c join note n on n.id = c.note_id where c.key in ({marks})",
                *some,
            ):
                chunk = ChunkRow(key, text_hash, tuple(json.loads(heading)), (line_from, line_to), text)
                yield key, text_hash, source, from_blob(path), title, chunk

    def check(self) -> list[str]:
        """What is wrong with the file; [] if it is sound. See `catalog.check`."""
        try:
            with translated("the catalog"):
                return check(self._db)
        except CatalogCorrupt as error:  # damage can keep SQLite from its own check
            return [error.message]

    def mend(self) -> int:
        """
        Have notes that lost an embedding or their full text read again; how many. See `catalog.check`.

        What is wrong with the file after that is beyond mending: `damage`.
        """
        with self._transaction():
            n_notes = mend(self._db)
        if left := self.check():
            self.damage = CatalogCorrupt(f"the catalog is damaged: {left[0]}")
        return n_notes

    def _read(self, sql: str, *bound: int | float | str | bytes) -> list[tuple[Any, ...]]:
        """Every row at once: SQLite's errors, which may come with any of them, become ours."""
        with self._minding(), translated("the catalog"):
            return list(self._db.execute(sql, bound))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._minding(), transaction(self._db):
            yield

    @contextmanager
    def _minding(self) -> Iterator[None]:
        try:
            yield
        except CatalogCorrupt as error:
            self.damage = error
            raise

    def _one(self, sql: str, *bound: int) -> int:
        ((value,),) = self._read(sql, *bound)
        assert isinstance(value, int)
        return value


def _batched(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    for start in range(0, len(items), _BATCH):
        yield tuple(items[start : start + _BATCH])
