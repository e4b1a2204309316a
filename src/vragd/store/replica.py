"""
One replica of a store: another backend that follows the catalog at its own pace.

`step`, `forget` and what they call run on the replica's own lane, which may hang with the backend: nobody waits for
it. Catalogs are read as questions read them; the writer lane is asked only for what is written there, a row at a
time. `behind` and `answers_for` may be asked from any thread.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from vragd.backends.base import CollectionInfo, VectorBackend, remembering
from vragd.backends.registry import MakeBackend, create_backend
from vragd.catalog.model import SpaceRow
from vragd.catalog.reader import Reader
from vragd.catalog.replicas import NEVER, Due, ReplicaRow, following, rows_of
from vragd.catalog.writer import Catalog
from vragd.config.settings import StoreSettings
from vragd.embed.base import Space
from vragd.errors import BackendDamaged, UnknownCollection
from vragd.store.collections import meant_of
from vragd.store.filling import sample
from vragd.sync.feed import compare, feed, leave
from vragd.sync.pace import PACE, Pace
from vragd.sync.vectors import source_of
from vragd.system.clock import SYSTEM, Clock
from vragd.system.failpoints import reach
from vragd.system.files import private_dir
from vragd.system.log import error_fields, path_id

log = structlog.get_logger()

T = TypeVar("T")

COMPARED_AGAIN_S = 86_400.0  # somebody else may have changed it, and nothing said so
AWAY_S = 600.0  # whoever was away for longer may come back as it once was


class OnWriter(Protocol):
    """Does something with the catalog on the writer lane, and waits for that. From the replica's lane."""

    def __call__(self, write: Callable[[Catalog], T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Told:
    """What of the store a step goes by: who reads its catalog, and the space that is written."""

    reader: Reader
    space: SpaceRow
    rebuilding: bool = False
    """Whether another space answers still: its collection is kept."""
    all_known: bool = True
    """Whether the catalog has seen all of every source: only then is what it does not know nobody's."""


@dataclass(frozen=True, slots=True)
class Held:
    """The collection that is fed, as it was found: `space` with its name, the row that remembers it."""

    space: SpaceRow
    row: ReplicaRow


@dataclass(frozen=True, slots=True)
class Answers:
    """Whom a question's vector is put to: a backend, and the space with the name of its collection there."""

    backend: VectorBackend
    space: SpaceRow | None


class Replica:
    """The replica `name` of a store, whose folder is `folder`."""

    def __init__(
        self,
        name: str,
        store: str,
        settings: StoreSettings,
        folder: Path,
        *,
        make_backend: MakeBackend = create_backend,
        clock: Clock = SYSTEM,
        pace: Pace = PACE,
    ) -> None:
        self.name, self.settings = name, settings.replicas[name]
        self.where = self.settings.where()
        self.folder = folder_of(folder, name, self.settings.type)
        self._store, self._given = store, settings
        self._make, self._clock, self._pace = make_backend, clock, pace
        self.backend: VectorBackend | None = None
        self.ends = False
        """Set by whoever ends it: a step begins nothing more."""
        self.held: Held | None = None
        """What is fed; None before it was reached."""
        self.whole = False
        """Whether it has had all there was of that space: then it may answer."""
        self.refused: frozenset[str] = frozenset()
        """Keys of vectors it does not take as they are now."""
        self._anyway: frozenset[str] = frozenset()  # put again, whatever it says that it holds
        self._reader: Reader | None = None  # another one reads another catalog
        self._due = Due(NEVER)  # one value, replaced whole: others look at it
        self._compared_at = self._reached_at = 0.0
        self._stood: object = None
        self.unswept = False
        """Whether it may hold keys of ours that the catalog did not know when the two were compared."""

    # -- a step ------------------------------------------------------------------------------------

    def step(self, told: Told, on_writer: OnWriter) -> bool:
        """
        Tell the replica the next of what it lacks; whether there is more. Raises what the backend raises.

        May be repeated whatever became of it. The first one compares all of it with the catalog, and so does one after
        a day, after it was away, and when it may be another collection.
        """
        if self.ends:
            return False
        try:
            more = self._step(told, on_writer)
        except UnknownCollection:
            self._doubt()
            raise
        except BackendDamaged as error:
            self._doubt()
            if self._opened().traits.networked:  # others feed it, too: that is the user's to ask for
                raise
            self.mend(told)
            kept = [path_id(self._store, str(file)) for file in self.settings.kept_files()]
            fields = {"replica": self.name, "kept": kept, **error_fields(error)}
            log.warning("replica.files_mended", store=self._store, **fields)
            more = self._step(told, on_writer)
        self._reached_at = self._clock.steady()
        return more

    def _step(self, told: Told, on_writer: OnWriter) -> bool:
        backend = self._opened()
        if self._reader is not told.reader:
            self._doubt()
            self._reader = told.reader
        if not told.space.has_vectors:  # of words alone there is nothing to tell: what it had of vectors goes
            self._doubt()
            if not told.rebuilding:
                self._leave_others(backend, told.reader, on_writer)
            return False
        now = self._clock.steady()
        if (
            self.held is None
            or self.held.space.id != told.space.id
            or now - self._compared_at > COMPARED_AGAIN_S
            or now - self._reached_at > AWAY_S
            or self._stands(backend, self.held) != self._stood
            or (self.unswept and told.all_known)
        ):
            self._attach(backend, told, on_writer)
        assert self.held is not None
        held = self.held
        with following(told.reader) as catalog:
            due = catalog.due_after(self._due)
            told_of = set() if due.keys else set(sample(catalog, held.space)) - self.refused
        self.refused -= due.keys
        self._due = due
        if not due.keys and _is_another(backend, held, told_of):
            self._doubt()
            return True
        some = list(islice(due.keys, self._pace.fill_slice))
        is_last = len(some) == len(due.keys)

        def remember() -> None:
            if is_last and due.seen != held.row.applied:
                on_writer(lambda catalog: catalog.remember_applied(held.row.id, due.seen))

        done = feed(told.reader, backend, held.space, some, remember, self._anyway)
        self._anyway -= frozenset(some)
        self._stood = self._stands(backend, held)
        self._due = due.without(some)
        self.refused |= done.refused
        if is_last:
            self.held = replace(held, row=replace(held.row, applied=due.seen))
            if not self.whole:
                log.info("replica.backlog_told", store=self._store, replica=self.name)
            self.whole = True
            if not told.rebuilding:
                self._leave_others(backend, told.reader, on_writer)
        return not is_last

    def _opened(self) -> VectorBackend:
        if self.backend is None:
            self.backend = self._make(self.settings.type, self.settings, private_dir(self.folder))
        return self.backend

    def _stands(self, backend: VectorBackend, held: Held) -> object:
        """
        What is another when somebody put another copy in the place of what is on this machine, and costs little.

        A copy has the collection's identity, too. How many there are tells of one that was written into the same file.
        """
        if backend.traits.networked:
            return None
        name = held.space.collection
        found = [_inode(place) for root in self.settings.files() for place in (root, root / name)]
        return found, backend.collection_info(name).count

    def _doubt(self) -> None:
        self.held, self.whole = None, False

    # -- which collection --------------------------------------------------------------------------

    def _attach(self, backend: VectorBackend, told: Told, on_writer: OnWriter) -> None:
        """Find or make the collection of the space, and compare it with the catalog."""
        before, name = self.held, self._name_for(backend, Space(**json.loads(told.space.identity)))
        meant = meant_of(replace(told.space, collection=name), self._given)
        info = backend.create_collection(name, meant.dimension, meant.metric, space=meant.space, model=meant.model)
        reach("replica.opened")
        identity = _identity(info)
        row = on_writer(
            lambda catalog: catalog.follow(self.name, self.settings.type, self.where, name, told.space.id, identity)
        )
        reach("replica.followed")
        if before is None or before.row.id != row.id or before.row.identity != row.identity:
            self.whole = False
        space = replace(told.space, collection=name)
        with following(told.reader) as catalog:
            expected = catalog.due_after(Due(row.applied))
        sweep = told.all_known or row.applied != NEVER  # it had all that this catalog had: others are of no other one
        self._due = compare(told.reader, backend, space, sweep=sweep)
        if row.applied != NEVER and not self._due.keys <= expected.keys:  # it is not what it was
            on_writer(lambda catalog: catalog.remember_applied(row.id, NEVER))
            row = replace(row, applied=NEVER)
            self.whole = False
        self._due = replace(
            self._due, keys=self._due.keys | self._anyway
        )  # versions do not tell of what is wrong there
        self.held, self.unswept = Held(space, row), not sweep
        self._compared_at = self._reached_at = self._clock.steady()
        self.refused = frozenset()
        log.info("replica.collection_compared", store=self._store, replica=self.name, n_behind=len(self._due.keys))

    def _name_for(self, backend: VectorBackend, space: Space) -> str:
        """
        The collection that holds this space already, whoever made it; otherwise the store's name, if it is free.

        Below our data directory each space has its own from the beginning.
        """
        successor = f"{self._store[:54]}.{space.meaning[:8]}"
        if backend.traits.private:
            return f"{self._store[:54]}.{space.fingerprint()[:8]}"
        there = {name: info for name in (self._store, successor) if (info := _info(backend, name))}
        for name, info in there.items():
            if info.space == space.meaning:
                return name
        return successor if self._store in there else self._store

    def _leave_others(self, backend: VectorBackend, reader: Reader, on_writer: OnWriter) -> None:
        """Take what is ours out of all collections but the one that is fed."""
        fed = self.held.row.id if self.held else None
        for row in rows_of(reader):
            if row.is_of(self.name, self.settings.type, self.where) and row.id != fed:
                self._leave(backend, row, reader, on_writer)

    def _leave(self, backend: VectorBackend, row: ReplicaRow, reader: Reader, on_writer: OnWriter) -> None:
        info = _info(backend, row.collection)
        if info is not None and _identity(info) == row.identity:
            with following(reader) as catalog:
                uids = catalog.own_uids()
            leave(backend, row.collection, info.identity, uids)
        reach("replica.left")
        on_writer(lambda catalog: catalog.forget_replica(row.id))
        reach("replica.forgotten")

    # -- what somebody else changed ----------------------------------------------------------------

    def known(self, reader: Reader) -> frozenset[str]:
        """Keys of which it is known that it has them otherwise than the catalog, or not at all. On its lane."""
        with following(reader) as catalog:
            return catalog.due_after(self._due).keys | self.refused

    def tell_again(self, wrong: Collection[str], gone: Collection[str]) -> None:
        """Have the next steps put what is `wrong`, whatever it says that it holds, and delete what is `gone`."""
        self._anyway |= frozenset(wrong)
        self._due = Due(self._due.seen, self._due.keys.union(wrong, gone), self._due.dead.union(gone))

    def mend(self, told: Told) -> None:
        """
        Have what is ours in it go on with what can be read of its files; the next step compares all of it with the
        catalog. On its lane. Raises BackendRefused where the user must act.
        """
        if (backend := remembering(self._opened())) is not None:
            with following(told.reader) as catalog:
                rows, uids = catalog.replica_rows(), catalog.own_uids()
            for row in rows:
                if row.is_of(self.name, self.settings.type, self.where):
                    space = replace(told.space, collection=row.collection)
                    meant = meant_of(space, self._given) if row.space_id == space.id else None
                    backend.mend_files(row.collection, meant, lambda key: source_of(key) in uids)
        self._compared_at = -math.inf

    # -- the end -----------------------------------------------------------------------------------

    def forget(self, reader: Reader, on_writer: OnWriter) -> None:
        """Take what is ours out of it. Raises what the backend raises; can be done again."""
        backend = self._opened()
        self._doubt()
        self._leave_others(backend, reader, on_writer)

    def close(self) -> None:
        """Close the backend; what the lane is about ends with BackendUnavailable. From any thread."""
        self.ends = True
        if self.backend is not None:
            self.backend.close()

    def tend(self) -> None:
        """As `VectorBackend.tend`, of what is fed."""
        if self.backend is not None and self.held is not None:
            self.backend.tend(self.held.space.collection)

    # -- what is said of it ------------------------------------------------------------------------

    def behind(self, reader: Reader, space: SpaceRow) -> tuple[int, int]:
        """
        How many keys it has to be told of yet, and how many of them stand for passages that are gone. Any thread.

        Of one that was not reached since the start by what the catalog knows of it.
        """
        held, due = self.held, self._due
        if not space.has_vectors:
            return 0, 0
        with following(reader) as catalog:
            if held is None or held.space.id != space.id:
                rows = (row for row in catalog.replica_rows() if row.is_of(self.name, self.settings.type, self.where))
                due = Due(max((row.applied for row in rows if row.space_id == space.id), default=NEVER))
            if due.seen == NEVER:
                return len(catalog.live_keys(space.id)), 0
            due = catalog.due_after(due)
        return len(due.keys), len(due.dead)

    def answers_for(self, space: SpaceRow | None) -> Answers | None:
        """What can be asked in it, if it has had all of that space. Any thread."""
        held, backend = self.held, self.backend
        if held is None or backend is None or space is None or not self.whole or held.space.id != space.id or self.ends:
            return None
        return Answers(backend, held.space)


def folder_of(folder: Path, name: str, kind: str) -> Path:
    """Where below a store's folder a replica of that type keeps its files, if it keeps any there."""
    return folder / "replicas" / name / kind


def _is_another(backend: VectorBackend, held: Held, told: Collection[str]) -> bool:
    """Whether it is another collection by now, or somebody took something out of it that it was `told`."""
    name = held.space.collection
    if _identity(backend.collection_info(name)) != held.row.identity:
        return True
    return len(backend.get(name, told, values=False)) < len(told)


def _identity(info: CollectionInfo) -> str:
    """What is another when it is another collection, or one that keeps vectors in another way."""
    return f"{info.identity} {info.place}"


def _inode(place: Path) -> tuple[int, int] | None:
    try:
        info = place.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _info(backend: VectorBackend, name: str) -> CollectionInfo | None:
    try:
        return backend.collection_info(name)
    except UnknownCollection:
        return None
