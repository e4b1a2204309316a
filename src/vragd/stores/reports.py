"""What `status`, `files` and `store info` tell: the state of everything, read and not changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from vragd import __version__
from vragd.backends.recall import measure
from vragd.config.showing import shown
from vragd.errors import BackendUnavailable, VragdError
from vragd.store.store import Store
from vragd.stores.audience import Audience
from vragd.stores.indexer import Indexer
from vragd.stores.reranked import Reranking
from vragd.stores.sending import sending, sent
from vragd.stores.stores import Stores
from vragd.sync.queue import DirtyPaths
from vragd.system.files import bytes_below
from vragd.system.memory import resident_bytes
from vragd.vault.source import Source

TRIES = 5
MOST = 0.5


async def status(stores: Stores, *, assistant: bool = False) -> dict[str, Any]:
    """A whole `overview`, and how much memory and disk that takes: every file of the data directory is looked at."""
    told = await overview(stores, assistant=assistant, whole=True)
    told["memory_bytes"] = resident_bytes()
    told["bytes_on_disk"] = await stores.aside.run(bytes_below, stores.loaded.data_dir)
    return told


async def overview(stores: Stores, *, assistant: bool = False, whole: bool = False) -> dict[str, Any]:
    """
    What runs, how far it is, and what is wrong; to an assistant nothing of what is closed. The `whole` says, too, what
    neither events nor metrics tell: what was sent, in which language notes are, what is left where nobody looks.
    """
    audience = Audience(stores, assistant)
    for tries_left in reversed(range(TRIES)):
        await stores.at_rest((), 1.0)
        try:
            rows = [await _store_status(audience, indexer, whole=whole) for indexer in _shown(audience)]
            break
        except BackendUnavailable:  # one was closed meanwhile, to be started again
            if not tries_left:
                raise
    return {
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": round(stores.clock.steady() - stores.started_at, 1),
        "config": str(stores.loaded.file) if stores.loaded.file else None,
        "data_dir": str(stores.loaded.data_dir),
        "socket": str(stores.loaded.socket),
        "reloads": {"n": stores.n_reloads, "refused": _said(stores.reload_refused)},
        "page": None if assistant or stores.page is None else {"url": stores.page.url, "trouble": stores.page.trouble},
        "stores": rows,
        "failed": [
            {"name": name, "code": error.code, "message": error.message, "hint": error.hint}
            for name, error in stores.failed.items()
            if audience.shown([name])
        ],
        "pending": sum(row["pending"] for row in rows),
        "left_s": _longest([row["left_s"] for row in rows if row["pending"]]),
        "generation": sum(row["generation"] for row in rows),
        "degraded": list(dict.fromkeys(reason for row in rows for reason in row["degraded"]))
        + ["store_failed"] * bool(audience.shown(stores.failed)),
    }


def left_s(indexers: Iterable[Indexer]) -> float | None:
    """For how many seconds all of these stores together have work: each does its own; None while nobody can tell."""
    return _longest([_left_s(indexer) for indexer in indexers if indexer.dirty.pending()])


def _longest(found: Sequence[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    return max(known) if known and len(known) == len(found) else None


def _left_s(indexer: Indexer) -> float | None:
    found = None if indexer.trouble else indexer.progress.left_s(indexer.dirty.pending())
    return None if found is None else round(found, 1)


def _said(error: VragdError | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "message": error.message, "hint": error.hint}


def _shown(audience: Audience) -> list[Indexer]:
    try:
        return audience.chosen(())
    except VragdError:  # there is none, or none yet
        return []


async def _store_status(audience: Audience, indexer: Indexer, *, whole: bool) -> dict[str, Any]:
    stores, store = audience.stores, indexer.store
    sources = audience.sources_of(indexer)
    keepers = {id_: keeper for id_, keeper in indexer.keepers.items() if keeper.source in sources}
    held = {id_: one.proof.held for id_, one in keepers.items()}
    read = await stores.aside.run(_read, audience, indexer, held, whole)
    counts = read.counts
    pending, degraded = await audience.state([indexer])
    trouble, now = indexer.trouble, stores.clock.steady()
    return {
        "name": store.name,
        "notes": counts.notes,
        "chunks": counts.chunks,
        "embeddings": counts.embeddings,
        "states": counts.states,
        "n_closed": counts.closed,
        "pending": pending,
        # to an assistant how long it takes would tell of what is closed
        "left_s": None if audience.assistant else _left_s(indexer),
        "generation": read.generation,
        "n_embedded": store.n_embedded,
        "degraded": degraded,
        "trouble": None
        if trouble is None
        else {
            "code": trouble.code,
            "message": trouble.message,
            "hint": trouble.hint,
            "for_s": round(indexer.standing.for_s, 1),
        },
        "n_vectors_behind": store.filling.n_left or 0,
        "embedder": shown(store.settings.embedder.model_dump(mode="json")),
        "sends_to": store.settings.embedder.sends_to or None,
        "sent": read.sent,
        "reranked_by": None if (rerank := store.settings.rerank) is None else rerank.who,
        "rerank_trouble": None if rerank is None else stores.beside(Reranking).trouble(rerank),
        "foreign": read.foreign,
        "words_alone": not store.settings.embedder.gives_vectors,
        "backend": shown(store.settings.backend.model_dump(mode="json")),
        "answers": store.settings.answers,
        **read.replicas,
        "also_fed": {} if audience.assistant else indexer.feeding.also_fed,
        "advice": store.settings.backend.advice(counts.chunks) or None,
        "space": store.space.fingerprint if store.space else None,
        "sources": [
            {
                "name": keeper.source.label,
                "path": str(keeper.source.path),
                "state": keeper.source.state,
                "watching": keeper.watching,
                "scanned_s_ago": None if keeper.scanned_at is None else round(now - keeper.scanned_at, 1),
                "n_deletes_held": read.n_held[id_],
                "rules_trouble": keeper.source.rules_trouble or None,
                "closed": _closed(keeper.source),
                "unwatched": dict(list(keeper.watch.unwatched.items())[:20]) if keeper.watching != "off" else {},
            }
            for id_, keeper in keepers.items()
        ],
    }


class _Read(NamedTuple):
    """What only the catalog of a store and the files beside it know, read at one stroke."""

    n_held: Mapping[int, int]
    counts: Any
    generation: int
    foreign: float | None
    replicas: Mapping[str, Any]
    sent: dict[str, Any] | None


def _read(audience: Audience, indexer: Indexer, held: Mapping[int, frozenset[str]], whole: bool) -> _Read:
    reader = indexer.store.reader_for(assistant=audience.assistant)
    counts, stores = reader.counts(), audience.stores
    return _Read(
        audience.n_held(indexer, held),
        counts,
        reader.generation(),
        _foreign(indexer, counts.notes) if whole and not audience.assistant else None,
        indexer.feeding.report(stores.registry.left_elsewhere(indexer.store.name) if whole else None),
        sent(indexer.store.settings.embedder, stores.loaded.data_dir, stores.clock) if whole else None,
    )


def _foreign(indexer: Indexer, n_notes: int) -> float | None:
    """Which share of the notes its model does badly with, where that is most of them."""
    if not indexer.store.settings.embedder.is_english:
        return None
    share = indexer.tongue.share(n_notes, indexer.store.reader.sample)
    return round(share, 2) if share > MOST else None


def _closed(source: Source) -> bool | list[str]:
    """What the configuration closes of a source: all, or these patterns."""
    return source.closed.whole or list(source.closed.patterns)


async def files(stores: Stores, names: Sequence[str], states: Iterable[str]) -> list[dict[str, Any]]:
    """Each file and its state: indexed, partial, failed, skipped, pending. The loop waits for none of it."""
    rows: list[dict[str, Any]] = []
    for indexer in stores.chosen(names):
        trouble = indexer.trouble.message if indexer.trouble else None
        rows += await stores.aside.run(_files, indexer.store, indexer.dirty, frozenset(states), trouble)
    return rows


def _files(store: Store, dirty: DirtyPaths, wanted: frozenset[str], trouble: str | None) -> list[dict[str, Any]]:
    in_catalog = {key: (key,) for key in ("indexed", "skipped", "pending")} | {"failed": ("failed", "partial")}
    rows: list[dict[str, Any]] = []
    by_words: set[tuple[str, str]] = set()
    # of one that is away nothing can be told but how it was indexed
    there = [one for one in list(store.sources.values()) if one.state in ("new", "ok") and one.path.is_dir()]
    withdrawn = {source.label: source.withdrawn for source in there if source.withdrawn}
    if not wanted or wanted & in_catalog.keys():
        chosen = {state for key in wanted for state in in_catalog.get(key, ())}
        # any may have been withdrawn since, where nobody watches: then that is its state
        for row in store.reader.files([] if withdrawn else [*chosen]):
            told = {"store": store.name, **{field: getattr(row, field) for field in row.__slots__}}
            if row.source in withdrawn and row.state != "skipped" and withdrawn[row.source](row.path):
                told |= {"state": "skipped", "reason": "withdrawn", "n_chunks": 0, "retry_at": None}
            if chosen and told["state"] not in chosen:
                continue
            if told["state"] == "pending":
                by_words.add((row.source, row.path))
                told |= {"reason": _by_words(trouble, row.reason), "retry_at": None}
            rows.append(told)
    labels = {source.id: source.label for source in list(store.sources.values())}
    if not wanted or "skipped" in wanted:
        for source_id, skipped in list(store.skipped.items()):
            rows += [_file(store.name, labels[source_id], path, "skipped", why) for path, why in skipped.items()]
    if not wanted or "pending" in wanted:
        for source_id, path in dirty.pending_paths():
            if (place := (labels.get(source_id, ""), path)) not in by_words:
                rows.append(_file(store.name, *place, "pending", trouble))
    return rows


def _by_words(trouble: str | None, reason: str | None) -> str:
    """Why a note is pending that is found by its words, and what else is to be known of it."""
    return "; ".join(filter(None, [f"by_words: {trouble}" if trouble else "by_words", reason]))


async def list_stores(stores: Stores) -> list[dict[str, Any]]:
    """Every store there is, running or not."""
    rows = []
    for entry in stores.registry.entries().values():
        indexer = stores.indexers.get(entry.name)
        counts = await stores.aside.run(indexer.store.reader.counts) if indexer else None
        rows.append(
            {
                "name": entry.name,
                "origin": entry.origin,
                "sources": [str(source.path) for source in entry.settings.sources] if entry.settings else [],
                "backend": entry.settings.backend.type if entry.settings else None,
                "trouble": entry.damaged or None,
                "states": counts.states if counts else {},
                "notes": counts.notes if counts else None,
                "chunks": counts.chunks if counts else None,
            }
        )
    return rows


async def store_info(stores: Stores, name: str, *, recall: bool = False) -> dict[str, Any]:
    """One store in full, the backend's own figures included; `recall`: and how many of the nearest its index finds."""
    indexer = stores.indexer(name)
    info: dict[str, Any] = {
        "origin": stores.registry.known(name).origin,
        **await _store_status(Audience(stores), indexer, whole=True),
    }
    store = indexer.store
    if store.space is not None and store.space.has_vectors:
        try:
            shape = await stores.aside.run(store.backend.collection_info, store.space.collection)
        except VragdError as error:
            info["index"] = {"collection": store.space.collection, "unavailable": error.message}
        else:
            info["index"] = {
                "collection": shape.name, "dimension": shape.dimension, "metric": shape.metric,
                "vectors": shape.count, **shape.detail,
            }  # fmt: skip
            if recall:
                info["recall"] = asdict(await stores.aside.run(measure, store.backend, store.space.collection))
    if store.settings.embedder.sends_to:
        info["sending"] = sending(store.settings.embedder, *await stores.aside.run(store.reader.amount))
    info["folder"] = str(store.folder)
    info["bytes_on_disk"] = await stores.aside.run(bytes_below, store.folder)
    return info


def _file(store: str, source: str, path: str, state: str, reason: str | None) -> dict[str, Any]:
    return {
        "store": store, "source": source, "path": path, "state": state, "reason": reason,
        "n_chunks": 0, "size": None, "changed_at": None, "retry_at": None, "closed": [],
    }  # fmt: skip
