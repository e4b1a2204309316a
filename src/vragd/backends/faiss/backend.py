"""
FAISS in memory, with a cache file per store.

The catalog is the truth: a put or delete changes memory only and writes nothing, and the file is written
when enough has changed to be worth it. After a crash the file is older than the catalog, and whoever
holds the catalog puts what is missing and deletes what is too much. A file that is not whole is moved
aside and the store opens empty.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vragd.backends.base import ALL_METRICS, Filter, Match, Metric, StoreInfo, Vector, check_query, check_shape, matrix
from vragd.backends.faiss import file
from vragd.backends.faiss.file import Header, Table
from vragd.backends.faiss.index import build, load
from vragd.backends.faiss.layout import Layout
from vragd.backends.faiss.rwlock import ReadWriteLock
from vragd.backends.faiss.settings import Settings
from vragd.backends.memory.backend import exact_scores, prepared
from vragd.errors import BackendUnavailable, StoreMismatch, UnknownStore
from vragd.system.failpoints import reach
from vragd.system.files import private_dir, write_atomic

# Fewer rows than this leave nothing to train lists on, and a scan is as quick.
IVF_FROM = 4_096
# From here on `auto` scans 8-bit codes and scores the best by the float rows: a quarter of the memory
# and half of the time, and on real notes and questions the same answers. Inner products only.
SCAN_FROM = 20_000
# The file is worth writing when so many changes would have to be put again at the next start.
FLUSH_AT_LEAST, FLUSH_SHARE = 1_000, 0.10
COMPACT_AT_LEAST = 1_000


def create(settings: Settings, data_dir: Path) -> FaissBackend:
    """A backend over what is below `data_dir`. Files are read when a store is first used."""
    return FaissBackend(settings.index, data_dir)


class FaissBackend:
    """Searches of a store run beside each other; a change waits for them and they for it."""

    durable = False
    remote = False
    place = "faiss"
    metrics = ALL_METRICS
    max_top_k = None

    def __init__(self, index: str, data_dir: Path) -> None:
        self._index, self._data_dir = index, data_dir
        self._lock = threading.Lock()
        self._open: dict[str, _Store] = {}
        self._closed = False

    def create_store(
        self, store: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> StoreInfo:  # fmt: skip
        asked = StoreInfo(store, dimension, metric, None, space, model)
        with self._lock:
            if have := self._shape(store):
                check_shape(asked, have)
                return have
            folder = private_dir(self._folder(store))
            (folder / "vectors.faiss").unlink(missing_ok=True)  # of a store whose deletion a crash interrupted
            reach("collection.emptied")
            shape = {"dimension": dimension, "metric": metric, "space": space, "model": model}
            write_atomic(folder / "store.json", [json.dumps(shape).encode()])
            reach("collection.made")
            return asked

    def delete_store(self, store: str) -> None:
        with self._lock:
            if held := self._open.pop(store, None):
                held.forget()
            if (folder := self._folder(store)).is_dir():
                (folder / "vectors.faiss").unlink(missing_ok=True)  # while the record is there, the rest is found
                reach("collection.shrunk")
                shutil.rmtree(folder)
                reach("collection.removed")

    def list_stores(self) -> list[str]:
        return sorted(file.parent.name for file in self._data_dir.glob("*/store.json") if self._has(file.parent.name))

    def store_exists(self, store: str) -> bool:
        return self._has(store)

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        return self._store(store).put(vectors)

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        return self._store(store).delete(keys)

    def get_vectors(self, store: str, keys: Collection[str]) -> dict[str, np.ndarray]:
        return self._store(store).get(keys)

    def list_keys(self, store: str) -> Iterator[str]:
        return iter(self._store(store).keys())

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False  # noqa: A002
    ) -> list[Match]:  # fmt: skip
        return self._store(store).query(vector, top_k, filter, with_metadata=payload)

    def get_store_info(self, store: str) -> StoreInfo:
        with self._lock:
            held, shape = self._held(store), self._shape(store)
        count, detail = held.info()
        assert shape is not None
        return replace(shape, count=count, detail=detail)

    def flush(self, store: str) -> None:
        """Write the cache file if a tenth of the store has changed, and no fewer than 1,000 vectors."""
        self._store(store).save(FLUSH_SHARE, FLUSH_AT_LEAST)

    def close(self) -> None:
        """Write the cache of each store that has changed, so that nothing deleted stays in it, and free all."""
        with self._lock:
            try:
                for held in self._open.values():
                    held.save(0, 1)
            finally:
                self._closed = True
                for held in self._open.values():
                    held.forget()
                self._open.clear()

    def _has(self, store: str) -> bool:
        return self._shape(store) is not None

    def _folder(self, store: str) -> Path:
        if store in ("", ".", "..") or "/" in store or "\0" in store:
            raise StoreMismatch(f"{store!r} cannot be the name of a store")
        return self._data_dir / store

    def _shape(self, store: str) -> StoreInfo | None:
        """The shape of a store; None for one that is not there, or whose record is damaged."""
        try:
            shape = json.loads((self._folder(store) / "store.json").read_bytes())
            space, model = shape.get("space", ""), shape.get("model", "")
            return StoreInfo(store, int(shape["dimension"]), shape["metric"], None, space, model)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _store(self, store: str) -> _Store:
        with self._lock:
            return self._held(store)

    def _held(self, store: str) -> _Store:
        """The open store, under the lock."""
        if self._closed:
            raise BackendUnavailable("the index is closed", hint="try again in a moment")
        if store not in self._open:
            if (shape := self._shape(store)) is None:
                raise UnknownStore(f"the backend has no store {store!r}")
            self._open[store] = _Store(shape, self._folder(store), self._index)
        return self._open[store]


class _Store:
    """
    One store: a table of slots, and a layout that holds their rows.

    `_changing` is held by whatever changes the store or saves it; `_memory` by whatever looks into it.
    """

    def __init__(self, shape: StoreInfo, folder: Path, index: str) -> None:
        self.dimension, self.metric = shape.dimension, shape.metric
        self._file, self._index = folder / "vectors.faiss", index
        self._changing = threading.Lock()
        self._memory = ReadWriteLock()
        self._n_changes = 0
        self._is_gone = False
        self._table, self._layout = self._read()
        if self._layout.kind != self._wanted():
            self._rebuild()

    # -- reading -----------------------------------------------------------------------------------

    def query(self, vector: np.ndarray, top_k: int, where: Filter | None, *, with_metadata: bool) -> list[Match]:
        query = prepared(check_query(vector, self.dimension), self.metric)
        with self._memory.read():
            self._check_here()
            allowed = self._table.allowed(where)
            n = min(self._layout.candidates(top_k), int(np.count_nonzero(allowed)))
            if n == 0 or top_k <= 0:
                return []
            slots = self._layout.search(query, n, allowed, exact=where is not None)
            scores = exact_scores(self._layout.rows(slots), query, self.metric)
            keys = map(self._table.key, slots.tolist())
            best = sorted(zip((-scores).tolist(), keys, strict=True))[:top_k]
            if not with_metadata:
                return [Match(key, -cost) for cost, key in best]
            return [Match(key, -cost, self._table.metadata(self._table.slots[key])) for cost, key in best]

    def get(self, keys: Collection[str]) -> dict[str, np.ndarray]:
        with self._memory.read():
            self._check_here()
            there = [key for key in keys if key in self._table.slots]
            return dict(zip(there, self._layout.rows(self._slots(there)), strict=True))

    def keys(self) -> list[str]:
        with self._memory.read():
            return list(self._table.slots)

    def info(self) -> tuple[int, dict[str, Any]]:
        """How many vectors there are, and what the layout says of itself."""
        with self._memory.read():
            return len(self._table.slots), {**self._layout.detail(), "unsaved_changes": self._n_changes}

    # -- changing ----------------------------------------------------------------------------------

    def put(self, vectors: Sequence[Vector]) -> int:
        rows = prepared(matrix(vectors, self.dimension), self.metric)
        last = {vector.key: i for i, vector in enumerate(vectors)}
        with self._changing:
            new = [(key, i) for key, i in last.items() if not self._same(key, rows[i], vectors[i])]
            if new:
                keys, places = [key for key, _ in new], [i for _, i in new]
                with self._memory.write():
                    slots = self._table.plan(keys, in_place=self._layout.in_place)
                    self._layout.put(slots, rows[places])
                    self._table.assign(keys, slots, [vectors[i].metadata for i in places])
                self._changed(len(new))
        return len(last)

    def _same(self, key: str, row: np.ndarray, vector: Vector) -> bool:
        slot = self._table.slots.get(key)
        if slot is None or not self._table.same_metadata(slot, vector.metadata):
            return False
        return bool(np.array_equal(self._layout.rows(np.array([slot]))[0], row))

    def delete(self, keys: Collection[str]) -> int:
        with self._changing:
            there = [key for key in set(keys) if key in self._table.slots]
            if there:
                with self._memory.write():
                    self._layout.blank(self._slots(there))
                    self._table.remove(there)
                self._changed(len(there))
        return len(there)

    def _slots(self, keys: Collection[str]) -> np.ndarray:
        return np.array([self._table.slots[key] for key in keys], dtype=np.int64)

    def _changed(self, n: int) -> None:
        """Count changes, and build the layout anew when it no longer suits what it holds."""
        self._n_changes += n
        count, size = len(self._table.slots), self._table.size
        sparse = size - count > max(COMPACT_AT_LEAST, self._layout.spare * size)
        if sparse or self._layout.kind != self._wanted() or self._layout.outgrown(count):
            self._rebuild()

    def _wanted(self) -> str:
        """The kind of layout for what is there; it shrinks back only at half of what made it grow."""
        count = len(self._table.slots)
        threshold = SCAN_FROM if self._index == "auto" else IVF_FROM
        if self._index in ("flat", "hnsw"):
            return self._index
        larger = "scan" if self._index == "auto" else "ivf"
        if self._index == "auto" and self.metric == "euclidean":
            return "flat"
        return larger if count >= (threshold / 2 if self._layout.kind == larger else threshold) else "flat"

    def _rebuild(self) -> None:
        """A new layout of the wanted kind over the live rows. Queries go on with the old one until it stands."""
        old, live = self._layout, np.array(sorted(self._table.slots.values()), dtype=np.int64)
        layout = build(self._wanted(), self.dimension, self.metric, len(live), lambda slots: old.rows(live[slots]))
        keys = [self._table.key(slot) for slot in live]
        table = Table()
        table.assign(keys, table.plan(keys, in_place=True), [self._table.metadata(slot) for slot in live])
        with self._memory.write():
            self._layout, self._table = layout, table
        old.close()
        self._n_changes = max(self._n_changes, len(live))

    # -- the file ------------------------------------------------------------------------------------

    def save(self, share: float, at_least: int) -> None:
        """Write the file if changes are `at_least` so many and this `share` of all. Queries go on meanwhile."""
        with self._changing:
            if self._n_changes < max(at_least, share * len(self._table.slots)):
                return
            with self._memory.read():
                header = Header(
                    self._layout.kind, self.metric, self.dimension, self._table.size, len(self._table.slots)
                )
                table = self._table.dump({"notes": self._layout.notes()})
                length, body = self._layout.body()
                written = file.save(self._file, header, table, length, body)
            with self._memory.write():
                self._layout.saved(written)
            self._n_changes = 0
            reach("checkpoint.finished")

    def _read(self) -> tuple[Table, Layout]:
        try:
            header, content, body = file.load(self._file)
        except FileNotFoundError:
            return self._empty()
        except file.OtherVersion:
            self._file.unlink()  # sound, and of no use to anybody: everything in it is in the catalog
            return self._empty()
        except (file.Unreadable, OSError):
            return self._start_over()
        try:
            return Table.load(content), self._checked(load(header, content["notes"], body), header)
        except Exception:  # FAISS raises RuntimeError for a body it cannot read, and others for nonsense
            with suppress(OSError):
                os.close(body.fd)
            return self._start_over()

    def _checked(self, layout: Layout, header: Header) -> Layout:
        if (header.dimension, header.metric) != (self.dimension, self.metric):
            raise file.Unreadable("the file belongs to another store")
        return layout

    def _start_over(self) -> tuple[Table, Layout]:
        """Keep the damaged file for whoever wants to look at it, one at the most, and begin empty."""
        self._file.replace(self._file.with_suffix(".corrupt"))
        reach("checkpoint.set_aside")
        return self._empty()

    def _empty(self) -> tuple[Table, Layout]:
        def nothing(_: np.ndarray) -> Any:
            return np.empty((0, self.dimension), dtype=np.float32)

        kind = "hnsw" if self._index == "hnsw" else "flat"
        return Table(), build(kind, self.dimension, self.metric, 0, nothing)

    def forget(self) -> None:
        """Free everything; nothing may be called afterwards."""
        with self._changing, self._memory.write():
            self._is_gone = True
            self._layout.close()

    def _check_here(self) -> None:
        """Whoever waited for the lock may find the store deleted, or the backend closed."""
        if self._is_gone:
            raise UnknownStore("the backend's store is gone")
