"""
Brings a backend in line with the catalog, embedding nothing: at once, or a slice at a time.

Runs on the store's writer lane. In a remote backend only keys of the store's own sources are looked at:
the others belong to somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from vragd.backends.base import VectorBackend
from vragd.catalog.model import SpaceRow
from vragd.catalog.writer import Catalog
from vragd.errors import BackendRefused, UnknownStore
from vragd.log import error_fields
from vragd.vault.source import Source
from vragd.vectors import source_of, to_vector

log = structlog.get_logger()

BATCH = 1_000
SLICE = 500  # vectors in a request of the remote backends there are


class Refiller:
    """
    What the catalog says, put into a backend.

    A backend that is new to the store, or keeps vectors in another way than before, is filled by
    `begin` and `go_on`; how far that is survives a restart.
    """

    def __init__(self, catalog: Catalog, backend: VectorBackend, sources: Mapping[int, Source]) -> None:
        self._catalog, self._backend, self._sources = catalog, backend, sources
        self.n_left: int | None = None
        """Vectors still to be put; None when all are. Read from any thread."""
        self.unswept = False
        """Whether the collection may hold keys of ours from before it was filled."""

    # -- at once -----------------------------------------------------------------------------------

    def own_keys(self, collection: str) -> set[str]:
        """The keys a collection holds for the store's own sources."""
        keys = self._backend.list_keys(collection)
        if not self._backend.remote:
            return set(keys)
        uids = {source.uid for source in self._sources.values()}
        return {key for key in keys if source_of(key) in uids}

    def refill(self, space: SpaceRow) -> tuple[int, int]:
        """
        Make the backend hold exactly the live keys. (put, deleted).

        What a cache on disk did not have, or a backend lost, comes back.
        """
        live, held = self._catalog.live_keys(space.id), self.own_keys(space.collection)
        extra, missing = held - live, sorted(live - held)
        if extra:
            self._backend.delete_vectors(space.collection, extra)
        n_put = 0
        for start in range(0, len(missing), BATCH):
            n_put += self._put(space, missing[start : start + BATCH])
        return n_put, len(extra)

    def _put(self, space: SpaceRow, keys: list[str]) -> int:
        rows = list(self._catalog.rows_for(keys))
        values = self._catalog.embeddings(space.id, {row[1] for row in rows})
        names = {source.id: (source.uid, source.label) for source in self._sources.values()}
        return self._backend.put_vectors(
            space.collection,
            [
                to_vector(*names[source], path, title, chunk_row, values[text_hash])
                for _, text_hash, source, path, title, chunk_row in rows
                if text_hash in values
            ],
        )

    # -- a slice at a time -------------------------------------------------------------------------

    def begin(self, space: SpaceRow, *, empty: bool) -> None:
        """See whether the collection has to be filled; `empty` says that it surely has nothing yet."""
        wanted = self._wanted(space)
        self.unswept = bool(self._catalog.meta("unswept"))
        if not empty and self._catalog.meta("filled") == wanted:
            self.n_left = None
            return
        if empty or self._catalog.meta("filling") != wanted:
            self._catalog.set_meta("filled", "")
            self._catalog.set_meta("filled_to", "")
            self._catalog.set_meta("filling", wanted)
            self._catalog.set_meta("unswept", "" if empty else "1")
            self.unswept = not empty
        done = self._catalog.meta("filled_to") or ""
        self.n_left = sum(key > done for key in self._catalog.live_keys(space.id))
        log.info("store.filling_started", n_left=self.n_left)

    def put_off(self) -> None:
        """From now on a remote backend falls behind: when it is used again it is filled from the start."""
        for key in ("filled", "filling"):
            if self._catalog.meta(key):
                self._catalog.set_meta(key, "")

    def go_on(self, space: SpaceRow) -> None:
        """Put the next slice."""
        keys = self._catalog.live_keys_after(space.id, self._catalog.meta("filled_to") or "", SLICE)
        if keys:
            self._put(space, keys)
            self._catalog.set_meta("filled_to", keys[-1])
            self.n_left = max(0, (self.n_left or 0) - len(keys))
        else:
            self._catalog.set_meta("filled", self._wanted(space))
            self.n_left = None
            log.info("store.filling_finished")

    def sweep(self, space: SpaceRow) -> None:
        """
        Forget what the collection holds of ours beyond the live keys.

        To be called when every source was scanned and all is indexed: a catalog that was begun anew does
        not know its notes before.
        """
        if extra := self.own_keys(space.collection) - self._catalog.live_keys(space.id):
            self._backend.delete_vectors(space.collection, extra)
        self._catalog.set_meta("unswept", "")
        self.unswept = False
        log.info("store.backend_swept", n_deleted=len(extra))

    def _wanted(self, space: SpaceRow) -> str:
        return f"{self._backend.place} {space.collection}"

    # -- leaving -----------------------------------------------------------------------------------

    def leave(self, collection: str) -> None:
        """Take what is ours out of a collection; it goes too, unless somebody else has something in it."""
        try:
            if self._backend.remote:
                own = self.own_keys(collection)
                self._backend.delete_vectors(collection, own)
                if any(key not in own for key in self._backend.list_keys(collection)):
                    return
            self._backend.delete_store(collection)
        except UnknownStore:
            return
        except BackendRefused as error:
            # without the permission to delete an index, an empty one stays
            log.warning("backend.index_left", **error_fields(error))
            if not self._backend.remote or self.own_keys(collection):
                raise
