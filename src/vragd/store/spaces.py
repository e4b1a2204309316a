"""
Which space of a store is written and which one answers: from a new model to the end of the old one's vectors.

A new space is built beside the old one, note by note, in a collection of its own. Until every note is in it the
old one answers, as long as there is somebody who embeds questions as its texts were embedded; vectors of two
spaces never meet. Runs on the store's writer lane, but for `answering`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from vragd.backends.base import VectorBackend
from vragd.catalog import editions
from vragd.catalog.model import SpaceRow
from vragd.catalog.writer import Catalog
from vragd.embed.base import Embedder, Space
from vragd.errors import EmbedderChanged, EmbedderUnavailable, VragdError
from vragd.store.collections import Collections
from vragd.store.filling import Filling
from vragd.store.remembered import Remembered
from vragd.sync import order
from vragd.sync.embedding import STAND_IN, identity_of, is_stand_in, registered
from vragd.system.clock import SYSTEM, Clock
from vragd.system.failpoints import reach
from vragd.system.log import error_fields

log = structlog.get_logger()

IDENTITY_HOLDS_S = 5.0  # how long an embedder is taken for who it said it is
FIRST_LOOK_S = 3.0

Recorded = Callable[[str], Embedder | None]
"""The embedder of recorded settings (JSON); None where there is none of them any longer."""


class Answering:
    """The space that questions are put to, and who embeds them: `find` tells, which may load a model. Any thread."""

    def __init__(
        self, space: SpaceRow, find: Callable[[], Embedder], remembered: Remembered | None = None, clock: Clock = SYSTEM
    ) -> None:
        self.space, self._find, self._clock = space, find, clock
        self._remembered = remembered or Remembered(0)
        self._wanted = identity_of(space)
        self._looking = threading.Lock()
        self._looked_at: float | None = None  # steady: a machine that slept asks again
        self._trouble: EmbedderUnavailable | None = None

    def embed_query(self, text: str) -> np.ndarray:
        """
        A question's vector in this space. Raises EmbedderUnavailable, also when the embedder is another by now.

        Who it is is asked every few seconds, by one question at a time; the first ones wait for that. A question that
        was asked before is embedded no more.
        """
        embedder = self._find()
        if self._is_due():
            self._look(embedder)
        if self._trouble is not None:
            raise self._trouble
        row = self._remembered.get(self.space.id, text)
        if row is None:
            row = embedder.embed_query(text)
            if row.shape != (self.space.dimension,):  # it was replaced since it was asked
                raise _changed()
            self._remembered.keep(self.space.id, text, row)
        return row

    def _is_due(self) -> bool:
        return self._looked_at is None or self._clock.steady() - self._looked_at >= IDENTITY_HOLDS_S

    def _look(self, embedder: Embedder) -> None:
        if not self._looking.acquire(timeout=FIRST_LOOK_S if self._looked_at is None else 0):
            if self._looked_at is None:
                raise EmbedderUnavailable("the embedder has yet to say who it is")
            return  # somebody is asking
        try:
            if self._is_due():
                self._trouble = None if embedder.still_makes(self._wanted) else _changed()
                if self._trouble is not None:  # what was embedded since the last look may be the other's
                    self._remembered.forget(self.space.id)
        except EmbedderUnavailable as error:
            self._trouble = error
        finally:
            self._looked_at = self._clock.steady()
            self._looking.release()


def _changed() -> EmbedderChanged:
    return EmbedderChanged("another model answers under the embedder's name", hint="vragd takes it by itself")


@dataclass(slots=True)
class Leaving:
    """A space that no note uses, on its way out."""

    catalog: Catalog
    collections: Collections
    space: SpaceRow
    keeps: bool
    """Whether its embeddings stay, for whoever comes back to its model."""


def _leave(leaving: Leaving) -> None:
    if leaving.space.target:
        leaving.collections.leave(leaving.space.collection)
    reach("space.left")


def _clear(leaving: Leaving) -> None:
    leaving.catalog.clear_all(leaving.space.target)
    reach("space.cleared")


def _forget(leaving: Leaving) -> None:
    if leaving.keeps:
        leaving.catalog.leave_space(leaving.space.id, leaving.catalog.clock.wall())
    else:
        leaving.catalog.forget_space(leaving.space.id)
    reach("space.forgotten")


LEAVE: tuple[order.Step[Leaving], ...] = (
    order.Step("leave", _leave),
    order.Step("clear", _clear),
    order.Step("forget", _forget),
)
"""The space last: as long as it is known, leaving it is begun again."""


def _choose_heir(catalog: Catalog, rows: Sequence[SpaceRow]) -> None:
    """Have the space written that took over the collection of the one before, if a crash came before it was chosen."""
    before = next((row for row in rows if row.id == catalog.chosen_spaces()[0]), None)
    if before is None or before.target:
        return
    meaning = registered(before).meaning
    heir = next((row for row in reversed(rows) if row.target and registered(row).meaning == meaning), None)
    if heir is not None:
        catalog.choose_space(heir.id)
        reach("space.inherited")


class Spaces:
    """
    Those of one store's catalog. `configured` is the embedder of its settings, which are `settings` as JSON.

    `remembered`: of how many questions the vectors are kept. `keep_s`: how long embeddings whose model was left are.
    """

    def __init__(
        self,
        store: str,
        catalog: Catalog,
        backend: VectorBackend,
        collections: Collections,
        filling: Filling,
        configured: Callable[[], Embedder],
        settings: str,
        recorded: Recorded,
        remembered: int = 0,
        keep_s: float = 0.0,
    ) -> None:
        self._store, self._settings, self._keep_s = store, settings, keep_s
        self._catalog, self._backend, self._collections, self._filling = catalog, backend, collections, filling
        self._configured, self._recorded = configured, recorded
        self._remembered = Remembered(remembered)
        self._attached = False  # whether the backend's collection was found or made, and nothing said otherwise
        rows = catalog.spaces()
        _choose_heir(catalog, rows)
        written, answers = catalog.chosen_spaces()
        self.current = next((row for row in rows if row.id == written), None)
        """The space that is written."""
        self.rebuilding = len(rows) > 1
        """Whether there is another space besides."""
        self.replaces = self._replaces(rows)
        """Whether that had vectors, or words that were to be all: not where it only stood in for the first."""
        self._old = next((self._found_in(row) for row in rows if row.id == answers != written), None)
        self.answering = self._answering()
        """What questions are put to; None before the embedder first said what its space is. Any thread."""

    def _answering(self) -> Answering | None:
        row = self._old or self.current
        if row is None or is_stand_in(row):
            return None
        chosen = row
        return Answering(chosen, lambda: self._embedder_of(chosen), self._remembered, self._catalog.clock)

    def _embedder_of(self, row: SpaceRow) -> Embedder:
        """Whoever made the space, as long as there is one; the configured embedder otherwise."""
        if row.embedder in ("", self._settings):
            return self._configured()
        return self._recorded(row.embedder) or self._configured()

    # -- the collection ----------------------------------------------------------------------------

    def doubt(self) -> None:
        """The collection may be gone: look again when it is attached the next time."""
        self._attached = False

    def attach(self) -> None:
        """
        Find or make the collection of the space, and finish what was interrupted. Cheap when that is done.

        Raises what the backend raises; the same call may be made again.
        """
        if self._attached or self.current is None:
            return
        self._open(self.current)
        if self._old is not None:
            self._open_old(self._old)
        self._attached = True

    def _open(self, space: SpaceRow) -> None:
        if not space.has_vectors:
            self._filling.rest()
            return
        info = self._collections.open(space)
        self.recover(space)
        if self._backend.traits.durable:
            self._filling.begin(space, info)
        else:
            self._filling.put_off()
            self.refill(space)

    def recover(self, space: SpaceRow) -> None:
        """As `order.recover`."""
        order.recover(self._catalog, self._backend, space)

    def refill(self, space: SpaceRow) -> None:
        """Make the backend hold exactly the live keys, now."""
        live = self._catalog.live_keys(space.id)
        n_put, n_deleted = order.refill(self._catalog, self._backend, space, live)
        if n_put or n_deleted:
            log.info("store.backend_refilled", store=self._store, n_put=n_put, n_deleted=n_deleted)

    def _open_old(self, old: SpaceRow) -> None:
        """Have the old space answer with every chunk it has a vector for, whatever space its note is in by now."""
        if old.has_vectors and not self._backend.traits.durable:
            self._collections.open(old)
            order.refill(self._catalog, self._backend, old, self._catalog.embedded_keys(old.id))

    # -- from one space to the next ----------------------------------------------------------------

    def choose(self, said: Space) -> None:
        """
        Make sure that the backend answers, and that what is written is in the space that the embedder has `said`.

        Raises what `attach` raises.
        """
        self._catalog.forget_left(self._catalog.clock.wall(), self._keep_s)
        space = self._as_known(said)
        before = self.current
        changed = before is None or before.fingerprint != space.fingerprint()
        if changed:
            self._begin(space)
        else:
            self._attached = self._attached and self._backend.traits.private  # somebody may have deleted it
            self.attach()
        assert self.current is not None
        if self.current.embedder != self._settings:
            self.current = self._catalog.record_embedder(self.current, self._settings)
        if changed and before is not None and not is_stand_in(before):
            log.warning("store.space_changed", store=self._store, provider=space.provider, model=space.model)
        self._see_who_answers()

    def _replaces(self, rows: Sequence[SpaceRow]) -> bool:
        return any(not is_stand_in(row) for row in rows if self.current is not None and row.id != self.current.id)

    @property
    def stands_in(self) -> bool:
        """Whether the space that is written is there until the embedder says for the first time what its own is."""
        return self.current is not None and is_stand_in(self.current)

    def stand_in(self) -> None:
        """Begin the space of a store whose embedder has not said what its own is."""
        if self.current is None:
            self._begin(STAND_IN)
            log.info("store.stand_in_begun", store=self._store)

    def _as_known(self, space: Space) -> Space:
        """`space`, or what it is like of those that are registered; of several the one that is written."""
        rows = sorted(self._catalog.spaces(), key=lambda row: self.current is None or row.id != self.current.id)
        rows += self._catalog.left_spaces()
        return next((registered(row) for row in rows if identity_of(row).is_like(space)), space)

    def again(self, said: Space) -> None:
        """
        Have every text embedded again, by the same model: another edition of its space is begun beside the old one.

        Raises as `choose`, and nothing is begun then.
        """
        self.choose(said)
        assert self.current is not None
        space = registered(self.current)
        latest = max(editions.edition(registered(row).chunker) for row in self._catalog.spaces())
        self._begin(replace(space, chunker=editions.of_edition(space.chunker, latest + 1)))
        assert self.current is not None
        self.current = self._catalog.record_embedder(self.current, self._settings)
        log.info("store.edition_begun", store=self._store, edition=latest + 1)
        self._see_who_answers()

    def _begin(self, space: Space) -> None:
        if self.current is not None and not self.rebuilding and self._catalog.chosen_spaces()[1] is None:
            self._catalog.choose_answering(self.current.id)  # of a catalog older than this idea
        row = self._collections.row_for(space)
        reach("space.registered")
        self._open(row)
        reach("space.opened")
        if self.current is None or is_stand_in(self.current):
            self._catalog.choose_answering(row.id)
        self._catalog.choose_space(row.id)
        reach("space.chosen")
        rows = self._catalog.spaces()
        self.rebuilding = len(rows) > 1  # said before anybody sees the new one
        self.current, self._attached = row, True
        self.replaces = self._replaces(rows)

    def _see_who_answers(self) -> None:
        """The last whole space, if it is another and there is somebody who can put a question to it."""
        assert self.current is not None
        _, wanted = self._catalog.chosen_spaces()
        row = next((self._found_in(row) for row in self._catalog.spaces() if row.id == wanted), None)
        if row is None or row.id == self.current.id or not self._can_be_asked(row):
            row = None
        elif self._old is None or self._old.id != row.id:
            self._open_old(row)
        self._old = row
        self.answering = self._answering()

    def _found_in(self, row: SpaceRow) -> SpaceRow:
        """A space with the collection that answers for it: in a shared one vectors of equal meaning lie together."""
        now = self.current
        if now is None or row.target or registered(row).meaning != registered(now).meaning:
            return row
        return replace(row, collection=now.collection)

    def _can_be_asked(self, row: SpaceRow) -> bool:
        if not row.has_vectors:
            return True
        try:
            if self._backend.traits.durable and self._collections.info(row.collection) is None:
                return False  # the backend is another by now
            return self._embedder_of(row).still_makes(identity_of(row))
        except VragdError as error:
            log.info("store.old_space_mute", store=self._store, **error_fields(error))
            return False

    def drop_old(self, away: Collection[int] = ()) -> None:
        """
        Switch to the space that is written if every note is in it that can be, and forget the others if all are.

        Notes that cannot be read, or are of a source that is `away` (by id), are found by their words until they can.
        """
        assert self.current is not None
        if self._catalog.any_outside(self.current.id, away, or_failed=False):
            return
        if self._catalog.chosen_spaces()[1] != self.current.id:
            self._catalog.choose_answering(self.current.id)
            reach("space.switched")
            self._old = None
            self.answering = self._answering()
        if self._catalog.any_outside(self.current.id):
            return
        meaning = registered(self.current).meaning
        for old in self._catalog.spaces():
            if old.id != self.current.id:
                keeps = self._keep_s > 0 and old.has_vectors and registered(old).meaning != meaning
                order.run(LEAVE, Leaving(self._catalog, self._collections, old, keeps))
        self.rebuilding = self.replaces = False
        log.info("store.space_switched", store=self._store)
