"""Exact search in memory: nothing on disk, rebuilt from the catalog at every start."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vragd.backends.base import Among, Batch, CollectionInfo, Match, Matches, Stored, Traits, key_id
from vragd.backends.checks import check_identity, check_keys, check_shape, check_traits, checked_query, checked_rows
from vragd.backends.memory.settings import Settings
from vragd.backends.scores import exact_scores, prepared
from vragd.errors import UnknownCollection
from vragd.terms.filter import KINDS, Filter, Metadata, holds
from vragd.terms.metric import METRICS, Metric

TRAITS = Traits(
    private=True, networked=False, keeps_payload=False, durable=False, patches=True, value_error=1e-6,
    metrics=METRICS, max_dimension=65_536, max_matches=None, max_among=None,
)  # fmt: skip


def create(settings: Settings, data_dir: Path) -> MemoryBackend:
    """A backend with no collections, whatever `data_dir` holds."""
    return MemoryBackend()


@dataclass(slots=True)
class _Held:
    values: np.ndarray
    metadata: Metadata
    version: str


@dataclass(slots=True)
class _Collection:
    info: CollectionInfo
    rows: dict[str, _Held] = field(default_factory=dict)


class MemoryBackend:
    """A dictionary of vectors behind one lock; a query costs a copy of the collection."""

    traits = TRAITS

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collections: dict[str, _Collection] = {}

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, "memory")
        identity = secrets.token_hex(8)
        asked = CollectionInfo(name, dimension, metric, 0, space, model, identity, "memory", True, KINDS)
        with self._lock:
            made = self._collections.setdefault(name, _Collection(asked))
            check_shape(asked, made.info)
            return made.info

    def delete_collection(self, name: str, *, identity: str) -> None:
        with self._lock:
            if held := self._collections.get(name):
                check_identity(name, held.info.identity, identity)
                del self._collections[name]

    def list_collections(self) -> list[str]:
        with self._lock:
            return sorted(self._collections)

    def collection_info(self, name: str) -> CollectionInfo:
        with self._lock:
            held = self._held(name)
            return replace(held.info, count=len(held.rows), detail={"index": "memory"})

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        with self._lock:
            held = self._held(name)
            rows = prepared(checked_rows(batch, held.info.dimension), held.info.metric)
            new = zip(batch.keys, rows, batch.metadata, batch.versions, strict=True)
            held.rows.update({key: _Held(row, dict(data), version) for key, row, data, version in new})

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        with self._lock:
            rows = self._held(name).rows
            for key, data, version in zip(batch.keys, batch.metadata, batch.versions, strict=True):
                if had := rows.get(key):
                    rows[key] = _Held(had.values, dict(data), version)
            return frozenset(batch.keys) - rows.keys()

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        with self._lock:
            rows = self._held(name).rows
            for key in keys:
                rows.pop(key, None)

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        with self._lock:
            rows = self._held(name).rows
            found = {key: held for key in keys if (held := rows.get(key))}
        return {
            key: Stored(held.values.copy() if values else None, held.metadata if metadata else {}, {}, held.version)
            for key, held in found.items()
        }

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        with self._lock:
            rows = self._held(name).rows.items()
            found = [(key, held.version) for key, held in rows if key > after and key.startswith(prefix)]
        return iter(sorted(found))

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        return nullcontext()

    def tend(self, name: str) -> None:
        with self._lock:
            self._held(name)

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return where, None

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        with self._lock:
            held = self._held(name)
            found = [
                (key, row) for key, row in held.rows.items()
                if (where is None or holds(where, row.metadata))
                and (among is None or bool(among.has(np.array([key_id(key)]))[0]))
            ]  # fmt: skip
        query = prepared(checked_query(vector, held.info.dimension), held.info.metric)
        if not found or top_k <= 0:
            return Matches((), "more" if found else "exhausted")
        scores = exact_scores(np.stack([row.values for _, row in found]), query, held.info.metric)
        best = sorted(zip((-scores).tolist(), found, strict=True), key=lambda pair: (pair[0], pair[1][0]))[:top_k]
        items = [Match(key, -cost, row.metadata) for cost, (key, row) in best]
        return Matches(items, "exhausted" if len(items) == len(found) else "more")

    def close(self) -> None:
        with self._lock:
            self._collections.clear()

    def _held(self, name: str) -> _Collection:
        """The collection, under the lock."""
        if name not in self._collections:
            raise UnknownCollection(f"the backend has no store {name!r}")
        return self._collections[name]
