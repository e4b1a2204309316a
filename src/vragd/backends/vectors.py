"""
Vectors of one's own in a backend, without a daemon: `open_backend`.

    from vragd import open_backend

    with open_backend("file", path="~/vectors") as vectors:
        vectors.create_store("words", dimension=3)
        vectors.put_vectors("words", [("a", [1, 0, 0], {"kind": "letter"})])
        print(vectors.query("words", [1, 0, 0], k=1)[0].key)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np

from vragd.backends import given as checked
from vragd.backends.base import CollectionInfo, Match, VectorBackend
from vragd.backends.given import Given, Record, Row
from vragd.backends.scores import exact_scores, prepared
from vragd.errors import UnknownCollection, Unsupported, UsageError
from vragd.terms.filter import Filter, holds
from vragd.terms.metric import METRICS, Metric

AT_ONCE = 1_000
"""Rows that are put, read or compared at once."""
MOST_ASKED = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """
    What a question found. `score`: higher is better; see `backends.base.Match`. None where it was not asked for, as
    `vector`, float32, shape (dimension,).
    """

    key: str
    score: float | None
    metadata: Mapping[str, Any]
    vector: np.ndarray | None = None
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Found):
            return NotImplemented
        plain = (self.key, self.score, self.metadata) == (other.key, other.score, other.metadata)
        return plain and np.array_equal(self.vector, other.vector)  # type: ignore[arg-type]


class Vectors:
    """
    Stores of vectors in one backend, until `close`; use it in a `with`. Any thread may call, no forked process.

    Every method but those that make or list stores raises UnknownCollection for a store that there is not, and what
    the backend says: BackendUnavailable when a retry may help, VectorsRefused for rows that it cannot hold.
    """

    def __init__(self, backend: VectorBackend, held: ExitStack, advice: str = "") -> None:
        self._open, self._held = backend, held
        self._closed, self._process = False, os.getpid()
        self.advice = advice
        """For people: how many vectors it suits, and what to use for more; empty where that is no matter."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free everything. Once is enough. In a process that was forked since, nothing: they are its parent's."""
        if os.getpid() == self._process:
            self._closed = True
            self._held.close()

    @property
    def _backend(self) -> VectorBackend:
        if self._closed:
            raise UsageError("these vectors are closed", hint="open_backend opens them again")
        if os.getpid() != self._process:
            raise UsageError("these vectors were opened before a fork", hint="open_backend in the process that asks")
        return self._open

    # -- stores ------------------------------------------------------------------------------------

    def create_store(
        self, store: str, dimension: int, metric: Metric = "cosine", *, space: str = "", model: str = ""
    ) -> bool:  # fmt: skip
        """
        Make an empty store; False where it is there already, with the same shape. `space`, up to 32 of a-z and 0-9,
        says which model's vectors these are: others are refused from then on. Raises CollectionMismatch.
        """
        if not _NAME.fullmatch(checked.text("a store's name", store)):
            raise UsageError(f"a store cannot be called {store[:80]!r}", hint="3 to 63 of a-z, 0-9, - and .")
        if metric not in list(METRICS):
            raise UsageError(f"there is no metric {metric!r}", hint=f"one of: {', '.join(sorted(METRICS))}")
        shape, meant = checked.whole("dimension", dimension), checked.space(space)
        was_there = self.store_exists(store)
        self._backend.create_collection(store, shape, metric, space=meant, model=checked.text("model", model))
        return not was_there

    def store_exists(self, store: str) -> bool:
        """Whether there is a store of this name."""
        return store in self._backend.list_collections()

    def stores(self) -> list[str]:
        """Names, sorted."""
        return self._backend.list_collections()

    def store_info(self, store: str) -> CollectionInfo:
        """Dimension, metric, space, how many vectors there are where the backend knows, and what else it says."""
        return self._backend.collection_info(checked.text("a store's name", store))

    def delete_store(self, store: str) -> bool:
        """Forget a store and all that is in it; whether there was one."""
        try:
            identity = self.store_info(store).identity
        except UnknownCollection:
            return False
        self._backend.delete_collection(store, identity=identity)
        return True

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, store: str, records: Iterable[Record | Sequence[Any] | Given]) -> int:
        """
        Put vectors, each in place of what its key had; how many. A record is a `Record`, (key, vector[, metadata]),
        or a mapping with these names. Those of one call that come first stay when a later one is refused.

        Raises CollectionMismatch for another length than the store's, VectorsRefused for what is no finite number, or
        zero: both name the key.
        """
        dimension, n_put = self.store_info(store).dimension, 0
        waiting = checked.records(records)
        while some := list(islice(waiting, AT_ONCE)):
            rows = np.stack([checked.row(one.key, one.vector, dimension) for one in some])
            self._backend.put_vectors(store, checked.batch(some, rows))
            n_put += len(some)
        return n_put

    def update_metadata(self, store: str, metadata: Mapping[str, Given]) -> int:
        """Replace the metadata of keys that are there, and keep their vectors; how many were there."""
        n_updated, waiting = 0, checked.changes(metadata)
        while some := list(islice(waiting, AT_ONCE)):
            n_updated += self._update(checked.text("a store's name", store), some)
        return n_updated

    def _update(self, store: str, some: Sequence[Record]) -> int:
        if self._backend.traits.patches:
            return len(some) - len(self._backend.put_metadata(store, checked.batch(some, None)))
        held = self._backend.get(store, [one.key for one in some])
        found = [one for one in some if one.key in held]
        if found:
            rows = np.stack([_given_back(held[one.key].values) for one in found])
            self._backend.put_vectors(store, checked.batch(found, rows))
        return len(found)

    def delete_vectors(self, store: str, keys: Iterable[str]) -> int:
        """Forget keys; how many were there."""
        self.store_info(store)
        n_deleted, waiting = 0, iter(checked.keys(keys))
        while some := list(islice(waiting, AT_ONCE)):
            n_deleted += len(self._backend.get(store, some, values=False))
            self._backend.delete_vectors(store, some)
        return n_deleted

    def get_vectors(self, store: str, keys: Iterable[str]) -> dict[str, Record]:
        """
        What is kept of those keys that are there, in their order; vectors as float32, of length 1 where the metric is
        cosine.
        """
        asked = checked.keys(keys)
        held = self._backend.get(checked.text("a store's name", store), asked, values=True, metadata=True)
        return {key: Record(key, held[key].values, checked.shown(held[key].metadata)) for key in asked if key in held}

    def keys(self, store: str, prefix: str = "") -> Iterator[str]:
        """Every key that begins so, in no order."""
        self.store_info(store)
        begins = checked.text("a prefix", prefix)
        return (key for key, _ in self._backend.list_keys(store, begins)) if begins.isascii() else iter(())

    def bulk(self, store: str, expect: int) -> AbstractContextManager[None]:
        """A `with` around many puts, about `expect` vectors: they may be found only at its end, and go in faster."""
        self.store_info(store)
        return self._backend.bulk(store, checked.whole("expect", expect))

    # -- questions ---------------------------------------------------------------------------------

    def query(
        self, store: str, vector: Row, k: int = 10, *, metric: Metric | None = None,
        filter: Filter | Given | None = None, include_scores: bool = True, include_vectors: bool = False,
    ) -> list[Found]:  # fmt: skip
        """
        The `k` nearest vectors that pass `filter`, the best first. A filter is a tree of `vragd.terms.filter`, or a
        mapping: every field equals its value, or one of a list of values.

        Another `metric` than the store's compares every vector, as it is kept, where the store is searched exactly;
        else it is refused: Unsupported.
        """
        k = checked.whole("k", k)
        if not 1 <= k <= MOST_ASKED:
            raise UsageError(f"k is {k}, expected 1 to {MOST_ASKED:,}")
        info = self.store_info(store)
        row, where = checked.row(None, vector, info.dimension), checked.condition(filter)
        if metric is not None and metric not in list(METRICS):  # it may be anything, also what has no hash
            raise Unsupported(f"there is no metric {metric!r}", condition="metric")
        if metric is not None and metric != info.metric:
            found = self._by_another(info, row, k, metric, where)
        else:
            found = self._nearest(store, row, k, where)
        held = self._backend.get(store, [one.key for one in found]) if include_vectors else {}
        return [
            Found(
                one.key, one.score if include_scores else None, checked.shown(one.metadata),
                held[one.key].values if one.key in held else None,
            )
            for one in found
        ]  # fmt: skip

    def _nearest(self, store: str, row: np.ndarray, k: int, where: Filter | None) -> list[Match]:
        """What the backend cannot evaluate of a filter is evaluated here, and looked for further."""
        pushed, left = self._backend.split(store, where)
        depth, most = k if left is None else 4 * k, self._backend.traits.max_matches or 1 << 30
        while True:
            answer = self._backend.query(store, row, min(depth, most), where=pushed, payload=True)
            found = [one for one in answer.items if left is None or holds(left, one.metadata)]
            if len(found) >= k or answer.end != "more" or depth >= most:
                return found[:k]
            depth *= 4

    def _by_another(
        self, info: CollectionInfo, row: np.ndarray, k: int, metric: Metric, where: Filter | None
    ) -> list[Match]:  # fmt: skip
        if not info.exact or self._backend.traits.value_error is None:
            raise Unsupported(f"{info.name!r} is searched by {info.metric}, not by {metric}", condition="metric")
        best: list[Match] = []
        keys = (key for key, _ in self._backend.list_keys(info.name))
        while some := list(islice(keys, AT_ONCE)):
            held = self._backend.get(info.name, some, values=True, metadata=True)
            passing = [(key, one) for key, one in held.items() if where is None or holds(where, one.metadata)]
            if passing:
                rows = np.stack([_given_back(one.values) for _, one in passing])
                scores = exact_scores(prepared(rows, metric), prepared(row, metric), metric)
                best += [Match(key, float(s), one.metadata) for (key, one), s in zip(passing, scores, strict=True)]
                best = sorted(best, key=lambda match: (-match.score, match.key))[:k]
        return best


def _given_back(values: np.ndarray | None) -> np.ndarray:
    if values is None:
        raise Unsupported("this backend gives no vector back", condition="values")
    return values
