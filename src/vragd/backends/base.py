"""
The backend contract.

A backend holds vectors by key and finds the nearest. It is derived from the catalog: whatever it
loses is put again from there, without embedding anything. Adding a backend is one folder, one line in
`registry.py`, one factory in `tests/conformance`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from vragd.errors import StoreMismatch

Metric = Literal["cosine", "euclidean", "dot"]

Scalar = str | int | float | bool
MetadataValue = Scalar | tuple[str, ...]
Metadata = Mapping[str, MetadataValue]

# Every condition must hold. A condition holds when the vector's value equals one of the wanted
# values, or, for a tuple, contains one of them. A vector without the key never matches.
Filter = Mapping[str, Collection[Scalar]]

MAX_KEY_BYTES = 1024  # S3 Vectors' limit, the smallest of any backend

# All that a payload may hold. A remote backend declares them where it must be told beforehand.
PAYLOAD_KEYS = ("content", "path", "title", "heading", "line_from", "line_to", "source_name")


@dataclass(frozen=True, slots=True)
class Vector:
    """
    A vector to store: `values` is float32, shape (dimension,).

    `metadata` can be filtered on and is small. `payload`, of `PAYLOAD_KEYS`, is what a remote backend
    answers those with who have no catalog beside it; a local backend drops it.
    """

    key: str
    values: np.ndarray
    metadata: Metadata = field(default_factory=dict)
    payload: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """
    A vector near the query. `score`: higher is better, for every backend and metric.

    cosine: the similarity, in [-1, 1]. dot: the product. euclidean: 1 / (1 + distance), in (0, 1].
    """

    key: str
    score: float
    metadata: Metadata = field(default_factory=dict)
    payload: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """
    `count` is None where the service does not say. `detail` is the backend's own, for `store info`.

    `space` is what `create_store` was given, `model` a readable form of it; empty where nothing was.
    `identity` names this very store: one that was deleted and made again has another. Empty where nobody
    else can do that.
    """

    store: str
    dimension: int
    metric: Metric
    count: int | None
    space: str = ""
    model: str = ""
    identity: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class VectorBackend(Protocol):
    """
    Synchronous; every method may be called from any thread, queries beside writes included.

    Any batch size is accepted: a backend splits into its own request sizes. Raises UnknownStore for a
    store that was not created (or that somebody else deleted), StoreMismatch for vectors that do not
    fit, BackendUnavailable when a retry may help, BackendRefused when the user must act, DiskFull.
    """

    durable: bool
    """Whether a returned put survives a crash. If not, whoever holds the catalog compares keys at start."""

    remote: bool
    """
    Kept elsewhere: a call may wait for a network, others may put into the same store and delete it, and
    payloads are kept, to be asked for with `query(..., payload=True)`.
    """

    place: str
    """Where and how vectors are kept. When it is another than before, everything is put again."""

    metrics: frozenset[Metric]
    max_top_k: int | None
    """The most matches one query can give; more are not given when more are asked for."""

    def create_store(
        self, store: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> StoreInfo:  # fmt: skip
        """
        Make an empty store, and say what is there. One that is there already is left as it is.

        `space` says what the vectors mean, up to 32 characters of a-z and 0-9, and `model` the same for
        people. Raises StoreMismatch for a store of another dimension, metric or space, and for a metric
        that is not among `metrics`.
        """

    def delete_store(self, store: str) -> None:
        """Forget the store and all that is in it. One that is not there is no error."""

    def list_stores(self) -> list[str]:
        """Names, sorted."""

    def store_exists(self, store: str) -> bool: ...

    def put_vectors(self, store: str, vectors: Sequence[Vector]) -> int:
        """Upsert by key; the last of equal keys wins. Validates all before writing any. Returns how many keys."""

    def delete_vectors(self, store: str, keys: Collection[str]) -> int:
        """Forget keys. Unknown keys are ignored: a retry is safe. Returns how many were there, if known."""

    def get_vectors(self, store: str, keys: Collection[str]) -> dict[str, np.ndarray]:
        """The stored values, float32, of those keys that are there; off by a 50,000th of the row's largest at most."""

    def list_keys(self, store: str) -> Iterator[str]:
        """Every key, once, in no order."""

    def query(
        self, store: str, vector: np.ndarray, top_k: int, filter: Filter | None = None, *, payload: bool = False  # noqa: A002
    ) -> list[Match]:  # fmt: skip
        """
        At most `top_k` and `max_top_k` nearest vectors that pass `filter`, best first.

        Without `payload` a match need not carry metadata or payload.
        """

    def get_store_info(self, store: str) -> StoreInfo: ...

    def flush(self, store: str) -> None:
        """Make what was put cheap to open again. Never needed for correctness."""

    def close(self) -> None:
        """Flush and free. Nothing may be called afterwards."""


