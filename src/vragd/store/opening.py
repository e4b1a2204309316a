"""
Opens a store, and gives it another catalog when its own is damaged.

Blocking; runs on the store's writer lane. Nothing half open leaves here: a store, or an error and nothing held.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import structlog

from vragd.backends.base import VectorBackend
from vragd.backends.registry import MakeBackend, create_backend
from vragd.catalog.check import is_sound, move_aside
from vragd.catalog.reader import Reader
from vragd.catalog.writer import Catalog
from vragd.config.settings import DocumentSettings, LimitSettings, SourceSettings, StoreSettings
from vragd.embed.base import Embedder
from vragd.errors import CatalogCorrupt, VragdError
from vragd.store.awaited import is_out, made_or_awaited
from vragd.store.collections import Collections
from vragd.store.filling import Filling
from vragd.store.left import is_in_use
from vragd.store.replica import folder_of
from vragd.store.spaces import Recorded, Spaces
from vragd.store.store import Given, Lasting, Parts, Store
from vragd.sync import order
from vragd.sync.calls import Calls
from vragd.sync.pace import PACE, Pace
from vragd.sync.proof.proof import Proof
from vragd.sync.readers import Documents, Readers
from vragd.system.clock import SYSTEM, Clock
from vragd.system.files import private_dir
from vragd.system.log import error_fields
from vragd.system.machine import source_uid
from vragd.vault.closed import ClosedPaths
from vragd.vault.source import Source

log = structlog.get_logger()

NO_DOCUMENTS = DocumentSettings()
SPARED_AGAIN_S = 600.0  # a catalog that seems damaged so soon again is replaced, whatever a check says


def open_store(
    name: str,
    settings: StoreSettings,
    folder: Path,
    limits: LimitSettings,
    make_embedder: Callable[[], Embedder],
    *,
    stop: Callable[[], bool] = lambda: False,
    make_backend: MakeBackend = create_backend,
    recorded: Recorded = lambda _: None,
    documents: DocumentSettings = NO_DOCUMENTS,
    clock: Clock = SYSTEM,
    pace: Pace = PACE,
) -> Store:
    """
    A store on what is on disk, what a crash interrupted finished. Waits for no embedder and no network.

    A damaged catalog is moved aside and begun anew: the vault is the source. A primary that is refused is attached
    later, where there are replicas. Raises NewerFormat, DataDirError, DiskFull, and what the backend raises. The
    embedder is made when it is first needed, and not closed here.
    """
    given = Given(name, settings, folder, limits, cache(make_embedder), stop, recorded, clock, pace)
    private_dir(folder)
    backend = made_or_awaited(
        lambda: make_backend(settings.backend.type, settings.backend, private_dir(folder / "index")),
        name,
        replicated=bool(settings.replicas),
    )
    readers = Readers(Documents(documents.read, documents.timeout_s, documents.memory_mib))
    lasting = Lasting(backend, readers, Calls(pace, beside=settings.embedder.longest_call_s > 0))
    try:
        try:
            return _open(given, lasting)
        except CatalogCorrupt as error:
            return _open_again(given, lasting, error)
    except BaseException:
        lasting.close()
        raise


def replace_catalog(store: Store, error: CatalogCorrupt) -> Store:
    """
    The store that goes on in place of one whose catalog is damaged: the same sources, another catalog.

    It knows no note: every source must be scanned in full. What it had embedded is embedded again. One that
    a second look finds sound is opened again instead, once in a while: the disk may have failed for a moment.
    Raises as `open_store`; the store given stays shut then, and the same call may be made again.
    """
    store.shut(error)
    return _open_again(store.given, store.lasting, error)


def _open_again(given: Given, lasting: Lasting, error: CatalogCorrupt) -> Store:
    path, now = given.folder / "catalog.db", given.clock.steady()
    spared_lately = lasting.spared_at is not None and now - lasting.spared_at <= SPARED_AGAIN_S
    if not spared_lately and is_sound(path):
        lasting.spared_at = now
        try:
            store = _open(given, lasting)
        except CatalogCorrupt as again:
            error = again
        else:
            log.warning("catalog.file_spared", store=given.name, **error_fields(error))
            return store
    log.error("catalog.file_replaced", store=given.name, **error_fields(error))
    move_aside(path)
    return _open(given, lasting)


def _open(given: Given, lasting: Lasting) -> Store:
    path = given.folder / "catalog.db"
    catalog = Catalog(path, given.clock)
    opened: list[Catalog | Reader] = [catalog]
    try:
        opened.insert(0, reader := Reader(path))
        parts = _parts(given, lasting, catalog, reader)
        if parts.collections.mind_the_machine(given.folder):
            parts.filling.put_off()
            log.warning("store.machine_changed", store=given.name)
        _register_sources(given, lasting, parts)
        _leave_replicas(given, catalog)
        _attach(given, lasting.backend, parts)
    except BaseException:
        for one in opened:  # the last to close tidies up beside the file, by its name
            with suppress(VragdError):
                one.close()
        raise
    return Store(given, lasting, parts)


def _attach(given: Given, backend: VectorBackend, parts: Parts) -> None:
    """
    Have a backend of this machine ready. One that is refused is tried again by the indexer, where there are replicas;
    what it has of a catalog before this one goes at the next start then.
    """
    try:
        if backend.traits.private:
            _forget_strangers(backend, {row.collection for row in parts.catalog.spaces()})
        if not backend.traits.networked:
            parts.spaces.attach()
    except VragdError as error:
        if not given.settings.replicas or not is_out(error):
            raise
        log.warning("store.primary_not_opened", store=given.name, **error_fields(error))


def _forget_strangers(backend: VectorBackend, known: set[str]) -> None:
    """Delete collections of a catalog before this one."""
    for stranger in set(backend.list_collections()) - known:
        backend.delete_collection(stranger, identity=backend.collection_info(stranger).identity)


def _parts(given: Given, lasting: Lasting, catalog: Catalog, reader: Reader) -> Parts:
    collections = Collections(catalog, lasting.backend, given.name, given.settings)
    filling = Filling(catalog, lasting.backend, given.pace)
    settings = given.settings.embedder.model_dump_json()
    spaces = Spaces(
        given.name, catalog, lasting.backend, collections, filling, given.embedder, settings, given.recorded,
        given.limits.remembered_questions, given.limits.keep_embeddings_days * 86_400.0,
    )  # fmt: skip
    return Parts(catalog, reader, collections, filling, spaces)


def _register_sources(given: Given, lasting: Lasting, parts: Parts) -> None:
    catalog = parts.catalog
    wanted = {settings.label: settings for settings in given.settings.sources}
    had = {source.label: source for source in lasting.sources.values()}  # of a catalog that was damaged
    for row in catalog.sources():
        catalog.add_own(row.uid)
        if row.label not in wanted:
            _purge_source(given, parts, row.id)
    for label, settings in wanted.items():
        source = had.get(label)
        uid = source.uid if source else source_uid(given.folder, label)  # a host may have another name by now
        row = catalog.register_source(label, uid, source.id if source else None)
        catalog.add_own(row.uid)
        closed = _closed(settings)
        catalog.close_to_assistants(row.id, row.uid, closed.said, closed)
        if source is not None:
            lasting.proofs[source.id].carry_over(catalog)
            continue
        lasting.sources[row.id] = Source(
            settings.path,
            row.id,
            row.uid,
            label=label,
            include=settings.include,
            exclude=settings.exclude,
            watch=settings.watch,
            max_file_bytes=given.limits.max_file_bytes,
            closed=closed,
            clock=given.clock,
        )
        share = given.limits.delete_guard_share
        lasting.proofs[row.id] = Proof(catalog, lasting.sources[row.id], row, share, given.clock.steady, given.pace)


def _leave_replicas(given: Given, catalog: Catalog) -> None:
    """Tell replicas that are configured no more nothing from now on; of those whose files are gone nothing is left."""
    wanted = {(name, one.type, one.where()) for name, one in given.settings.replicas.items()}
    for row in catalog.replica_rows():
        if (row.name, row.kind, row.where) in wanted:
            continue
        if not row.where and not folder_of(given.folder, row.name, row.kind).is_dir():
            catalog.forget_replica(row.id)
        elif row.space_id is not None:
            catalog.leave_replica(row.id)
            if not is_in_use(given.settings, row):
                log.warning("replica.left_behind", store=given.name, replica=row.name, collection=row.collection)


def _closed(settings: SourceSettings) -> ClosedPaths:
    """What of the source assistants are not shown."""
    if isinstance(settings.mcp, bool):
        return ClosedPaths(whole=not settings.mcp)
    return ClosedPaths(settings.mcp.exclude)


def _purge_source(given: Given, parts: Parts, source_id: int) -> None:
    """A source taken out of the configuration: its notes leave the store; embeddings stay for a while."""
    paths = list(parts.reader.known(source_id))
    order.purge(parts.catalog, parts.spaces.current, source_id, paths)
    parts.catalog.forget_source(source_id)
    log.info("store.source_removed", store=given.name, n_notes=len(paths))
