"""
Vectors of one's own in a backend, without a daemon: `open_backend`.

    from vragd import open_backend

    with open_backend("file", path="~/vectors") as vectors:
        vectors.create_store("words", dimension=3)
        vectors.put_vectors("words", [("a", [1, 0, 0], {"kind": "letter"})])
        print(vectors.query("words", [1, 0, 0], k=1)[0].key)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self, get_args

import numpy as np

from vragd.backends.base import Batch, CollectionInfo, Match, VectorBackend
from vragd.backends.scores import exact_scores, prepared
from vragd.errors import CollectionMismatch, UnknownCollection, Unsupported, UsageError, VectorsRefused
from vragd.terms.filter import And, Compare, Filter, In, Metadata, holds
from vragd.terms.metric import METRICS, Metric

AT_ONCE = 1_000
"""Rows that are put, read or compared at once."""
MOST_ASKED = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

Given = Mapping[str, Any]
Row = Any
"""Numbers: a list, a tuple, or an array of any float type."""


@dataclass(frozen=True, slots=True)
class Record:
    """A vector under its key, 1 to 1,024 ASCII characters. `metadata` is what filters see: text, numbers, lists."""

    key: str
    vector: Row
    metadata: Given = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """
    What a question found. `score`: higher is better; see `backends.base.Match`. None where it was not asked for, as
    `vector`, float32, shape (dimension,).
    """

    key: str
    score: float | None
    metadata: Mapping[str, Any]
    vector: np.ndarray | None = None


class Vectors:
    """
    Stores of vectors in one backend, until `close`; use it in a `with`. Any thread may call.

    Every method but those that make or list stores raises UnknownCollection for a store that there is not, and what
    the backend says: BackendUnavailable when a retry may help, VectorsRefused for rows that it cannot hold.
    """

    def __init__(self, backend: VectorBackend, held: ExitStack, advice: str = "") -> None:
        self._open, self._held = backend, held
        self._closed = False
        self.advice = advice
        """For people: how many vectors it suits, and what to use for more; empty where that is no matter."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free everything. Once is enough."""
        self._closed = True
        self._held.close()

    @property
    def _backend(self) -> VectorBackend:
        if self._closed:
            raise UsageError("these vectors are closed", hint="open_backend opens them again")
        return self._open

    # -- stores ------------------------------------------------------------------------------------

    def create_store(
        self, store: str, dimension: int, metric: Metric = "cosine", *, space: str = "", model: str = ""
    ) -> bool:  # fmt: skip
        """
        Make an empty store; False where it is there already, with the same shape. `space`, up to 32 of a-z and 0-9,
        says which model's vectors these are: others are refused from then on. Raises CollectionMismatch.
        """
        if not _NAME.fullmatch(store):
            raise UsageError(f"a store cannot be called {store[:80]!r}", hint="3 to 63 of a-z, 0-9, - and .")
        if metric not in METRICS:
            raise UsageError(f"there is no metric {metric!r}", hint=f"one of: {', '.join(sorted(METRICS))}")
        was_there = self.store_exists(store)
        self._backend.create_collection(store, dimension, metric, space=space, model=model)
        return not was_there

    def store_exists(self, store: str) -> bool:
        """Whether there is a store of this name."""
        return store in self._backend.list_collections()

    def stores(self) -> list[str]:
        """Names, sorted."""
        return self._backend.list_collections()

    def store_info(self, store: str) -> CollectionInfo:
        """Dimension, metric, space, how many vectors there are where the backend knows, and what else it says."""
        return self._backend.collection_info(store)

    def delete_store(self, store: str) -> bool:
        """Forget a store and all that is in it; whether there was one."""
        try:
            identity = self._backend.collection_info(store).identity
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
        dimension, n_put = self._backend.collection_info(store).dimension, 0
        waiting = iter(records)
        while some := [_record(one) for one in islice(waiting, AT_ONCE)]:
            rows = np.stack([_row(one.key, one.vector, dimension) for one in some])
            self._backend.put_vectors(store, _batch(some, rows))
            n_put += len(some)
        return n_put

    def update_metadata(self, store: str, metadata: Mapping[str, Given]) -> int:
        """Replace the metadata of keys that are there, and keep their vectors; how many were there."""
        n_updated, waiting = 0, iter(metadata.items())
        while some := [Record(key, None, given) for key, given in islice(waiting, AT_ONCE)]:
            n_updated += self._update(store, some)
        return n_updated

    def _update(self, store: str, some: Sequence[Record]) -> int:
        if self._backend.traits.patches:
            return len(some) - len(self._backend.put_metadata(store, _batch(some, None)))
        held = self._backend.get(store, [one.key for one in some])
        found = [one for one in some if one.key in held]
        if found:
            rows = np.stack([_given_back(held[one.key].values) for one in found])
            self._backend.put_vectors(store, _batch(found, rows))
        return len(found)

    def delete_vectors(self, store: str, keys: Iterable[str]) -> int:
        """Forget keys; how many were there."""
        n_deleted, waiting = 0, iter(dict.fromkeys(keys))
        while some := list(islice(waiting, AT_ONCE)):
            n_deleted += len(self._backend.get(store, some, values=False))
            self._backend.delete_vectors(store, some)
        return n_deleted

    def get_vectors(self, store: str, keys: Collection[str]) -> dict[str, Record]:
        """What is kept of those keys that are there; vectors as float32, of length 1 where the metric is cosine."""
        held = self._backend.get(store, keys, values=True, metadata=True)
        return {key: Record(key, one.values, _shown(one.metadata)) for key, one in held.items()}

    def keys(self, store: str, prefix: str = "") -> Iterator[str]:
        """Every key that begins so, in no order."""
        return (key for key, _ in self._backend.list_keys(store, prefix))

    def bulk(self, store: str, expect: int) -> AbstractContextManager[None]:
        """A `with` around many puts, about `expect` vectors: they may be found only at its end, and go in faster."""
        return self._backend.bulk(store, expect)

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
        if not 1 <= k <= MOST_ASKED:
            raise UsageError(f"k is {k}, expected 1 to {MOST_ASKED:,}")
        info = self._backend.collection_info(store)
        row, where = _row("the query", vector, info.dimension), _filter(filter)
        if metric is not None and metric != info.metric:
            found = self._by_another(info, row, k, metric, where)
        else:
            found = self._nearest(store, row, k, where)
        held = self._backend.get(store, [one.key for one in found]) if include_vectors else {}
        return [
            Found(
                one.key, one.score if include_scores else None, _shown(one.metadata),
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
        if metric not in METRICS or not info.exact or self._backend.traits.value_error is None:
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


def _record(given: Record | Sequence[Any] | Given) -> Record:
    if isinstance(given, Record):
        return given
    if isinstance(given, Mapping):
        if unknown := given.keys() - {"key", "vector", "metadata"}:
            raise UsageError(f"a record has no {min(unknown)!r}", hint="key, vector and metadata")
        return Record(given["key"], given["vector"], given.get("metadata") or {})
    return Record(*given)


def _row(key: str, numbers: Row, dimension: int) -> np.ndarray:
    """float32, shape (dimension,). Raises CollectionMismatch, VectorsRefused, both naming the key."""
    try:
        row = np.asarray(numbers, dtype=np.float32)
    except (TypeError, ValueError):
        raise VectorsRefused(f"the vector of {key!r} holds what is no number", keys=(key,), part="values") from None
    if row.shape != (dimension,):
        what = f"{row.shape[0]} numbers" if row.ndim == 1 else f"the shape {row.shape}"
        raise CollectionMismatch(
            f"the vector of {key!r} has {what}, the store's have {dimension}", what="dimension",
            hint="it may be another model's",
        )  # fmt: skip
    if not np.isfinite(row).all():
        raise VectorsRefused(f"the vector of {key!r} holds a value that is not finite", keys=(key,), part="values")
    if not row.any():
        raise VectorsRefused(f"the vector of {key!r} is zero", keys=(key,), part="values")
    return row


def _given_back(values: np.ndarray | None) -> np.ndarray:
    if values is None:
        raise Unsupported("this backend gives no vector back", condition="values")
    return values


def _batch(records: Sequence[Record], rows: np.ndarray | None) -> Batch:
    nothing: list[Metadata] = [{}] * len(records)
    return Batch(
        [one.key for one in records], rows, [_kept(one) for one in records], nothing, [""] * len(records)
    )  # fmt: skip


def _kept(record: Record) -> Metadata:
    found: dict[str, Any] = {}
    for name, value in record.metadata.items():
        plain = tuple(value) if isinstance(value, list) else value
        parts = plain if isinstance(plain, tuple) else (plain,)
        if not isinstance(name, str) or not all(isinstance(part, str | int | float) for part in parts):
            raise VectorsRefused(
                f"{name!r} of {record.key!r} is {type(value).__name__}, expected text, a number, true, false or a list",
                keys=(record.key,), part="metadata",
            )  # fmt: skip
        found[name] = plain
    return found


def _shown(metadata: Metadata) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in metadata.items()}


def _filter(given: Filter | Given | None) -> Filter | None:
    if given is None or isinstance(given, get_args(Filter)):
        return given
    if not isinstance(given, Mapping):
        raise UsageError(f"a filter is {type(given).__name__}", hint="expected a mapping, or a tree of conditions")
    for name, value in given.items():
        several = value if isinstance(value, list | tuple | set | frozenset) else [value]
        if not isinstance(name, str) or not all(isinstance(one, str | int | float) for one in several):
            raise UsageError(
                f"the filter's {name!r} is {type(value).__name__}",
                hint="expected text, a number, true, false or a list",
            )
    parts: list[Filter] = [
        In(name, tuple(value)) if isinstance(value, list | tuple | set | frozenset) else Compare(name, "=", value)
        for name, value in given.items()
    ]
    return And(tuple(parts)) if parts else None
