"""What the catalog remembers of a store's sources."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apsw

from vragd.catalog.closed import Rule, apply_rule
from vragd.catalog.connection import Connection
from vragd.catalog.links import add_attachments, drop_attachments
from vragd.catalog.model import SourceRow, from_blob, to_blob

Types = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""Of what types properties are, by name, in each vault that says any, by its folder."""


class KnownVaults(NamedTuple):
    """Folders that are vaults of their own, the way from the vault around the source to it, and types of properties."""

    inside: tuple[str, ...]
    above: str
    types: Types = ()


@dataclass(frozen=True, slots=True)
class KnownSource:
    """A source as the catalog knows it, with what `rules` and `vaults` say of it."""

    row: SourceRow
    rules: dict[str, list[str] | None]
    vaults: KnownVaults


def known_sources(db: apsw.Connection) -> list[KnownSource]:
    """Every registered source."""
    rows = db.execute(
        "select s.id, s.uid, s.label, s.device, s.inode, s.obsidian, coalesce(o.rules, '{}'),"
        " coalesce(o.vaults, '[[], \"\"]') from source s left join own_source o on o.uid = s.uid order by s.id"
    )
    return [KnownSource(_row(*row), json.loads(rules), _vaults(vaults)) for *row, rules, vaults in rows]


def _row(id_: int, uid: str, label: str, device: int | None, inode: int | None, obsidian: int | None) -> SourceRow:
    identity = None if device is None or inode is None else (device, inode, bool(obsidian))
    return SourceRow(id_, uid, label, identity)


def _vaults(text: str) -> KnownVaults:
    inside, above, *types = json.loads(text)
    said = tuple((vault, tuple((name, kind) for name, kind in kinds)) for vault, kinds in (types[0] if types else ()))
    return KnownVaults(tuple(inside), above, said)


class Sources(Connection):
    """Those that are configured, and what they are recognised by."""

    def sources(self) -> list[SourceRow]:
        """Every registered source."""
        rows = self._read("select id, uid, label, device, inode, obsidian from source order by id")
        return [_row(*row) for row in rows]

    def register_source(self, label: str, uid: str, source_id: int | None = None) -> SourceRow:
        """The source called `label`, made with `uid` if it is new, and with `source_id` if it had one before."""
        with self._transaction():
            self._db.execute(
                "insert into source(id, uid, label) values (?, ?, ?) on conflict(label) do nothing",
                (source_id, uid, label),
            )
        return next(row for row in self.sources() if row.label == label)

    def machine(self) -> str | None:
        """The machine the catalog was opened on last."""
        ((machine,),) = self._read("select machine from store")
        return None if machine is None else str(machine)

    def settle(self, machine: str, uids: Mapping[str, str] | None = None) -> None:
        """
        The catalog is on this machine now. With `uids` it came from another: its sources get other identities, old to
        new, and their chunks the keys that go with them; what it had before is no longer its own.
        """
        with self._transaction():
            for old, new in (uids or {}).items():
                self._db.execute("update source set uid = ? where uid = ?", (new, old))
                theirs = "where substr(key, 1, length(?) + 1) = ? || '-'"
                self._db.execute(
                    f"update chunk set key = ? || substr(key, length(?) + 1) {theirs}", (new, old, old, old)
                )
                self._db.execute(f"delete from intent {theirs}", (old, old))
            if uids is not None:
                self._db.execute("delete from mount")
                self._db.execute("delete from hidden")
                for old, new in uids.items():  # with what is known of each, its rules before all
                    self._db.execute("update own_source set uid = ? where uid = ?", (new, old))
                self._db.executemany(
                    "delete from own_source where uid = ?", [(uid,) for uid in self.own_uids() - set(uids.values())]
                )
            self._db.execute("update store set machine = ?", (machine,))

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
            self._db.execute("delete from attachment where source_id = ?", (source_id,))
            self._db.execute("delete from source where id = ?", (source_id,))

    def note_attachments(
        self, source_id: int, come: Sequence[str], gone: Sequence[str], closed: Collection[str] = ()
    ) -> None:  # fmt: skip
        """Files of a source that are no notes: those that have come, `closed` among them, those that are gone."""
        if come or gone:
            with self._transaction():
                before = self._db.total_changes()
                drop_attachments(self._db, source_id, gone)
                add_attachments(self._db, source_id, come, closed)
                if self._db.total_changes() != before:
                    self._db.execute("update store set generation = generation + 1")

    def close_to_assistants(self, source_id: int, uid: str, said: str, closes: Rule) -> None:
        """Mark what assistants are not shown of a source by a rule of the configuration, which is `said` so."""
        if self._read("select 1 from own_source where uid = ? and closed_by = ?", uid, said):
            return
        with self._transaction():
            apply_rule(self._db, source_id, uid, said, closes)
            self._db.execute("update store set generation = generation + 1")

    # -- by their identity: what is remembered also of those that are configured no longer -----------

    def add_own(self, uid: str) -> None:
        """Remember a source as ours: what it put may still be there when it is configured no longer."""
        if uid not in self.own_uids():
            with self._transaction():
                self._db.execute("insert into own_source(uid, asked) values (?, 0)", (uid,))

    def own_uids(self) -> set[str]:
        """Every source this catalog ever had."""
        return {uid for (uid,) in self._read("select uid from own_source")}

    def was_asked(self, uid: str) -> bool:
        """Whether anybody ever had the source indexed on demand."""
        return bool(self._one("select exists (select 1 from own_source where uid = ? and asked)", uid))

    def ask(self, uid: str) -> None:
        """Somebody has it indexed on demand."""
        with self._transaction():
            self._db.execute("update own_source set asked = 1 where uid = ?", (uid,))

    def rules(self, uid: str) -> dict[str, list[str] | None]:
        """What Obsidian's settings excluded when they were last read, as `set_rules` was given it."""
        rows = self._read("select rules from own_source where uid = ?", uid)
        return json.loads(rows[0][0]) if rows else {}

    def set_rules(self, uid: str, rules: Mapping[str, list[str] | None]) -> None:
        with self._transaction():
            self._db.execute("update own_source set rules = ? where uid = ?", (json.dumps(rules), uid))

    def vaults(self, uid: str) -> KnownVaults:
        """The vaults that the source holds and is in."""
        rows = self._read("select vaults from own_source where uid = ?", uid)
        return _vaults(rows[0][0] if rows else '[[], ""]')

    def set_vaults(self, uid: str, vaults: KnownVaults) -> None:
        with self._transaction():
            self._db.execute("update own_source set vaults = ? where uid = ?", (json.dumps(vaults), uid))

    def mounts(self, uid: str) -> list[str]:
        """The folders on which other file systems were mounted."""
        return [from_blob(path) for (path,) in self._read("select path from mount where uid = ?", uid)]

    def set_mounts(self, uid: str, folders: Iterable[str]) -> None:
        """Remember these folders, and no others."""
        with self._transaction():
            self._db.execute("delete from mount where uid = ?", (uid,))
            self._db.executemany("insert into mount values (?, ?)", ((uid, to_blob(path)) for path in folders))

    def hidden(self, uid: str) -> frozenset[str]:
        """The notes that something mounted hides, or that are on what is not mounted."""
        return frozenset(from_blob(path) for (path,) in self._read("select path from hidden where uid = ?", uid))

    def set_hidden(self, uid: str, notes: Iterable[str]) -> None:
        """Remember these notes, and no others."""
        with self._transaction():
            self._db.execute("delete from hidden where uid = ?", (uid,))
            self._db.executemany("insert into hidden values (?, ?)", ((uid, to_blob(path)) for path in notes))
