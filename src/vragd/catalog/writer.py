"""
The catalog's one read-write connection. Owned by the store's writer lane: no other thread may call it.

Each method that writes is one transaction, durable when it returns. The parts are classes of their own, one for each
thing that is remembered; a commit and a put need several of them in one transaction, so they share the connection.
"""

from __future__ import annotations

from vragd.catalog import sweep
from vragd.catalog.check import check, mend
from vragd.catalog.embeddings import Embeddings
from vragd.catalog.filling import Filling
from vragd.catalog.notes import Notes
from vragd.catalog.replicas import Replicas
from vragd.catalog.sources import Sources
from vragd.catalog.spaces import Spaces
from vragd.errors import CatalogCorrupt
from vragd.system.sqlite import translated


class Catalog(Notes, Embeddings, Filling, Replicas, Sources, Spaces):
    """Reads and writes of the writer lane. See `Reader` for queries."""

    _merged = -1
    """The generation of which all of full text was merged that can be."""

    titled: tuple[int, tuple[int, int]] | None = None
    """A space, and as of when each title had a vector in it; kept by `store.titles`."""

    def sweep_words(self, now: float, every_s: float) -> None:
        """Forget the words of chunks that are gone, unless that was done in the last `every_s` seconds."""
        ((swept,),) = self._read("select words_swept from store")
        if -sweep.AHEAD_S <= now - (swept or 0) < every_s:
            return
        with self._transaction():
            sweep.words(self._db)
            self._db.execute("update store set words_swept = ?", (now,))
        self._read("pragma wal_checkpoint(truncate)")  # what was deleted stands in the log as it was written

    def merge_words(self) -> bool:
        """Have full text answer sooner after commits, a slice at a time; whether there may be more to do."""
        generation = self._one("select generation from store")
        if generation == self._merged:
            return False
        with self._transaction():
            done = sweep.merge_words(self._db)
        if not done:
            self._merged = generation
        return done

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
