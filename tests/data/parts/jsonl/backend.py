"""
Exact search over files of JSON lines, one a store: what a line says replaces what earlier lines said.

The file is read when the store is first asked for. A line that was cut off by a crash is the last, and is dropped.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from vragd.errors import UnknownStore

from .settings import Settings

SUFFIX = ".jsonl"


def create(settings: Settings, data_dir: Path) -> JsonlBackend:
    """A backend of the files in `data_dir`."""
    return JsonlBackend(data_dir, sync=settings.sync)


@dataclass(slots=True)
class _Store:
    shape: StoreInfo
    vectors: dict[str, Vector] = field(default_factory=dict)


class JsonlBackend:
    """A dictionary of vectors for each file, behind one lock; `sync` waits for the disk at every change."""

    durable = True
    remote = False
    place = "jsonl"
    metrics = ALL_METRICS
    max_top_k = None

    def __init__(self, folder: Path, *, sync: bool) -> None:
        self._folder, self._sync = folder, sync
        self._lock = threading.RLock()
        self._stores: dict[str, _Store] = {}

    def create_store(
        self, store: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> StoreInfo:  # fmt: skip
        asked = StoreInfo(store, dimension, metric, 0, space, model)
        with self._lock:
            if not self.store_exists(store):
                self._write(store, {"dimension": dimension, "metric": metric, "space": space, "model": model})
            held = self._held(store)
            check_shape(asked, held.shape)
            return held.shape

    def delete_store(self, store: str) -> None:
        with self._lock:
            self._path(store).unlink(missing_ok=True)
            self._stores.pop(store, None)

    def list_stores(self) -> list[str]:
        return sorted(path.name.removesuffix(SUFFIX) for path in self._folder.glob("*" + SUFFIX))

    def store_exists(self, store: str) -> bool:
        return self._path(store).exists()

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        with self._lock:
            held = self._held(store)
            rows = _prepared(matrix(vectors, held.shape.dimension), held.shape.metric)
            new = {v.key: Vector(v.key, row, dict(v.metadata)) for v, row in zip(vectors, rows, strict=True)}
            lines = [{"key": v.key, "values": v.values.tolist(), "metadata": v.metadata} for v in new.values()]
            self._write(store, *lines)
            held.vectors.update(new)
        return len(new)

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        with self._lock:
            vectors = self._held(store).vectors
            gone = {key for key in keys if key in vectors}
            self._write(store, *({"key": key} for key in sorted(gone)))
            for key in gone:
                del vectors[key]
        return len(gone)

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
        query = _prepared(check_query(vector, held.shape.dimension), held.shape.metric).astype(np.float64)
        scored = [(_score(v.values.astype(np.float64), query, held.shape.metric), v) for v in found]
        scored.sort(key=lambda pair: (-pair[0], pair[1].key))
        return [Match(v.key, score, v.metadata) for score, v in scored[: max(top_k, 0)]]

    def get_store_info(self, store: str) -> StoreInfo:
        with self._lock:
            held = self._held(store)
            shape = held.shape
            return StoreInfo(store, shape.dimension, shape.metric, len(held.vectors), shape.space, shape.model)

    def flush(self, store: str) -> None:
        return None

    def close(self) -> None:
        return None

    def _path(self, store: str) -> Path:
        return self._folder / (store + SUFFIX)

    def _held(self, store: str) -> _Store:
        if store not in self._stores:
            if not self.store_exists(store):
                raise UnknownStore(f"there is no file of store {store!r}")
            head, *rest = self._lines(store)
            held = _Store(StoreInfo(store, head["dimension"], head["metric"], 0, head["space"], head["model"]))
            for line in rest:
                if "values" in line:
                    metadata = {k: tuple(v) if isinstance(v, list) else v for k, v in line["metadata"].items()}
                    values = np.array(line["values"], dtype=np.float32)
                    held.vectors[line["key"]] = Vector(line["key"], values, metadata)
                else:
                    held.vectors.pop(line["key"], None)
            self._stores[store] = held
        return self._stores[store]

    def _lines(self, store: str) -> list[dict[str, Any]]:
        raw = self._path(store).read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if whole != raw:
            os.truncate(self._path(store), len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def _write(self, store: str, *lines: dict[str, Any]) -> None:
        with open(self._path(store), "ab") as file:
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            file.flush()
            if self._sync:
                os.fsync(file.fileno())


def _prepared(rows: np.ndarray, metric: Metric) -> np.ndarray:
    if metric != "cosine":
        return rows
    wide = rows.astype(np.float64)
    unit: np.ndarray = (wide / np.linalg.norm(wide, axis=-1, keepdims=True).clip(1e-300)).astype(np.float32)
    return unit


def _score(row: np.ndarray, query: np.ndarray, metric: Metric) -> float:
    if metric == "euclidean":
        return float(1 / (1 + np.sqrt(((row - query) ** 2).sum())))
    score = float((row * query).sum())
    return min(1.0, max(-1.0, score)) if metric == "cosine" else score
