"""What `status`, `files` and `store info` tell: the state of everything, read and not changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vragd import __version__
from vragd.errors import VragdError
from vragd.stores.loops import Worker
from vragd.stores.service import Service


async def status(service: Service) -> dict[str, Any]:
    """What runs, how far it is, and what is wrong."""
    await service.at_rest((), 1.0)
    stores = [await _store_status(service, worker) for worker in list(service.workers.values())]
    return {
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": round(time.monotonic() - service.started_at, 1),
        "config": str(service.loaded.file) if service.loaded.file else None,
        "data_dir": str(service.loaded.data_dir),
        "socket": str(service.loaded.socket),
        "stores": stores,
        "failed": [
            {"name": name, "code": error.code, "message": error.message, "hint": error.hint}
            for name, error in service.failed.items()
        ],
        "pending": sum(store["pending"] for store in stores),
        "generation": sum(store["generation"] for store in stores),
        "degraded": list(dict.fromkeys(reason for store in stores for reason in store["degraded"]))
        + ["store_failed"] * bool(service.failed),
    }


async def _store_status(service: Service, worker: Worker) -> dict[str, Any]:
    store = worker.store
    counts = await service.readers.run(store.reader.counts)
    trouble = worker.trouble
    return {
        "name": store.name,
        "notes": counts.notes,
        "chunks": counts.chunks,
        "embeddings": counts.embeddings,
        "states": counts.states,
        "pending": worker.dirty.pending(),
        "generation": await service.readers.run(store.reader.generation),
        "n_embedded": store.n_embedded,
        "degraded": worker.degraded(),
        "trouble": None
        if trouble is None
        else {
            "code": trouble.code,
            "message": trouble.message,
            "hint": trouble.hint,
            "for_s": round(time.monotonic() - worker.trouble_since, 1),
        },
        "n_vectors_behind": store.filling.n_left or 0,
        "embedder": store.settings.embedder.model_dump(mode="json"),
        "backend": store.settings.backend.model_dump(mode="json"),
        "space": store.space.fingerprint if store.space else None,
        "sources": [
            {
                "name": keeper.source.label,
                "path": str(keeper.source.path),
                "state": keeper.source.state,
                "watching": keeper.watching,
                "scanned_s_ago": None if keeper.scanned_at is None else round(time.monotonic() - keeper.scanned_at, 1),
                "n_deletes_held": keeper.proof.n_held,
                "rules_trouble": keeper.source.rules_trouble or None,
            }
            for keeper in worker.keepers.values()
        ],
    }


async def files(service: Service, stores: Sequence[str], states: Iterable[str]) -> list[dict[str, Any]]:
    """Each file and its state: indexed, partial, failed, skipped, pending."""
    wanted = set(states)
    in_catalog = {"failed": ("failed", "partial"), "indexed": ("indexed",), "skipped": ("skipped",)}
    rows: list[dict[str, Any]] = []
    for worker in service.chosen(stores):
        name = worker.store.name
        if not wanted or wanted & in_catalog.keys():
            chosen = [state for key in wanted for state in in_catalog.get(key, ())]
            for row in await service.readers.run(worker.store.reader.files, chosen):
                rows.append({"store": name, **{field: getattr(row, field) for field in row.__slots__}})
        labels = {source.id: source.label for source in worker.store.sources.values()}
        if not wanted or "skipped" in wanted:
            for source_id, skipped in worker.store.skipped.items():
                rows += [_file(name, labels[source_id], path, "skipped", why) for path, why in skipped.items()]
        if not wanted or "pending" in wanted:
            reason = worker.trouble.message if worker.trouble else None
            for source_id, path in worker.dirty.pending_paths():
                rows.append(_file(name, labels.get(source_id, ""), path, "pending", reason))
    return rows


async def list_stores(service: Service) -> list[dict[str, Any]]:
    """Every store there is, running or not."""
    rows = []
    for entry in service.registry.entries().values():
        worker = service.workers.get(entry.name)
        counts = await service.readers.run(worker.store.reader.counts) if worker else None
        rows.append(
            {
                "name": entry.name,
                "origin": entry.origin,
                "sources": [str(source.path) for source in entry.settings.sources] if entry.settings else [],
                "notes": counts.notes if counts else None,
                "chunks": counts.chunks if counts else None,
            }
        )
    return rows


async def store_info(service: Service, name: str) -> dict[str, Any]:
    """One store in full, the backend's own figures included."""
    worker = service.worker(name)
    info: dict[str, Any] = {
        "origin": service.registry.known(name).origin,
        **await _store_status(service, worker),
    }
    store = worker.store
    if store.space is not None:
        try:
            shape = await service.readers.run(store.backend.collection_info, store.space.collection)
        except VragdError as error:
            info["index"] = {"collection": store.space.collection, "unavailable": error.message}
        else:
            info["index"] = {
                "collection": shape.name, "dimension": shape.dimension, "metric": shape.metric,
                "vectors": shape.count, **shape.detail,
            }  # fmt: skip
    info["folder"] = str(store.folder)
    info["bytes_on_disk"] = await service.readers.run(_bytes_below, store.folder)
    return info


def _file(store: str, source: str, path: str, state: str, reason: str | None) -> dict[str, Any]:
    return {
        "store": store, "source": source, "path": path, "state": state, "reason": reason,
        "n_chunks": 0, "size": None, "changed_at": None, "retry_at": None,
    }  # fmt: skip


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
