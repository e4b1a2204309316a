"""
How the rows of one FAISS store lie in memory: four layouts behind one small interface.

Every layout finds candidates only; the store scores them exactly. None is locked: FAISS crashes the
process when a search runs beside a change, so the store's lock guards all of them.

    flat   float rows, scanned: exact. 11 ms at 100,000 x 768
    scan   8-bit codes in memory, scanned; 16-bit rows to score by stay in the cache file. A quarter of the
           memory and half of the time of flat; lost nothing on real notes and questions where it was measured
    ivf    lists of near rows, the most promising few scanned: approximate
    hnsw   a graph: approximate, the quickest, and the largest
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import faiss
import numpy as np

from vragd.backends.faiss.file import Body, Header
from vragd.backends.faiss.rows import Rows
from vragd.system.cores import usable_cores
from vragd.terms.metric import Metric

_BLOCK = 4096  # rows moved at once
_ROOM = np.float32(1.2)  # times the range of the sample: what comes later and lies outside is cut off
_CACHED = 256  # rows worked on at once where there are several steps: they stay in the processor's cache
_ENOUGH_STEPS = 10  # of 127: a rounded question has so many in a usual dimension; 20 to 30 where none sticks out
SAMPLE = 50_000  # rows that training looks at
METRICS = {
    "cosine": faiss.METRIC_INNER_PRODUCT,
    "dot": faiss.METRIC_INNER_PRODUCT,
    "euclidean": faiss.METRIC_L2,
}

Take = Callable[[np.ndarray], np.ndarray]

# Two cores take 0.6 of the time of one; more of them wait for memory.
_N_PARTS = min(4, usable_cores())
_scanning = ThreadPoolExecutor(_N_PARTS, "scan", initializer=lambda: faiss.omp_set_num_threads(1))


class Layout:
    """Rows by slot. `put` may only append slots without a gap; what a blank slot holds is never asked for."""

    kind: ClassVar[str]
    in_place: ClassVar[bool] = True
    """Whether a slot can be written again."""
    keeps_file: ClassVar[bool] = False
    """Whether a layout that was loaded goes on reading the file, and closes it."""
    spare: ClassVar[float] = 0.5
    """The share of free slots beyond which the layout is worth building anew."""

    def __init__(self, dimension: int, metric: Metric) -> None:
        self.dimension = dimension
        self.metric = metric

    def put(self, slots: np.ndarray, rows: np.ndarray) -> None:
        raise NotImplementedError

    def blank(self, slots: np.ndarray) -> None:
        """Forget the values there, as far as the layout can."""
        raise NotImplementedError

    def rows(self, slots: np.ndarray) -> np.ndarray:
        """A copy of the values, float32, shape (len(slots), dimension)."""
        raise NotImplementedError

    def search(self, query: np.ndarray, n: int, allowed: np.ndarray | None, *, exact: bool) -> np.ndarray:
        """
        At most `n` slots near `query` of those where `allowed` is true, or with None of all, in no order.

        At least `n` are allowed. `exact` asks for the nearest, whatever it costs.
        """
        raise NotImplementedError

    def candidates(self, top_k: int) -> int:
        """How many to search for, so that the best `top_k` are among them and ties are seen."""
        return top_k + 16

    def outgrown(self, count: int) -> bool:
        """Whether what was learned from the rows at the start no longer describes `count` of them."""
        return False

    def body(self) -> tuple[int, Iterator[np.ndarray]]:
        """What to keep on disk: its length in bytes, and the bytes."""
        raise NotImplementedError

    def notes(self) -> dict[str, Any]:
        """What to keep beside the body, for JSON."""
        return {}

    def saved(self, body: Body) -> None:
        """The body was written there. Takes over the descriptor."""
        os.close(body.fd)

    def detail(self) -> dict[str, Any]:
        """For `store info`."""
        return {"index": self.kind}

    def close(self) -> None:
        """Free what memory alone would not."""


class Flat(Layout):
    """Float rows, scanned whole."""

    kind = "flat"

    def __init__(self, dimension: int, metric: Metric) -> None:
        super().__init__(dimension, metric)
        self._index = faiss.IndexFlat(dimension, METRICS[metric])

    @classmethod
    def load(cls, header: Header, notes: Mapping[str, Any], body: Body) -> Flat:
        layout = cls(header.dimension, header.metric)
        layout._resize(header.slots)
        body.read(layout._view())
        return layout

    def put(self, slots: np.ndarray, rows: np.ndarray) -> None:
        if len(slots):
            self._resize(max(self._index.ntotal, int(slots.max()) + 1))
            self._view()[slots] = rows

    def blank(self, slots: np.ndarray) -> None:
        self._view()[slots] = 0

    def rows(self, slots: np.ndarray) -> np.ndarray:
        return self._view()[slots]

    def search(self, query: np.ndarray, n: int, allowed: np.ndarray | None, *, exact: bool) -> np.ndarray:
        return search(self._index, query, n, faiss.SearchParameters(sel=selector(allowed)))

    def body(self) -> tuple[int, Iterator[np.ndarray]]:
        view = self._view()
        return view.nbytes, iter([view])

    def _resize(self, size: int) -> None:
        """Make room as a C++ vector does: most of the time nothing is copied."""
        self._index.codes.resize(size * self.dimension * 4)
        self._index.ntotal = size

    def _view(self) -> np.ndarray:
        """FAISS's own memory, until the next `_resize`."""
        return floats(self._index)


