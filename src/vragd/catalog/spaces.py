"""The spaces a store has vectors of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from vragd.catalog.connection import Connection
from vragd.catalog.model import SpaceRow, from_blob
from vragd.catalog.sweep import AHEAD_S

LEFT = "left "
"""What the fingerprint of a space begins with that was left, before when (seconds since 1970) and what it was."""


class Spaces(Connection):
    """
    One is written, and while that is built another answers. Of one that was left the embeddings may be kept for whoever
    comes back to it: it is none of the spaces then.
    """

    def register_space(self, collection: str, fingerprint: str, identity: str, dimension: int) -> SpaceRow:
        """
        The space, made if it is new, kept in `collection` if it is kept nowhere. Another that is there loses it.

        One without a dimension is kept nowhere.
        """
        with self._transaction():
            self._db.execute(
                "update space set fingerprint = ? where fingerprint like ?", (fingerprint, f"{LEFT}% {fingerprint}")
            )
            self._db.execute(
                "insert into space(fingerprint, identity, dimension) values (?, ?, ?)"
                " on conflict(fingerprint) do nothing",
                (fingerprint, identity, dimension),
            )
            space_id = self._one("select id from space where fingerprint = ?", fingerprint)
            has_one = "select exists (select 1 from target where space_id = ? and role = 'primary')"
            if dimension and not self._one(has_one, space_id):
                self._db.execute(
                    "insert into target(role, kind, place, collection, identity, swept, applied)"
                    " values ('primary', '', '', ?, '', 1, 0) on conflict(collection) do nothing",
                    (collection,),
                )
                self._db.execute(
                    "delete from intent where target = (select id from target where collection = ?)", (collection,)
                )
                self._db.execute(
                    "update target set space_id = ?, place = '' where collection = ?", (space_id, collection)
                )
        return next(space for space in self.spaces() if space.fingerprint == fingerprint)

    def spaces(self) -> list[SpaceRow]:
        """Every space that has something in the backend or is to have it; not those that were left."""
        return [row for row in self._rows() if not row.fingerprint.startswith(LEFT)]

    def left_spaces(self) -> list[SpaceRow]:
        """Those that were left, and whose embeddings are kept."""
        return [row for row in self._rows() if row.fingerprint.startswith(LEFT)]

    def _rows(self) -> list[SpaceRow]:
        rows = self._read(
            "select s.id, fingerprint, dimension, coalesce(collection, ''), s.identity, embedder, coalesce(t.id, 0)"
            " from space s left join target t on t.space_id = s.id and t.role = 'primary' order by s.id"
        )
        return [SpaceRow(*row) for row in rows]

    def chosen_spaces(self) -> tuple[int | None, int | None]:
        """The ids of the space that is written and of the last one that was whole; None before there was one."""
        ((written, answers),) = self._read("select space_id, answers_id from store")
        return written, answers

    def choose_space(self, space_id: int) -> None:
        """From now on this space is written."""
        with self._transaction():
            self._db.execute("update store set space_id = ?", (space_id,))

    def choose_answering(self, space_id: int) -> None:
        """From now on questions are put to this space."""
        with self._transaction():
            self._db.execute("update store set answers_id = ?", (space_id,))

    def record_embedder(self, space: SpaceRow, settings: str) -> SpaceRow:
        """Remember the settings (JSON) of the embedder that makes the space's vectors; the space with them."""
        with self._transaction():
            self._db.execute("update space set embedder = ? where id = ?", (settings, space.id))
        return replace(space, embedder=settings)

    def leave_space(self, space_id: int, now: float) -> None:
        """Have a space no note uses be none any longer, and keep its embeddings: registered again it has them."""
        with self._transaction():
            self._db.execute("update target set space_id = null where space_id = ?", (space_id,))
            self._db.execute(
                "update space set fingerprint = ? || fingerprint where id = ? and fingerprint not like ?",
                (f"{LEFT}{now:.0f} ", space_id, f"{LEFT}%"),
            )

    def forget_left(self, now: float, keep_s: float) -> None:
        """Forget what was left longer ago than that, or by a clock that was wrong."""
        for row in self.left_spaces():
            at = float(row.fingerprint.split()[1])
            if at <= now - keep_s or at > now + AHEAD_S:
                self.forget_space(row.id)

    def forget_space(self, space_id: int) -> None:
        """Remove a space no note uses, its embeddings included. What its collection was is remembered."""
        with self._transaction():
            for table in ("embedding", "title_embedding"):
                self._db.execute(f"delete from {table} where space_id = ?", (space_id,))
            self._db.execute("update target set space_id = null where space_id = ?", (space_id,))
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