def matrix(vectors: Sequence[Vector], dimension: int) -> np.ndarray:
    """
    The values as one float32 matrix, shape (len(vectors), dimension); StoreMismatch names the first misfit.

    The check every backend makes before it writes any of a batch: key, dimension, finite, not zero.
    """
    for vector in vectors:
        if not vector.key or not vector.key.isascii() or len(vector.key) > MAX_KEY_BYTES:
            raise StoreMismatch(f"key {vector.key[:40]!r} is not 1 to {MAX_KEY_BYTES} ASCII characters")
        if vector.values.shape != (dimension,):
            raise StoreMismatch(
                f"vector {vector.key!r} has shape {vector.values.shape}, the store holds ({dimension},)",
                hint="this store was made by another model",
            )
    rows = np.array([v.values for v in vectors], dtype=np.float32).reshape(len(vectors), dimension)
    good = np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)
    if not good.all():
        key = vectors[int(np.argmin(good))].key
        raise StoreMismatch(f"vector {key!r} is zero or holds a value that is not a finite number")
    return rows


def check_query(vector: np.ndarray, dimension: int) -> np.ndarray:
    """`vector` as float32 of shape (dimension,), or StoreMismatch."""
    row = np.asarray(vector, dtype=np.float32)
    if row.shape != (dimension,):
        raise StoreMismatch(f"the query has shape {row.shape}, the store holds ({dimension},)")
    if not np.isfinite(row).all():
        raise StoreMismatch("the query holds a value that is not a finite number")
    return row


def passes(metadata: Metadata, filter: Filter) -> bool:  # noqa: A002
    """Whether `metadata` satisfies every condition of `filter`."""
    for name, wanted in filter.items():
        have = metadata.get(name)
        values = have if isinstance(have, tuple) else () if have is None else (have,)
        if not any(value in wanted for value in values):
            return False
    return True


def check_shape(asked: StoreInfo, have: StoreInfo) -> None:
    """Raise StoreMismatch if the store that is there (`have`) is not the one that was asked for."""
    if (have.dimension, have.metric) != (asked.dimension, asked.metric):
        raise StoreMismatch(
            f"store {have.store!r} holds {have.dimension}-d {have.metric} vectors,"
            f" asked for {asked.dimension}-d {asked.metric}",
            hint=f"delete the store and index again: vragd store delete {have.store}",
        )
    if asked.space and have.space and have.space != asked.space:
        raise StoreMismatch(
            f"store {have.store!r} holds vectors of {have.model or 'another model'}, not of {asked.model}",
            hint="use the embedder it was made with, or another store name",
        )


def check_metric(metric: Metric, metrics: frozenset[Metric], kind: str) -> None:
    """Raise StoreMismatch if a backend of this kind cannot do `metric`."""
    if metric not in metrics:
        raise StoreMismatch(f"{kind} cannot do metric {metric!r}", hint=f"metric: {' or '.join(sorted(metrics))}")


ALL_METRICS: frozenset[Metric] = frozenset({"cosine", "euclidean", "dot"})
