"""The keys that may be in the backend without being live."""

from __future__ import annotations

from collections.abc import Iterable

from vragd.catalog.connection import Connection


class Intents(Connection):
    """Named before a put, and by the commit that makes them dead; cleared when they are surely gone, or surely live."""

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
