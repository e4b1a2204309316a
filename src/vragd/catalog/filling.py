"""What a target is to hold, and how far it is filled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from vragd.catalog.connection import Connection, batched
from vragd.catalog.model import ChunkRow, LiveRow, TargetRow, from_blob


class Filling(Connection):
    """The live chunks, all or a slice at a time."""

    def live_keys(self, space_id: int) -> set[str]:
        """The keys a backend must hold: those of the embedded chunks of the space's notes."""
        rows = self._read(
            "select c.key from chunk c join note n on n.id = c.note_id where n.space_id = ? and c.embedded", space_id
        )
        return {key for (key,) in rows}

    def inherited_keys(self) -> set[str]:
        """
        Those of the embedded chunks of notes whose space lost its collection: they lie in that of its heir, and answer
        there until their notes are in the heir's space.
        """
        rows = self._read(
            "select c.key from chunk c join note n on n.id = c.note_id where c.embedded and n.space_id in"
            " (select id from space where id not in"
            " (select space_id from target where space_id is not null and role = 'primary'))"
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

    def rows_for(self, keys: Sequence[str]) -> Iterator[LiveRow]:
        """The live chunks among `keys`, with all that a put needs but their vectors."""
        for some in batched(keys):
            marks = ",".join("?" * len(some))
            for key, text_hash, uid, label, path, title, heading, first, last, text, meta_hash, at in self._read(
                "select c.key, c.text_hash, s.uid, s.label, n.path, n.title, c.heading, c.line_from, c.line_to, c.text,"
                " c.meta_hash, n.mtime_ns / 1000000000"
                " from chunk c join note n on n.id = c.note_id join source s on s.id = n.source_id"
                f" where c.key in ({marks})",
                *some,
            ):
                chunk = ChunkRow(key, text_hash, tuple(json.loads(heading)), (first, last), text, meta_hash=meta_hash)
                yield LiveRow(uid, label, from_blob(path), title, chunk, at)

    # -- how far a target is -----------------------------------------------------------------------

    def target(self, collection: str) -> TargetRow | None:
        """The target that keeps its vectors in this collection, also one that was left."""
        rows = self._read(
            "select id, collection, kind, identity, place, filled_to, swept from target where collection = ?",
            collection,
        )
        return TargetRow(*rows[0]) if rows else None

    def remember_opened(self, collection: str, kind: str, identity: str) -> None:
        """The collection was opened, and is the one of this identity; another than before has to be filled anew."""
        with self._transaction():
            self._db.execute(
                "insert into target(role, kind, place, collection, identity, swept, applied)"
                " values ('primary', ?, '', ?, ?, 1, 0) on conflict(collection) do update set"
                " place = case when identity = excluded.identity then place else '' end,"
                " kind = excluded.kind, identity = excluded.identity",
                (kind, collection, identity),
            )

    def begin_filling(self, target: int, place: str) -> None:
        """From now on the target is filled at `place`, from the first key; what is in any other one falls behind."""
        with self._transaction():
            self._db.execute("update target set place = '' where id != ? and role = 'primary'", (target,))
            self._db.execute("update target set place = ?, filled_to = '', swept = 0 where id = ?", (place, target))

    def put_off_filling(self) -> bool:
        """Whatever is filled falls behind from now on, and has to be filled anew; whether anything was."""
        if not self._one("select exists (select 1 from target where place != '' and role = 'primary')"):
            return False
        with self._transaction():
            self._db.execute("update target set place = '' where role = 'primary'")
        return True

    def remember_filled(self, target: int, to: str | None) -> None:
        """All live keys up to `to` are there; None for all."""
        with self._transaction():
            self._db.execute("update target set filled_to = ? where id = ?", (to, target))

    def remember_swept(self, target: int) -> None:
        """It holds no key of ours from before it was filled."""
        with self._transaction():
            self._db.execute("update target set swept = 1 where id = ?", (target,))