class Scan(Layout):
    """
    One signed byte per number in memory, scanned whole; the rows themselves as `Rows` has them.

    Inner products only: each dimension has its own offset and scale, which an inner product lets the
    query carry, so one scale for all will do. Where the query loses next to nothing by it, it is rounded to
    whole numbers too, whose product is quicker than that of floats by a third.

    FAISS gives a query one core, so the slots are dealt out to several indexes that are searched at once.
    """

    kind = "scan"
    keeps_file = True

    def __init__(
        self, dimension: int, metric: Metric, middle: np.ndarray, scale: np.ndarray, n: int, *, whole: bool
    ) -> None:
        super().__init__(dimension, metric)
        # both read a code as itself - 128; since faiss 1.15 the first cuts any query to whole numbers, on AVX2 and up
        types = faiss.ScalarQuantizer
        kind = types.QT_8bit_direct_signed if whole else types.QT_8bit_uniform
        self._parts = [faiss.IndexScalarQuantizer(dimension, kind, faiss.METRIC_INNER_PRODUCT) for _ in range(_N_PARTS)]
        for part in self._parts:  # slot s is row s // _N_PARTS of part s % _N_PARTS
            if not whole:
                faiss.copy_array_to_vector(np.array([-128.5, 255], dtype=np.float32), part.sq.trained)
            part.is_trained = True
        self._size = 0
        self._middle, self._scale, self._seen, self._whole = middle, scale, n, whole
        self._rows = Rows(dimension)

    @classmethod
    def train(cls, dimension: int, metric: Metric, n: int, take: Take) -> Scan:
        sample = take(spread(n, SAMPLE // 4))
        low, high = sample.min(axis=0), sample.max(axis=0)
        half = np.maximum((high - low) / 2 * _ROOM, np.float32(1e-12))
        asked = sample[::10] * (half / 127)  # as a question would be: a model's large dimensions are large in both
        usual = np.median(np.abs(asked / steps(asked)), axis=1)
        whole = bool(np.percentile(usual, 5) >= _ENOUGH_STEPS)
        return cls(dimension, metric, (high + low) / 2, 127 / half, n, whole=whole)

    @classmethod
    def load(cls, header: Header, notes: Mapping[str, Any], body: Body) -> Scan:
        middle, scale = (np.array(notes[name], dtype=np.float32) for name in ("middle", "scale"))
        layout = cls(header.dimension, header.metric, middle, scale, notes["seen"], whole=notes.get("whole", False))
        layout._rows = Rows(header.dimension, body)
        layout._resize(header.slots)
        for slots in blocks(header.slots, _CACHED):  # on this thread alone: others' questions need those that scan
            layout._encode(slots, layout.rows(slots))
        return layout

    def put(self, slots: np.ndarray, rows: np.ndarray) -> None:
        if len(slots):
            self._resize(max(self._size, int(slots.max()) + 1))
            self._encode(slots, self._rows.put(slots, rows))

    def blank(self, slots: np.ndarray) -> None:
        self._write(slots, np.zeros((len(slots), self.dimension), dtype=np.uint8))
        self._rows.put(slots, np.zeros((len(slots), self.dimension), dtype=np.float32))

    def rows(self, slots: np.ndarray) -> np.ndarray:
        return self._rows.get(slots)

    def search(self, query: np.ndarray, n: int, allowed: np.ndarray | None, *, exact: bool) -> np.ndarray:
        asked = query / np.maximum(np.abs(query).max(), np.float32(1e-30)) / self._scale  # no order depends on length
        if self._whole:
            asked = asked / steps(asked)
            if np.median(np.abs(asked)) < _ENOUGH_STEPS:  # a client's own vector, unlike the rows: look further
                n = min(4 * n, self._size if allowed is None else int(np.count_nonzero(allowed)))
            asked = np.rint(asked)

        def scanned(i: int) -> tuple[np.ndarray, np.ndarray]:
            # asking for each row whether it may be found takes a fifth of the time
            parameters = None if allowed is None else faiss.SearchParameters(sel=selector(allowed[i::_N_PARTS]))
            scores, rows = nearest(self._parts[i], asked, n, parameters)
            return scores, rows * _N_PARTS + i

        scores, slots = (np.concatenate(found) for found in zip(*_scanning.map(scanned, range(_N_PARTS)), strict=True))
        if len(slots) > n:
            slots = slots[np.argpartition(-scores, n - 1)[:n]]
        found: np.ndarray = slots
        return found

    def candidates(self, top_k: int) -> int:
        return max(top_k + 50, 100)  # on 30,000 real notes the best 110 of floats are all among the best 130 of codes

    def outgrown(self, count: int) -> bool:
        return count >= 4 * self._seen

    def body(self) -> tuple[int, Iterator[np.ndarray]]:
        return self._rows.size_of(self._size), self._rows.body(blocks(self._size))

    def notes(self) -> dict[str, Any]:
        return {"middle": self._middle.tolist(), "scale": self._scale.tolist(), "seen": self._seen,
                "whole": self._whole}  # fmt: skip

    def saved(self, body: Body) -> None:
        self._rows.saved(body)

    def detail(self) -> dict[str, Any]:
        return {"index": self.kind, "rows_in_memory": self._rows.n_fresh, "rounds_questions": self._whole}

    def close(self) -> None:
        self._rows.close()

    def _resize(self, size: int) -> None:
        self._size = size
        for i, part in enumerate(self._parts):
            part.ntotal = len(range(i, size, _N_PARTS))
            part.codes.resize(part.ntotal * self.dimension)

    def _encode(self, slots: np.ndarray, rows: np.ndarray) -> None:
        levels = rows - self._middle
        levels *= self._scale
        levels += np.float32(128.5)  # what is behind the point is cut off below
        np.clip(levels, 1, np.float32(255.5), out=levels)
        self._write(slots, levels.astype(np.uint8))

    def _write(self, slots: np.ndarray, codes: np.ndarray) -> None:
        for i, part in enumerate(self._parts):
            here = slots % _N_PARTS == i
            if here.any():
                memory = faiss.rev_swig_ptr(part.codes.data(), part.ntotal * self.dimension)
                memory.reshape(part.ntotal, self.dimension)[slots[here] // _N_PARTS] = codes[here]


def steps(rows: np.ndarray) -> np.ndarray:
    """A 127th of the largest value of each row, shape (n, 1)."""
    found: np.ndarray = np.maximum(np.abs(rows).max(axis=-1, keepdims=True), np.float32(1e-30)) / 127
    return found


def search(index: Any, query: np.ndarray, n: int, parameters: Any) -> np.ndarray:
    return nearest(index, query, n, parameters)[1]


def nearest(index: Any, query: np.ndarray, n: int, parameters: Any) -> tuple[np.ndarray, np.ndarray]:
    """At most `n` scores, as FAISS has them, and their slots."""
    scores, slots = index.search(np.ascontiguousarray(query[None], dtype=np.float32), n, params=parameters)
    return scores[0][slots[0] >= 0], slots[0][slots[0] >= 0]


def selector(allowed: np.ndarray | None) -> Any:
    return None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def floats(index: Any) -> np.ndarray:
    size = index.ntotal
    if not size:
        return np.empty((0, index.d), dtype=np.float32)
    flat: np.ndarray = faiss.rev_swig_ptr(index.get_xb(), size * index.d)
    return flat.reshape(size, index.d)


def blocks(n: int, size: int = _BLOCK) -> Iterator[np.ndarray]:
    return (np.arange(start, min(n, start + size)) for start in range(0, n, size))


def spread(n: int, most: int) -> np.ndarray:
    """At most `most` of `n` slots, evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
