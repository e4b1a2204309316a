"""The keys that may be in a target without being live."""

from __future__ import annotations

from collections.abc import Iterable

from vragd.catalog.connection import Connection


class Intents(Connection):
    """Named before a put, and by the commit that makes them dead; cleared when they are surely gone, or surely live."""

    def _intend(self, target: int, keys: Iterable[str]) -> None:
        self._db.executemany("insert or ignore into intent values (?, ?)", ((target, key) for key in keys))

    def intend(self, target: int, keys: Iterable[str]) -> None:
        """Name the keys that are about to be put."""
        with self._transaction():
            self._intend(target, keys)

    def intents(self, target: int) -> list[str]:
        """Keys that may be there without being live."""
        return [key for (key,) in self._read("select key from intent where target = ?", target)]

    def clear(self, target: int, keys: Iterable[str]) -> None:
        """Forget intents whose keys are surely gone, or surely live."""
        with self._transaction():
            self._db.executemany("delete from intent where target = ? and key = ?", ((target, key) for key in keys))

    def clear_all(self, target: int) -> None:
        """Forget every intent of a target that is no more."""
        with self._transaction():
            self._db.execute("delete from intent where target = ?", (target,))
