"""The approximate layouts of a FAISS store, and which layout is built when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import faiss
import numpy as np

from vragd.backends.faiss.file import Body, Header
from vragd.backends.faiss.layout import (
    METRICS,
    SAMPLE,
    Flat,
    Layout,
    Scan,
    Take,
    blocks,
    floats,
    search,
    selector,
    spread,
)
from vragd.terms.metric import Metric

_RECALL = 0.95  # of the ten nearest, what approximate layouts are tuned to find


class Ivf(Layout):
    """Lists of near rows; a query scans `nprobe` of them."""

    kind = "ivf"

    def __init__(self, dimension: int, metric: Metric, index: Any, n: int) -> None:
        super().__init__(dimension, metric)
        self._index, self._seen = index, n

    @classmethod
    def train(cls, dimension: int, metric: Metric, n: int, take: Take) -> Ivf:
        n_lists = max(1, min(int(4 * math.sqrt(n)), n // 4))
        index = faiss.IndexIVFFlat(faiss.IndexFlat(dimension, METRICS[metric]), dimension, n_lists, METRICS[metric])
        index.cp.niter, index.cp.min_points_per_centroid = 10, 1
        index.train(take(spread(n, min(SAMPLE, 32 * n_lists))))
        index.set_direct_map_type(faiss.DirectMap.Hashtable)  # removing costs what is removed
        return cls(dimension, metric, index, n)

    @classmethod
    def load(cls, header: Header, notes: Mapping[str, Any], body: Body) -> Ivf:
        return cls(header.dimension, header.metric, deserialised(body), notes["seen"])

    def tune(self, queries: np.ndarray) -> None:
        """Set `nprobe` to the least power of two that finds what a search of all lists finds."""
        everything = self._index.nlist
        best = self._index.search(queries, 10, params=faiss.SearchParametersIVF(nprobe=everything))[1]
        for n_probe in doubling(1, everything):
            self._index.nprobe = n_probe
            if recall(best, self._index.search(queries, 10)[1]) >= _RECALL:
                return

    def put(self, slots: np.ndarray, rows: np.ndarray) -> None:
        self.blank(slots)
        self._index.add_with_ids(rows, slots)

    def blank(self, slots: np.ndarray) -> None:
        self._index.remove_ids(faiss.IDSelectorArray(slots))

    def rows(self, slots: np.ndarray) -> np.ndarray:
        rows: np.ndarray = self._index.reconstruct_batch(slots)
        return rows

    def search(self, query: np.ndarray, n: int, allowed: np.ndarray | None, *, exact: bool) -> np.ndarray:
        everything, chosen = self._index.nlist, selector(allowed)
        for n_probe in (everything,) if exact else (self._index.nprobe, everything):
            found = search(self._index, query, n, faiss.SearchParametersIVF(sel=chosen, nprobe=n_probe))
            if len(found) == n:
                break
        return found

    def outgrown(self, count: int) -> bool:
        return count >= 4 * self._seen

    def body(self) -> tuple[int, Iterator[np.ndarray]]:
        return serialised(self._index)

    def notes(self) -> dict[str, Any]:
        return {"seen": self._seen}

    def detail(self) -> dict[str, Any]:
        return {"index": self.kind, "lists": self._index.nlist, "lists_searched": self._index.nprobe}


class Hnsw(Layout):
    """A graph. Nothing can be taken out of it, so a changed row gets a new slot, until it is built anew."""

    kind = "hnsw"
    in_place = False
    spare = 0.25

    def __init__(self, dimension: int, metric: Metric, index: Any = None, n: int = 250) -> None:
        super().__init__(dimension, metric)
        self._seen = n
        self._index = index
        if index is None:
            self._index = faiss.IndexHNSWFlat(dimension, 32, METRICS[metric])
            self._index.hnsw.efConstruction = 120
            self._index.hnsw.efSearch = 128

    @classmethod
    def load(cls, header: Header, notes: Mapping[str, Any], body: Body) -> Hnsw:
        return cls(header.dimension, header.metric, deserialised(body), notes["seen"])

    def tune(self, queries: np.ndarray) -> None:
        """Set `efSearch` to the least power of two that finds what a scan finds, 1,024 at the most."""
        best = self._index.storage.search(queries, 10)[1]
        for ef in doubling(64, 1024):
            self._index.hnsw.efSearch = ef
            if recall(best, self._index.search(queries, 10)[1]) >= _RECALL:
                return

    def put(self, slots: np.ndarray, rows: np.ndarray) -> None:
        self._index.add(rows)
        if self._index.ntotal >= 4 * self._seen:
            self._seen = self._index.ntotal
            self.tune(questions(self._seen, self.rows))

    def blank(self, slots: np.ndarray) -> None:
        """The graph leads through them; they go when it is built anew."""

    def rows(self, slots: np.ndarray) -> np.ndarray:
        return floats(faiss.downcast_index(self._index.storage))[slots]

    def search(self, query: np.ndarray, n: int, allowed: np.ndarray | None, *, exact: bool) -> np.ndarray:
        chosen = selector(allowed)
        if not exact:
            effort = max(self._index.hnsw.efSearch, 2 * n)
            found = search(self._index, query, n, faiss.SearchParametersHNSW(sel=chosen, efSearch=effort))
            if len(found) == n:
                return found
        return search(self._index.storage, query, n, faiss.SearchParameters(sel=chosen))

    def body(self) -> tuple[int, Iterator[np.ndarray]]:
        return serialised(self._index)

    def notes(self) -> dict[str, Any]:
        return {"seen": self._seen}

    def detail(self) -> dict[str, Any]:
        return {"index": self.kind, "ef_search": self._index.hnsw.efSearch}


def build(kind: str, dimension: int, metric: Metric, n: int, take: Take) -> Layout:
    """
    A layout of that kind with slots 0 to `n`-1; `take` gives the rows of some of these slots.

    Approximate layouts are tuned on means of two rows: like questions, they lie between notes.
    """
    layout: Layout
    if kind == "scan":
        layout = Scan.train(dimension, metric, n, take)
    elif kind == "ivf":
        layout = Ivf.train(dimension, metric, n, take)
    else:
        layout = Flat(dimension, metric) if kind == "flat" else Hnsw(dimension, metric)
    for slots in blocks(n):
        layout.put(slots, take(slots))
    if isinstance(layout, Ivf):
        layout.tune(questions(n, take))
    return layout


def load(header: Header, notes: Mapping[str, Any], body: Body) -> Layout:
    """The layout that wrote `body`; see `Layout.keeps_file`. Raises anything at all for one that cannot be read."""
    kinds: dict[str, type[Flat | Scan | Ivf | Hnsw]] = {k.kind: k for k in (Flat, Scan, Ivf, Hnsw)}
    return kinds[header.layout].load(header, notes, body)


def serialised(index: Any) -> tuple[int, Iterator[np.ndarray]]:
    blob: np.ndarray = faiss.serialize_index(index)
    return blob.nbytes, iter([blob])


def deserialised(body: Body) -> Any:
    blob = np.empty(body.length, dtype=np.uint8)
    body.read(blob)
    return faiss.deserialize_index(blob)


def questions(n: int, take: Take) -> np.ndarray:
    pairs = np.random.default_rng(0).integers(0, n, size=(2, 64))
    means: np.ndarray = (take(pairs[0]) + take(pairs[1])) / 2
    return means


def doubling(start: int, end: int) -> Iterator[int]:
    while start < end:
        yield start
        start *= 2
    yield end


def recall(best: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(best, found, strict=True)]))
