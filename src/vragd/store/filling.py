"""
Fills a target that is new to the store, or keeps vectors in another way than before, a slice at a time.

Runs on the store's writer lane. Embeds nothing: what is put is what the catalog has.
"""

from __future__ import annotations

import random

import structlog

from vragd.backends.base import CollectionInfo, VectorBackend
from vragd.catalog.model import SpaceRow
from vragd.catalog.replicas import Followed
from vragd.catalog.writer import Catalog
from vragd.errors import BackendDamaged
from vragd.sync import order
from vragd.sync.pace import PACE, Pace
from vragd.system.failpoints import reach

log = structlog.get_logger()

LOOKED_AT = 100
"""Keys that are asked for at a look: one request, whatever the backend."""


class Filling:
    """How far the target of the written space is; that survives a restart."""

    def __init__(self, catalog: Catalog, backend: VectorBackend, pace: Pace = PACE) -> None:
        self._catalog, self._backend, self._pace = catalog, backend, pace
        self.n_left: int | None = None
        """Vectors still to be put; None when all are. Read from any thread."""
        self.unswept = False
        """Whether the collection may hold keys of ours from before it was filled."""

    def begin(self, space: SpaceRow, info: CollectionInfo) -> None:
        """
        See whether the collection, which was just opened, has to be filled: it is new, keeps vectors in another way, or
        somebody took out what was put.
        """
        place, target = info.place, self._catalog.target(space.collection)
        assert target is not None, "what was opened is remembered"
        if target.place != place or (target.filled_to is None and self._was_robbed(space)):
            self._catalog.begin_filling(space.target, place)
            reach("filling.begun")
            done, self.unswept = "", True
        else:
            self.unswept = not target.swept
            if target.filled_to is None:
                self.n_left = None
                return
            done = target.filled_to
        self.n_left = sum(key > done for key in self._catalog.live_keys(space.id))
        log.info("store.filling_started", n_left=self.n_left)

    def _was_robbed(self, space: SpaceRow) -> bool:
        """
        Whether of some live keys, others by chance each time, the collection has not all.

        A table that was emptied has none of them; of one that lacks a few a look may see nothing, and `verify` does.
        """
        some = sample(self._catalog, space)
        try:
            n_gone = len(some) - len(self._backend.get(space.collection, some, values=False)) if some else 0
        except BackendDamaged:  # it is mended when what is to be put meets that
            n_gone = len(some)
        if n_gone:
            log.warning("store.vectors_gone", n_gone=n_gone, n_looked_at=len(some))
        return n_gone > 0

    def put_off(self) -> None:
        """From now on a remote backend falls behind: when it is used again it is filled from the start."""
        if self._catalog.put_off_filling():
            reach("filling.put_off")

    def rest(self) -> None:
        """There is nothing to be filled: what is written now has no vectors."""
        self.n_left, self.unswept = None, False

    def go_on(self, space: SpaceRow) -> None:
        """Put the next slice."""
        n_put = order.fill_on(self._catalog, self._backend, space, self._pace.fill_slice)
        if n_put:
            self.n_left = max(0, (self.n_left or 0) - n_put)
        else:
            self.n_left = None
            log.info("store.filling_finished")

    def sweep(self, space: SpaceRow) -> None:
        """As `order.sweep`."""
        n_deleted = order.sweep(self._catalog, self._backend, space)
        self.unswept = False
        log.info("store.backend_swept", n_deleted=n_deleted)


def sample(catalog: Catalog | Followed, space: SpaceRow) -> list[str]:
    """`LOOKED_AT` live keys, or all where there are no more: what stands behind a key's source is as good as chance."""
    uids = sorted(catalog.own_uids())
    if not uids:
        return []
    start = f"{random.choice(uids)}-{random.getrandbits(64):016x}"  # noqa: S311
    some = catalog.live_keys_after(space.id, start, LOOKED_AT)
    return some + [key for key in catalog.live_keys_after(space.id, "", LOOKED_AT - len(some)) if key <= start]
