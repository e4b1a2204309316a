"""The connection that writes a catalog, as its parts share it: reads, transactions, and what either says of damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw

from vragd.catalog.schema import MIGRATIONS
from vragd.errors import CatalogCorrupt
from vragd.system.clock import SYSTEM, Clock
from vragd.system.sqlite import open_read_write, transaction, translated

_BATCH = 500  # bound parameters in one statement, well below SQLite's limit

Item = TypeVar("Item", str, bytes)


class Connection:
    """One read-write connection to one file."""

    def __init__(self, path: Path, clock: Clock = SYSTEM) -> None:
        """Open or make the file. Raises as `open_read_write`."""
        self.path, self.clock = path, clock
        self.damage: CatalogCorrupt | None = None
        """What a read or write last said of a damaged file. May be looked at from any thread."""
        self._closed = False
        self._db = open_read_write(path, MIGRATIONS)
        try:
            self._begin()
        except BaseException:
            self._db.close()
            raise

    def _begin(self) -> None:
        """What a part reads when the file is opened."""

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

    def _read(self, sql: str, *bound: int | float | str | bytes) -> list[tuple[Any, ...]]:
        """Every row at once: SQLite's errors, which may come with any of them, become ours."""
        with self._minding(), translated("the catalog"):
            return list(self._db.execute(sql, bound))

    @contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """One transaction for what another module of the catalog reads and writes: `titles`."""
        with self._transaction():
            yield self._db

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

    def as_of(self) -> tuple[int, int]:
        """
        What stays the same as long as nothing is written: what was read holds that long, and need not be read again.

        Two counts of SQLite: of this connection's changes, and of the commits of others (`pragma data_version`).
        """
        return self._db.total_changes(), self._one("pragma data_version")

    def _one(self, sql: str, *bound: int | str) -> int:
        ((value,),) = self._read(sql, *bound)
        assert isinstance(value, int)
        return value


def batched(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    """`items` in parts that fit into one statement."""
    for start in range(0, len(items), _BATCH):
        yield tuple(items[start : start + _BATCH])
