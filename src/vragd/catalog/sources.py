"""What the catalog remembers of a store's sources."""

from __future__ import annotations

from collections.abc import Mapping

from vragd.catalog.connection import Connection
from vragd.catalog.model import SourceRow


class Sources(Connection):
    """Those that are configured, and what they are recognised by."""

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
