"""
Exact search in memory: nothing on disk, rebuilt from the catalog at every start.

Also where scores are defined: FAISS finds candidates, and has them scored here.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vragd.backends.base import (
    ALL_METRICS,
    Filter,
    Match,
    Metric,
    StoreInfo,
    Vector,
    check_query,
    check_shape,
    matrix,
    passes,
)
from vragd.backends.memory.settings import Settings
from vragd.errors import UnknownStore

_BLOCK = 4096  # rows scored at once: bounds the float64 copy


def create(settings: Settings, data_dir: Path) -> MemoryBackend:
    """A backend with no stores, whatever `data_dir` holds."""
    return MemoryBackend()


def prepared(rows: np.ndarray, metric: Metric) -> np.ndarray:
    """`rows` as they are stored: of length 1 for cosine, as they are otherwise. A zero row stays zero."""
    if metric != "cosine":
        return rows
    wide = rows.astype(np.float64)  # the square of a small float32 is zero
    length = np.sqrt((wide * wide).sum(axis=-1, keepdims=True))
    unit: np.ndarray = (wide / np.where(length == 0, 1, length)).astype(np.float32)
    return unit


def exact_scores(rows: np.ndarray, query: np.ndarray, metric: Metric) -> np.ndarray:
    """
    The score of each of `rows`, shape (n,), float64, as `Match.score` defines it. Both are `prepared`.

    Equal rows get equal scores wherever they stand; a BLAS product does not promise that.
    """
    scores = np.empty(len(rows), dtype=np.float64)
    wide = query.astype(np.float64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float64)
        if metric == "euclidean":
            distance = np.sqrt(((block - wide) ** 2).sum(axis=1))
            scores[start : start + _BLOCK] = 1 / (1 + distance)
        else:
            scores[start : start + _BLOCK] = (block * wide).sum(axis=1)
    return scores.clip(-1, 1) if metric == "cosine" else scores


@dataclass(slots=True)
class _Store:
    shape: StoreInfo
    vectors: dict[str, Vector] = field(default_factory=dict)


class MemoryBackend:
    """A dictionary of vectors behind one lock; a query costs a copy of the store."""

    durable = False
    remote = False
    place = "memory"
    metrics = ALL_METRICS
    max_top_k = None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[str, _Store] = {}

    def create_store(
        self, store: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> StoreInfo:  # fmt: skip
        asked = StoreInfo(store, dimension, metric, 0, space, model)
        with self._lock:
            made = self._stores.setdefault(store, _Store(asked))
            check_shape(asked, made.shape)
            return made.shape

    def delete_store(self, store: str) -> None:
        with self._lock:
            self._stores.pop(store, None)

    def list_stores(self) -> list[str]:
        with self._lock:
            return sorted(self._stores)

    def store_exists(self, store: str) -> bool:
        with self._lock:
            return store in self._stores

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        with self._lock:
            held = self._held(store)
            rows = prepared(matrix(vectors, held.shape.dimension), held.shape.metric)
            new = {v.key: Vector(v.key, row, dict(v.metadata)) for v, row in zip(vectors, rows, strict=True)}
            held.vectors.update(new)
        return len(new)

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        with self._lock:
            vectors = self._held(store).vectors
            return sum(vectors.pop(key, None) is not None for key in set(keys))

    def get_vectors(self, store: str, keys: Collection[str]) -> dict[str, np.ndarray]:
        with self._lock:
            vectors = self._held(store).vectors
            return {key: vectors[key].values.copy() for key in keys if key in vectors}

    def list_keys(self, store: str) -> Iterator[str]:
        with self._lock:
            return iter(list(self._held(store).vectors))

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False  # noqa: A002
    ) -> list[Match]:  # fmt: skip
        with self._lock:
            held = self._held(store)
            found = [v for v in held.vectors.values() if not filter or passes(v.metadata, filter)]
        query = prepared(check_query(vector, held.shape.dimension), held.shape.metric)
        if not found or top_k <= 0:
            return []
        scores = exact_scores(np.stack([v.values for v in found]), query, held.shape.metric)
        best = sorted(zip(-scores, found, strict=True), key=lambda pair: (pair[0], pair[1].key))[:top_k]
        return [Match(v.key, float(-cost), v.metadata) for cost, v in best]

    def get_store_info(self, store: str) -> StoreInfo:
        with self._lock:
            held = self._held(store)
            return replace(held.shape, count=len(held.vectors), detail={"index": "memory"})

    def flush(self, store: str) -> None:
        with self._lock:
            self._held(store)

    def close(self) -> None:
        with self._lock:
            self._stores.clear()

    def _held(self, store: str) -> _Store:
        """The store, under the lock."""
        if store not in self._stores:
            raise UnknownStore(f"the backend has no store {store!r}")
        return self._stores[store]
