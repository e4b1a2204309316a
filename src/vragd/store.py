"""
A store as a running thing: catalog, embedder, backend, sources, and the one place that ties them.

Blocking throughout. `open`, `prepare`, `apply`, `fill`, `tend`, `flush` and `close` run on the store's
writer lane; `scan_source` runs on its scan lane; what a query needs (`reader`, `backend`, `embedder`,
`space`) may be used from any thread.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import structlog

from vragd.backends.base import VectorBackend, create_backend
from vragd.catalog.model import NoteRemoval, SpaceRow
from vragd.catalog.reader import Reader
from vragd.catalog.writer import Catalog
from vragd.compare import DeleteGuard, compare
from vragd.embed.base import Embedder
from vragd.errors import BackendUnavailable, CatalogCorrupt, DiskFull, StoreMismatch, UnknownStore
from vragd.files import free_mib, private_dir
from vragd.log import error_fields
from vragd.machine import source_uid
from vragd.notes import chunk
from vragd.refill import Refiller
from vragd.settings import BackendSettings, LimitSettings, StoreSettings
from vragd.sync import Job, Report, Syncer, recover
from vragd.vault.scan import Scan, scan
from vragd.vault.source import Source

log = structlog.get_logger()


class Store:
    """One store. Made closed; `open` before anything else."""

    def __init__(
        self,
        name: str,
        settings: StoreSettings,
        folder: Path,
        limits: LimitSettings,
        make_embedder: Callable[[], Embedder],
        stop: Callable[[], bool] = lambda: False,
        make_backend: Callable[[str, BackendSettings, Path], VectorBackend] = create_backend,
    ) -> None:
        self.name, self.settings, self.folder, self.limits = name, settings, folder, limits
        self.sources: dict[int, Source] = {}
        self.guards: dict[int, DeleteGuard] = {}
        self.skipped: dict[int, dict[str, str]] = {}
        self.space: SpaceRow | None = None
        self.rebuilding = False
        self.closing = False
        self._make_embedder, self._make_backend, self._stop = make_embedder, make_backend, stop
        self._embedder: Embedder | None = None
        self._catalog: Catalog | None = None
        self._reader: Reader | None = None
        self._backend: VectorBackend | None = None
        self._refiller: Refiller | None = None
        self._syncer: Syncer | None = None
        self._attached = False  # whether the backend's collection was found or made, and nothing said otherwise
        self._needs_recovery = False
        self._obsidian_expected: dict[int, bool] = {}

    # -- what queries use --------------------------------------------------------------------------

    @property
    def reader(self) -> Reader:
        assert self._reader is not None, "open the store first"
        return self._reader

    @property
    def backend(self) -> VectorBackend:
        assert self._backend is not None, "open the store first"
        return self._backend

    @property
    def catalog(self) -> Catalog:
        """For the writer lane only."""
        assert self._catalog is not None, "open the store first"
        return self._catalog

    @property
    def refiller(self) -> Refiller:
        """For the writer lane only, but for `n_left`."""
        assert self._refiller is not None, "open the store first"
        return self._refiller

    @property
    def embedder(self) -> Embedder:
        """The embedder, loaded when it is first needed."""
        if self._embedder is None:
            self._embedder = self._make_embedder()
        return self._embedder

    # -- lifecycle ---------------------------------------------------------------------------------

    def open(self) -> None:
        """
        Open what is on disk and finish what a crash interrupted. Waits for no embedder and no network.

        A damaged catalog is moved aside and begun anew: the vault is the source. Raises NewerFormat,
        DataDirError, DiskFull.
        """
        private_dir(self.folder)
        path = self.folder / "catalog.db"
        try:
            self._catalog = Catalog(path)
        except CatalogCorrupt as error:
            _move_aside(path)
            log.error("catalog.file_replaced", store=self.name, **error_fields(error))
            self._catalog = Catalog(path)
        self._reader = Reader(path)
        self._backend = self._make_backend(
            self.settings.backend.type, self.settings.backend, private_dir(self.folder / "index")
        )
        fingerprint = self._catalog.meta("space")
        self.space = next((s for s in self._catalog.spaces() if s.fingerprint == fingerprint), None)
        self._refiller = Refiller(self._catalog, self._backend, self.sources)
        self._register_sources()
        if not self._backend.remote:
            self.attach()

    def _register_sources(self) -> None:
        catalog = self.catalog
        wanted = {settings.label: settings for settings in self.settings.sources}
        for row in catalog.sources():
            if row.label not in wanted:
                self._purge_source(row.id)
        for label, settings in wanted.items():
            row = catalog.register_source(label, source_uid(self.folder, label))
            self.sources[row.id] = Source(settings, row.id, row.uid, self.limits.max_file_bytes)
            self.guards[row.id] = DeleteGuard(self.limits.delete_guard_share)
            self._obsidian_expected[row.id] = row.identity is not None and row.identity[2]

    def _purge_source(self, source_id: int) -> None:
        """A source taken out of the configuration: its notes leave the store; embeddings stay for a while."""
        catalog = self.catalog
        paths = list(self.reader.known(source_id))
        collection = self.space.collection if self.space else ""
        catalog.commit(collection, [NoteRemoval(source_id, path, catalog.next_seq()) for path in paths])
        catalog.forget_source(source_id)
        log.info("store.source_removed", store=self.name, n_notes=len(paths))

    def attach(self) -> None:
        """
        Find or make the collection of the space, and finish what was interrupted. Cheap when that is done.

        Raises what the backend raises; the same call may be made again.
        """
        if self._attached or self.space is None:
            return
        self._open_collection(self.space)
        self._attached = True

    def _open_collection(self, space: SpaceRow) -> None:
        made = self.backend.create_store(
            space.collection, space.dimension, self.settings.metric, space=space.fingerprint, model=space.model
        )
        recover(self.catalog, self.backend, space)
        if self.backend.durable:
            self.refiller.begin(space, empty=made)
        else:
            self.refiller.put_off()
            self.refill(space)

    def refill(self, space: SpaceRow) -> None:
        """Make the backend hold exactly the live keys, now."""
        n_put, n_deleted = self.refiller.refill(space)
        if n_put or n_deleted:
            log.info("store.backend_refilled", store=self.name, n_put=n_put, n_deleted=n_deleted)

    def prepare(self) -> None:
        """
        Make sure backend and embedder answer and that the embedder's space is the store's.

        Another space than before begins beside the old one: notes move over one by one, and are found
        by their words until they have. Raises EmbedderUnavailable, and what `attach` raises.
        """
        self._attached = self._attached and not self.backend.remote  # somebody may have deleted it
        self.attach()
        space = self.embedder.space(chunk.VERSION)
        fingerprint = space.fingerprint()
        if self.space is None or self.space.fingerprint != fingerprint:
            row = self.catalog.register_space(
                self.name, fingerprint, json.dumps(asdict(space), sort_keys=True), space.dimension
            )
            self._open_collection(row)
            self.catalog.set_meta("space", fingerprint)
            if self.space is not None:
                log.warning("store.space_changed", store=self.name, provider=space.provider, model=space.model)
            self.space, self._syncer, self._attached = row, None, True
        if self._syncer is None:
            self._syncer = Syncer(self.catalog, self.backend, self.embedder, self.space, self._stop)
        self.rebuilding = bool(self.catalog.notes_outside(self.space.id))

    # -- work --------------------------------------------------------------------------------------

    def connect(self, source: Source) -> bool:
        """Open the source's root if it can be trusted, and remember by what it is recognised."""
        if source.connect(self._obsidian_expected[source.id]) != "ok":
            return False
        if identity := source.identity:
            self.catalog.set_identity(source.id, identity.device, identity.inode, identity.obsidian)
            self._obsidian_expected[source.id] = identity.obsidian
        return True

    def accept_root(self, source: Source) -> None:
        """Take the directory that is there now, and believe what is missing from it: the user says so."""
        self._obsidian_expected[source.id] = False
        self.guards[source.id].confirmed = True

    def scan_source(self, source: Source, folder: str = "") -> tuple[list[str], Scan]:
        """The dirty paths of a source or folder, and the scan. Opens no file."""
        found = scan(source.path, source.rules, folder, self._stop)
        known = self.reader.known(source.id, folder)
        difference = compare(found, known, self.space.id if self.space else None, source.rules)
        dirty = difference.dirty
        asked_for = not source.settings.watch and bool(found.notes)  # a one-shot index means what it finds
        if folder or asked_for or self.guards[source.id].allows(difference, len(known), len(found.notes)):
            dirty += difference.missing
        else:
            log.warning("source.deletes_held", store=self.name, source=source.uid, n_missing=len(difference.missing))
        if not folder:
            self.skipped[source.id] = found.skipped
        return dirty, found

    def apply(self, jobs: list[Job]) -> Report:
        """One round of work. Raises what `Syncer.apply` raises, and DiskFull below the floor of free space."""
        if free_mib(self.folder) < self.limits.min_free_mib:
            raise DiskFull(
                f"less than {self.limits.min_free_mib} MiB are free where the catalog lives",
                hint="free some space, or lower limits.min_free_mib",
            )
        if self._syncer is None:
            self.prepare()
        self.attach()
        assert self._syncer is not None and self.space is not None
        with self._doubting():
            report = self._syncer.apply(jobs)
            if self._needs_recovery:
                # what an interrupted round had put is put again or, now that it is past, forgotten
                recover(self.catalog, self.backend, self.space)
                self._needs_recovery = False
        if self.rebuilding:
            self._drop_old_spaces()
        return report

    @property
    def behind(self) -> bool:
        """Whether the backend lacks vectors that the catalog has: `fill` puts them."""
        return self.refiller.n_left is not None

    def fill(self) -> None:
        """Put a slice of what a backend new to the store lacks."""
        self.attach()
        assert self.space is not None
        with self._doubting():
            self.refiller.go_on(self.space)
        if not self.behind and self.backend.remote:
            shutil.rmtree(self.folder / "index", ignore_errors=True)  # of a local backend, before the store moved

    def sweep(self) -> None:
        """Forget what the backend has from before it was filled, if it may have anything. See `Refiller.sweep`."""
        if self.space is not None and self.refiller.unswept:
            with self._doubting():
                self.refiller.sweep(self.space)

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        """Remember what a failure puts in doubt: the intents, and whether the collection is there at all."""
        try:
            yield
        except (UnknownStore, StoreMismatch):
            self._attached, self._needs_recovery = False, True
            raise
        except (BackendUnavailable, DiskFull):
            self._needs_recovery = True
            raise

    def _drop_old_spaces(self) -> None:
        assert self.space is not None
        if self.catalog.notes_outside(self.space.id):
            return
        for old in self.catalog.spaces():
            if old.id != self.space.id:
                self.refiller.leave(old.collection)
                self.catalog.clear_all(old.collection)
                self.catalog.forget_space(old.id)
        self.rebuilding = False
        log.info("store.space_switched", store=self.name)

    def tend(self) -> None:
        """Housekeeping, about hourly: forget embeddings nobody has used for long."""
        keep_s = self.limits.keep_embeddings_days * 86_400.0
        if n := self.catalog.sweep_embeddings(time.time(), keep_s):
            log.info("catalog.embeddings_swept", store=self.name, n_swept=n)

    def due_for_retry(self) -> Iterator[tuple[int, str]]:
        """(source id, path) of failed notes whose time has come."""
        yield from self.catalog.due_for_retry(time.time())

    def forget(self) -> None:
        """Delete what the backend holds for us, before the store's files go."""
        for space in self.catalog.spaces():
            self.refiller.leave(space.collection)

    def flush(self) -> None:
        """Let the backend write its cache, if it finds that worthwhile."""
        if self.space is not None:
            self.backend.flush(self.space.collection)

    def close(self) -> None:
        """Flush and close everything. Raises if the last flush failed, after closing the rest."""
        for source in self.sources.values():
            source.close()
        try:
            if self._backend is not None:
                self._backend.close()
        finally:
            if self._reader is not None:
                self._reader.close()
            if self._catalog is not None:
                self._catalog.close()


def _move_aside(path: Path) -> None:
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    for suffix in ("", "-wal", "-shm"):
        damaged = path.with_name(path.name + suffix)
        if damaged.exists():
            os.replace(damaged, path.with_name(f"{path.name}.corrupt-{stamp}{suffix}"))
