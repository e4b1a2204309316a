"""
Which collection of the backend holds which space of a store, and what there is the store's own.

Runs on the store's writer lane. In a remote backend others may feed the same collection: a key is ours if
its source is, or was; a collection is ours as long as it is the very one that was once opened for us.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import structlog

from vragd.backends.base import CollectionInfo, VectorBackend, remembering
from vragd.catalog.model import SpaceRow
from vragd.catalog.writer import Catalog
from vragd.config.settings import StoreSettings
from vragd.embed.base import Space
from vragd.errors import BackendDamaged, BackendRefused, StoreMismatch, UnknownCollection
from vragd.sync import order
from vragd.sync.vectors import source_of
from vragd.system.log import error_fields, path_id
from vragd.system.machine import machine_id, source_uid

log = structlog.get_logger()


def meant_of(row: SpaceRow, settings: StoreSettings) -> CollectionInfo:
    """What the collection of a space of a store is to be."""
    space = Space(**json.loads(row.identity))
    return CollectionInfo(row.collection, space.dimension, settings.metric, None, space.meaning, space.title)


class Collections:
    """Those of one store, of these settings."""

    def __init__(self, catalog: Catalog, backend: VectorBackend, store: str, settings: StoreSettings) -> None:
        self._catalog, self._backend, self._store = catalog, backend, store
        self._kind, self._settings = settings.backend.type, settings

    def mind_the_machine(self, folder: Path) -> bool:
        """
        Give sources other identities if their catalog came from another machine; whether it did.

        The other goes on with the old ones: what either puts into a remote collection must not be mixed up.
        """
        here, was = machine_id(), self._catalog.machine()
        if not here or here == was:
            return False
        if was is None:
            self._catalog.settle(here)
            return False
        rows = self._catalog.sources()
        self._catalog.settle(here, {row.uid: source_uid(folder, row.label) for row in rows})
        return True

    def own_keys(self, collection: str) -> set[str]:
        """The keys a collection holds for this store."""
        return order.own_keys(self._catalog, self._backend, collection)[0]

    # -- opening -----------------------------------------------------------------------------------

    def open(self, row: SpaceRow) -> CollectionInfo:
        """
        Find or make the collection of a space. Raises StoreMismatch for one that holds something else.

        One on this machine whose files are damaged is mended first: what is lost of it is put again as it is filled.
        """
        space = Space(**json.loads(row.identity))
        try:
            info = self._make(row.collection, space)
        except BackendDamaged as error:
            if self._backend.traits.networked:  # others feed it, too: that is the user's to ask for
                raise
            self.mend(row)
            kept = [path_id(self._store, str(file)) for file in self._settings.backend.kept_files()]
            more = {"collection": row.collection, "kept": kept, **error_fields(error)}
            log.warning("store.files_mended", store=self._store, **more)
            info = self._make(row.collection, space)
        self._remember(info)
        return info

    def mend(self, row: SpaceRow) -> None:
        """
        Have the collection of a space go on with what can be read of its files. Raises BackendRefused where the user
        must act. It is to be opened again, and filled, by who calls.
        """
        if (backend := remembering(self._backend)) is not None:
            uids = self._catalog.own_uids()
            meant = meant_of(row, self._settings)
            backend.mend_files(row.collection, meant, lambda key: source_of(key) in uids)

    def row_for(self, space: Space) -> SpaceRow:
        """
        The space as registered. One that is new gets its collection first: a refusal leaves no trace.

        One of words alone gets none. Raises StoreMismatch where somebody else's vectors are of another model.
        """
        fingerprint = space.fingerprint()
        row = next((row for row in self._catalog.spaces() if row.fingerprint == fingerprint), None)
        if row is not None and (row.target or not row.has_vectors):
            return row
        identity = json.dumps(asdict(space), sort_keys=True)
        if not space.dimension:
            return self._catalog.register_space("", fingerprint, identity, 0)
        info = self._make(self._name_for(space), space)
        self._remember(info)
        return self._catalog.register_space(info.name, fingerprint, identity, space.dimension)

    def _make(self, collection: str, space: Space) -> CollectionInfo:
        return self._backend.create_collection(
            collection, space.dimension, self._settings.metric, space=space.meaning, model=space.title
        )

    def _remember(self, info: CollectionInfo) -> None:
        target = self._catalog.target(info.name)
        if target is None or (target.kind, target.identity) != (self._kind, info.identity):
            self._catalog.remember_opened(info.name, self._kind, info.identity)

    def _name_for(self, space: Space) -> str:
        """
        The store's own name, or that and a part of the space's: 63 characters at most, as every backend allows.

        In a remote backend the one that holds this space already, whoever made it. Where ours holds
        another, the next stands beside it; where others feed it too, they would be left behind.
        """
        taken = {row.collection for row in self._catalog.spaces() if row.target}
        if self._backend.traits.private:
            return f"{self._store[:54]}.{space.fingerprint()[:8]}" if taken else self._store
        successor = f"{self._store[:54]}.{space.meaning[:8]}"
        there = {name: info for name in (self._store, successor) if (info := self.info(name))}
        for name, info in there.items():
            if info.space == space.meaning:
                return name
        had = there.get(self._store)
        if had is None or not self._is_ours(had):
            return self._store
        if order.own_keys(self._catalog, self._backend, had.name)[1]:
            raise StoreMismatch(
                f"others feed index {had.name!r} too, with vectors of {had.model}, not of {space.title}",
                hint="change the model on every machine at once, to a store of another name",
            )
        return successor

    def info(self, collection: str) -> CollectionInfo | None:
        """What the backend says of a collection; None if it is not there."""
        try:
            return self._backend.collection_info(collection)
        except UnknownCollection:
            return None

    def _is_ours(self, info: CollectionInfo) -> bool:
        """Whether this catalog opened that very collection; not one of its name in another place or time."""
        target = self._catalog.target(info.name)
        return target is not None and target.identity == info.identity

    # -- leaving -----------------------------------------------------------------------------------

    def leave(self, collection: str) -> None:
        """Take what is ours out of a collection; it goes too, unless somebody else has something in it."""
        info = self.info(collection)
        if info is None or not (self._backend.traits.private or self._is_ours(info)):
            return
        if self._backend.traits.private:
            self._backend.delete_collection(collection, identity=info.identity)
            return
        try:
            if not order.own_keys(self._catalog, self._backend, collection)[1]:
                try:
                    self._backend.delete_collection(collection, identity=info.identity)
                    return
                except BackendRefused as error:  # without that permission an empty index stays
                    log.warning("backend.index_left", **error_fields(error))
            order.withdraw(self._catalog, self._backend, collection)
        except UnknownCollection:
            return
