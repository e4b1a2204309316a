"""
A store as a running thing: catalog, embedder, backend, sources, and the one place that ties them.

Blocking throughout. `open`, `prepare`, `apply`, `fill`, `tend`, `flush` and `close` run on the store's
writer lane; `scan_source` runs on its scan lane; what a query needs (`reader`, `backend`, `embedder`,
`space`) may be used from any thread.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from vragd.backends.base import VectorBackend
from vragd.backends.registry import MakeBackend, create_backend
from vragd.catalog.check import is_sound, move_aside
from vragd.catalog.model import SpaceRow
from vragd.catalog.reader import Reader
from vragd.catalog.writer import Catalog
from vragd.config.settings import LimitSettings, StoreSettings
from vragd.embed.base import Embedder
from vragd.errors import BackendUnavailable, CatalogCorrupt, DiskFull, StoreMismatch, UnknownCollection, VragdError
from vragd.store.collections import Collections
from vragd.store.filling import Filling
from vragd.store.spaces import Answering, Recorded, Spaces
from vragd.sync import order
from vragd.sync.change import Visit
from vragd.sync.proof.proof import Proof
from vragd.sync.round import Report, Syncer
from vragd.system.files import free_mib, private_dir
from vragd.system.log import error_fields
from vragd.system.machine import source_uid
from vragd.vault.scan import Scan, scan
from vragd.vault.source import Source

log = structlog.get_logger()

WORDS_SWEPT_EVERY_S = 86_400.0
SPARED_AGAIN_S = 600.0  # a catalog that seems damaged so soon again is replaced, whatever a check says


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
        make_backend: MakeBackend = create_backend,
        recorded: Recorded = lambda _: None,
    ) -> None:
        self.name, self.settings, self.folder, self.limits = name, settings, folder, limits
        self.sources: dict[int, Source] = {}
        self.proofs: dict[int, Proof] = {}
        """Of each source, by its id: what asks whether a note is gone asks these."""
        self.skipped: dict[int, dict[str, str]] = {}
        self.n_embedded = 0
        self.closing = False
        self._make_embedder, self._make_backend, self._stop = make_embedder, make_backend, stop
        self._recorded = recorded
        self._embedder: Embedder | None = None
        self._catalog: Catalog | None = None
        self._reader: Reader | None = None
        self._backend: VectorBackend | None = None
        self._filling: Filling | None = None
        self._collections: Collections | None = None
        self._syncer: Syncer | None = None
        self._damage: CatalogCorrupt | None = None  # that of a catalog which is being replaced
        self._spaces: Spaces | None = None
        self._needs_recovery = False
        self._spared_at = -SPARED_AGAIN_S  # monotonic

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
    def filling(self) -> Filling:
        """For the writer lane only, but for `n_left`."""
        assert self._filling is not None, "open the store first"
        return self._filling

    @property
    def collections(self) -> Collections:
        """For the writer lane only."""
        assert self._collections is not None, "open the store first"
        return self._collections

    @property
    def space(self) -> SpaceRow | None:
        """The space that is written; None before the embedder was first asked."""
        return self._spaces.current if self._spaces else None

    @property
    def answering(self) -> Answering | None:
        """What questions are put to: the space, or while another is being built the one before."""
        return self._spaces.answering if self._spaces else None

    @property
    def rebuilding(self) -> bool:
        """Whether there is an old space besides."""
        return self._spaces is not None and self._spaces.rebuilding

    @property
    def spaces(self) -> Spaces:
        """For the writer lane only."""
        assert self._spaces is not None, "open the store first"
        return self._spaces

    @property
    def embedder(self) -> Embedder:
        """The configured embedder, loaded when it is first needed."""
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
        settings = self.settings.backend
        self._backend = self._make_backend(settings.type, settings, private_dir(self.folder / "index"))
        try:
            self._open_catalog()
        except CatalogCorrupt as error:
            self.begin_anew(error)

    def begin_anew(self, error: CatalogCorrupt) -> None:
        """
        Put the damaged catalog aside and begin another, with the same sources. Raises as `open`.

        It knows no note: every source must be scanned in full. What it had embedded is embedded again. One that
        a second look finds sound is opened again instead, once in a while: the disk may have failed for a moment.
        """
        self._damage = error
        self._shut_catalog()
        if time.monotonic() - self._spared_at > SPARED_AGAIN_S and is_sound(self.folder / "catalog.db"):
            self._spared_at = time.monotonic()
            try:
                self._open_catalog()
            except CatalogCorrupt as again:
                error = again
                self._shut_catalog()
            else:
                log.warning("catalog.file_spared", store=self.name, **error_fields(error))
                self._damage = None
                return
        log.error("catalog.file_replaced", store=self.name, **error_fields(error))
        move_aside(self.folder / "catalog.db")
        self._open_catalog()
        self._damage = None

    def _shut_catalog(self) -> None:
        for opened in (self._reader, self._catalog):  # the last to close tidies up beside the file, by its name
            with suppress(VragdError):
                if opened is not None:
                    opened.close()
        self._syncer, self._spaces, self._needs_recovery = None, None, False

    @property
    def damage(self) -> CatalogCorrupt | None:
        """That the catalog is damaged, whoever found that out: `begin_anew` is due. From any thread."""
        return self._damage or self.catalog.damage or self.reader.damage

    def _open_catalog(self) -> None:
        path = self.folder / "catalog.db"
        self._catalog = Catalog(path)
        self._reader = Reader(path)
        kind = self.settings.backend.type
        self._collections = Collections(self._catalog, self.backend, self.name, kind, self.settings.metric)
        self._filling = Filling(self._catalog, self.backend)
        settings = self.settings.embedder.model_dump_json()
        self._spaces = Spaces(
            self.name, self._catalog, self.backend, self._collections, self._filling, lambda: self.embedder, settings,
            self._recorded,
        )  # fmt: skip
        if self.collections.mind_the_machine(self.folder):
            self.filling.put_off()
            log.warning("store.machine_changed", store=self.name)
        self._register_sources()
        if self.backend.traits.private:
            for stranger in set(self.backend.list_collections()) - {row.collection for row in self._catalog.spaces()}:
                info = self.backend.collection_info(stranger)  # of a catalog before this one
                self.backend.delete_collection(stranger, identity=info.identity)
        if not self.backend.traits.networked:
            self.attach()

    def _register_sources(self) -> None:
        catalog = self.catalog
        wanted = {settings.label: settings for settings in self.settings.sources}
        had = {source.label: source for source in self.sources.values()}  # of a catalog that was damaged
        for row in catalog.sources():
            catalog.add_own(row.uid)
            if row.label not in wanted:
                self._purge_source(row.id)
        for label, settings in wanted.items():
            source = had.get(label)
            row = catalog.register_source(label, source_uid(self.folder, label), source.id if source else None)
            catalog.add_own(row.uid)
            if source is not None:
                self.proofs[source.id].carry_over(catalog)
                continue
            self.sources[row.id] = Source(settings, row.id, row.uid, self.limits.max_file_bytes)
            self.proofs[row.id] = Proof(catalog, self.sources[row.id], row, self.limits.delete_guard_share)

    def _purge_source(self, source_id: int) -> None:
        """A source taken out of the configuration: its notes leave the store; embeddings stay for a while."""
        paths = list(self.reader.known(source_id))
        order.purge(self.catalog, self.space, source_id, paths)
        self.catalog.forget_source(source_id)
        log.info("store.source_removed", store=self.name, n_notes=len(paths))

    def attach(self) -> None:
        """As `Spaces.attach`."""
        self.spaces.attach()

    def prepare(self) -> None:
        """Make sure that backend and embedder answer, in the embedder's space. Raises as `Spaces.choose`."""
        before = self.space
        try:
            self.spaces.choose(self.embedder)
        finally:
            if before is None or self.space is None or self.space.id != before.id:
                self._syncer = None  # it writes into the space before
        if self.rebuilding:
            self._switch()

    def _switch(self) -> None:
        """As `Spaces.drop_old`. A source that was not looked at yet is not away."""
        self.spaces.drop_old([source.id for source in self.sources.values() if source.state not in ("new", "ok")])

    # -- work --------------------------------------------------------------------------------------

    def connect(self, source: Source) -> bool:
        """Open the source's root if it can be trusted, and remember by what it is recognised. See `Proof`."""
        proof = self.proofs[source.id]
        root = proof.find()
        if root is not None:
            proof.take(root)
        return root is not None

    def scan_source(self, source: Source, folder: str = "") -> tuple[list[str], Scan]:
        """
        The dirty paths of a source or folder, and the scan. Opens no file.

        What is missing is among them if the source's proof says that it is gone.
        """
        root, proof = source.root, self.proofs[source.id]
        if root is None or not source.rules_known:  # what is found now may be what nobody is to see
            return [], Scan(folder, stopped=True)
        mark = proof.mark()
        found = scan(source.path, source.rules, folder, self._stop, root.identity.place)
        space_id = self.space.id if self.space else None
        known = self.reader.stamps(source.id, folder, space_id, self.limits.max_file_bytes)
        difference, is_gone = proof.judge(root, found, known, mark)
        dirty = difference.dirty
        if is_gone:
            dirty += difference.missing
        elif difference.missing:
            log.warning("source.deletes_held", store=self.name, source=source.uid, n_missing=len(difference.missing))
        if not folder:
            self.skipped[source.id] = found.skipped
        return dirty, found

    def apply(self, visits: list[Visit]) -> Report:
        """
        One round of work. Raises what `Syncer.apply` raises, and DiskFull below the floor of free space.

        What needs no embedder is done without one, once the space is known; what makes room also below the floor.
        """
        if self.space is None:
            self.prepare()
        self.attach()
        assert self.space is not None
        if self._syncer is None:
            self._syncer = Syncer(
                self.catalog, self.backend, lambda: self.embedder, self.space, self.proofs, self._stop
            )
        is_full = free_mib(self.folder) < self.limits.min_free_mib
        embedded_before = self._syncer.n_embedded
        with self._doubting():
            try:
                report = self._syncer.apply(visits, only_freeing=is_full)
            finally:
                self.n_embedded += self._syncer.n_embedded - embedded_before
            if self._needs_recovery:
                # what an interrupted round had put is put again or, now that it is past, forgotten
                self.spaces.recover(self.space)
                self._needs_recovery = False
        if self.rebuilding:
            self._switch()
        if is_full and report.deferred:
            raise DiskFull(
                f"less than {self.limits.min_free_mib} MiB are free where the catalog lives",
                hint="free some space, or lower limits.min_free_mib",
            )
        return report

    @property
    def behind(self) -> bool:
        """Whether the backend lacks vectors that the catalog has: `fill` puts them."""
        return self.filling.n_left is not None

    def fill(self) -> None:
        """Put a slice of what a backend new to the store lacks."""
        self.attach()
        assert self.space is not None
        with self._doubting():
            self.filling.go_on(self.space)
        if not self.behind and not self.backend.traits.private:
            shutil.rmtree(self.folder / "index", ignore_errors=True)  # of a local backend, before the store moved

    def sweep(self) -> None:
        """Forget what the backend has from before it was filled, if it may have anything. See `order.sweep`."""
        if self.space is not None and self.filling.unswept:
            with self._doubting():
                self.filling.sweep(self.space)

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        """Remember what a failure puts in doubt: the intents, and whether the collection is there at all."""
        try:
            yield
        except (UnknownCollection, StoreMismatch):
            self._needs_recovery = True
            self.spaces.doubt()
            raise
        except (BackendUnavailable, DiskFull):
            self._needs_recovery = True
            raise

    def tend(self) -> None:
        """Housekeeping, about hourly: forget embeddings nobody has used for long and, once a day, deleted words."""
        keep_s = self.limits.keep_embeddings_days * 86_400.0
        if n := self.catalog.sweep_embeddings(time.time(), keep_s):
            log.info("catalog.embeddings_swept", store=self.name, n_swept=n)
        self.catalog.sweep_words(time.time(), WORDS_SWEPT_EVERY_S)

    def due_for_retry(self) -> Iterator[tuple[int, str]]:
        """(source id, path) of failed notes whose time has come."""
        yield from self.catalog.due_for_retry(time.time())

    def forget(self) -> None:
        """Delete what the backend holds for us, before the store's files go. Can be done again, or undone by `fill`."""
        self.filling.put_off()
        for space in self.catalog.spaces():
            self.collections.leave(space.collection)

    def flush(self) -> None:
        """Let the backend write its cache, if it finds that worthwhile."""
        if self.space is not None:
            self.backend.tend(self.space.collection)

    def close(self) -> None:
        """Flush and close everything. Raises if the last flush failed, after closing the rest."""
        for proof in self.proofs.values():
            proof.close()
        try:
            if self._backend is not None:
                self._backend.close()
        finally:
            if self._reader is not None:
                self._reader.close()
            if self._catalog is not None:
                self._catalog.close()
