"""
What a store's replicas have, and what they have to be told yet.

A replica's target is named `NAME/TYPE/WHERE/COLLECTION`: collections of two backends may have one name. It has the
generation `applied`; what was changed since is chunks that say so, and tombstones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import apsw

from vragd.catalog.connection import Connection, batched
from vragd.catalog.embeddings import Embeddings
from vragd.catalog.filling import Filling
from vragd.catalog.reader import Reader
from vragd.catalog.sources import Sources

NEVER = -1
"""The generation of a replica of which nobody knows what it has."""
LATEST = 2**63 - 1
"""A generation after all others: nothing has changed since."""


@dataclass(frozen=True, slots=True)
class Due:
    """The keys that a replica lacks, or has otherwise, of generation `seen`; those of them that are `dead` by now."""

    seen: int
    keys: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()

    def without(self, told: Collection[str]) -> Due:
        """What is left when these were told."""
        return Due(self.seen, self.keys.difference(told), self.dead.difference(told))


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    """A collection of a replica. `space_id` is None once the space is gone; `applied` the generation it has."""

    id: int
    name: str
    kind: str
    where: str
    collection: str
    space_id: int | None
    identity: str
    applied: int

    def is_of(self, name: str, kind: str, where: str) -> bool:
        """Whether it is one of the replica called so, of that type and place."""
        return (self.name, self.kind, self.where) == (name, kind, where)


def _row(target: int, full: str, space_id: int | None, identity: str, applied: int) -> ReplicaRow:
    name, kind, rest = full.split("/", 2)
    where, _, collection = rest.rpartition("/")
    return ReplicaRow(target, name, kind, where, collection, space_id, identity, applied)


class Replicas(Connection):
    """Which there are, and how far each is."""

    def replica_rows(self) -> list[ReplicaRow]:
        """Every collection of a replica that is known, also of those that are configured no more."""
        rows = self._read(
            "select id, collection, space_id, identity, applied from target where role = 'replica' order by id"
        )
        return [_row(*row) for row in rows]

    def follow(self, name: str, kind: str, where: str, collection: str, space_id: int, identity: str) -> ReplicaRow:
        """From now on what dies is remembered for this collection; what it has is known of the very same only."""
        full = f"{name}/{kind}/{where}/{collection}"
        with self._transaction():
            self._db.execute(
                "insert into target(role, kind, place, collection, space_id, identity, swept, applied)"
                " values ('replica', ?1, '', ?2, ?3, ?4, 1, ?5) on conflict(collection) do update set applied ="
                " case when identity = ?4 and space_id is ?3 then applied else ?5 end, identity = ?4, space_id = ?3",
                (kind, full, space_id, identity, NEVER),
            )
        return next(row for row in self.replica_rows() if row.collection == collection and row.is_of(name, kind, where))

    def remember_applied(self, target: int, generation: int) -> None:
        """The replica has all of this generation; what no replica has to be told any more is forgotten."""
        with self._transaction():
            self._db.execute("update target set applied = ? where id = ?", (generation, target))
            self._forget_told()

    def forget_replica(self, target: int) -> None:
        """Nothing is left of the collection."""
        with self._transaction():
            self._db.execute("delete from target where id = ? and role = 'replica'", (target,))
            self._forget_told()

    def leave_replica(self, target: int) -> None:
        """Nothing is told to the collection any more; that it is there is remembered."""
        with self._transaction():
            self._db.execute("update target set space_id = null where id = ? and role = 'replica'", (target,))
            self._forget_told()

    def _forget_told(self) -> None:
        self._db.execute(
            "delete from tombstone where changed <= (select coalesce(min(applied), 9223372036854775807) from target"
            " where role = 'replica' and space_id is not null)"
        )


class Followed(Filling, Embeddings, Sources, Replicas):
    """One instant of the catalog for a replica's lane, which holds up nobody by it. Writes nothing."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db, self.damage, self._closed = db, None, True

    def close(self) -> None:
        """Whoever lent the connection does that."""

    def due_after(self, due: Due) -> Due:
        """What a replica has to be told that had to be told `due`: that, and what has changed since."""
        changed = {key for (key,) in self._read("select key from chunk where changed > ?", due.seen)}
        dead = {key for (key,) in self._read("select key from tombstone where changed > ?", due.seen)}
        generation = self._one("select generation from store")
        return Due(generation, due.keys | changed | dead, due.dead - changed | dead)

    def versions(self, space_id: int, keys: Sequence[str] | None = None) -> dict[str, str]:
        """What a backend is told of each live chunk of the space, or of those of `keys`: `Entry.version` by key."""
        sql = (
            "select c.key, coalesce(lower(hex(c.meta_hash)), '') from chunk c join note n on n.id = c.note_id"
            " where n.space_id = ? and c.embedded"
        )
        if keys is None:
            return dict(self._read(sql, space_id))
        found: dict[str, str] = {}
        for some in batched(keys):
            found.update(self._read(f"{sql} and c.key in ({','.join('?' * len(some))})", space_id, *some))
        return found


@contextmanager
def following(reader: Reader) -> Iterator[Followed]:
    """The catalog at one instant. Keep it short, as a snapshot is to be; no network is asked meanwhile."""
    with reader.snapshot() as now:
        yield Followed(now.db)


def rows_of(reader: Reader) -> list[ReplicaRow]:
    """As `Replicas.replica_rows`, from any thread."""
    with following(reader) as catalog:
        return catalog.replica_rows()
