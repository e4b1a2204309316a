"""
Brings a backend in line with the catalog, embedding nothing: at once, or a slice at a time.

Runs on the store's writer lane. In a remote backend only keys of the store's own sources are looked at:
the others belong to somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from vragd.backends.base import Batch, CollectionInfo, VectorBackend
from vragd.catalog.model import SpaceRow
from vragd.catalog.writer import Catalog
from vragd.store.collections import Collections
from vragd.sync.round import recover
from vragd.sync.vectors import to_vector
from vragd.system.failpoints import reach
from vragd.vault.source import Source

log = structlog.get_logger()

BATCH = 1_000
SLICE = 500  # vectors in a request of the remote backends there are


class Refiller:
    """
    What the catalog says, put into a backend.

    A backend that is new to the store, or keeps vectors in another way than before, is filled by
    `begin` and `go_on`; how far that is survives a restart.
    """

    def __init__(
        self, catalog: Catalog, backend: VectorBackend, collections: Collections, sources: Mapping[int, Source]
    ) -> None:
        self._catalog, self._backend, self._collections, self._sources = catalog, backend, collections, sources
        self.n_left: int | None = None
        """Vectors still to be put; None when all are. Read from any thread."""
        self.unswept = False
        """Whether the collection may hold keys of ours from before it was filled."""
        self._target = ""

    # -- at once -----------------------------------------------------------------------------------

    def refill(self, space: SpaceRow, keys: set[str]) -> tuple[int, int]:
        """
        Make the backend hold exactly these keys of a space. (put, deleted).

        What a cache on disk did not have, or a backend lost, comes back.
        """
        held = self._collections.own_keys(space.collection)
        extra, missing = held - keys, sorted(keys - held)
        if extra:
            self._backend.delete_vectors(space.collection, extra)
            reach("refill.deleted")
        n_put = 0
        for start in range(0, len(missing), BATCH):
            n_put += self.put(space, missing[start : start + BATCH])
            reach("refill.put")
        return n_put, len(extra)

    def put(self, space: SpaceRow, keys: list[str]) -> int:
        """Put live keys as the catalog has them; how many."""
        rows = list(self._catalog.rows_for(keys))
        values = self._catalog.embeddings(space.id, {row[1] for row in rows})
        names = {source.id: (source.uid, source.label) for source in self._sources.values()}
        entries = [
            to_vector(*names[source], path, title, chunk_row, values[text_hash])
            for _, text_hash, source, path, title, chunk_row in rows
            if text_hash in values
        ]
        self._backend.put_vectors(space.collection, Batch.of(entries))
        return len(entries)

    def recover(self, space: SpaceRow) -> None:
        """See `sync.recover`."""
        recover(self._catalog, self._backend, space, lambda keys: self.put(space, keys))

    # -- a slice at a time -------------------------------------------------------------------------

    def begin(self, space: SpaceRow, info: CollectionInfo) -> None:
        """See whether the collection has to be filled."""
        self._target = f"{info.place} {space.collection} {info.identity}"
        self.unswept = bool(self._catalog.meta("unswept"))
        if self._catalog.meta("filled") == self._target:
            self.n_left = None
            return
        if self._catalog.meta("filling") != self._target:
            for key, value in (("filled", ""), ("filled_to", ""), ("unswept", "1"), ("filling", self._target)):
                self._catalog.set_meta(key, value)
                reach("filling.begun")
            self.unswept = True
        done = self._catalog.meta("filled_to") or ""
        self.n_left = sum(key > done for key in self._catalog.live_keys(space.id))
        log.info("store.filling_started", n_left=self.n_left)

    def put_off(self) -> None:
        """From now on a remote backend falls behind: when it is used again it is filled from the start."""
        for key in ("filled", "filling"):
            if self._catalog.meta(key):
                self._catalog.set_meta(key, "")
                reach("filling.put_off")

    def go_on(self, space: SpaceRow) -> None:
        """Put the next slice."""
        keys = self._catalog.live_keys_after(space.id, self._catalog.meta("filled_to") or "", SLICE)
        if keys:
            self.put(space, keys)
            reach("filling.put")
            self._catalog.set_meta("filled_to", keys[-1])
            reach("filling.remembered")
            self.n_left = max(0, (self.n_left or 0) - len(keys))
        else:
            self._catalog.set_meta("filled", self._target)
            reach("filling.finished")
            self.n_left = None
            log.info("store.filling_finished")

    def sweep(self, space: SpaceRow) -> None:
        """
        Forget what the collection holds of ours beyond the live keys.

        To be called when every source was scanned and all is indexed: a catalog that was begun anew does
        not know its notes before.
        """
        if extra := self._collections.own_keys(space.collection) - self._catalog.live_keys(space.id):
            self._backend.delete_vectors(space.collection, extra)
            reach("sweep.deleted")
        self._catalog.set_meta("unswept", "")
        reach("sweep.remembered")
        self.unswept = False
        log.info("store.backend_swept", n_deleted=len(extra))
