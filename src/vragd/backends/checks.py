"""What every backend checks before it writes or asks, with the same complaints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vragd.backends.base import MAX_KEY_BYTES, Batch, CollectionInfo, Traits
from vragd.errors import BackendRefused, CollectionMismatch, Unsupported, VectorsRefused
from vragd.system.files import vault_around
from vragd.terms.filter import Filter, shown
from vragd.terms.metric import Metric


def may_be_called(name: str) -> bool:
    """Whether a folder of a collection can have this name: one that leads elsewhere names none, whatever is there."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name


def check_traits(traits: Traits, dimension: int, metric: str, kind: str) -> None:
    """Raise CollectionMismatch if a backend of this kind cannot hold such vectors."""
    if metric not in traits.metrics:
        known = " or ".join(sorted(traits.metrics))
        raise CollectionMismatch(f"{kind} cannot do metric {metric!r}", what="metric", hint=f"metric: {known}")
    if not 1 <= dimension <= traits.max_dimension:
        raise CollectionMismatch(
            f"{kind} takes up to {traits.max_dimension} dimensions, asked for {dimension}", what="dimension"
        )


def check_shape(asked: CollectionInfo, have: CollectionInfo) -> None:
    """Raise CollectionMismatch if the collection that is there (`have`) is not the one that was asked for."""
    if (have.dimension, have.metric) != (asked.dimension, asked.metric):
        raise CollectionMismatch(
            f"store {have.name!r} holds {have.dimension}-d {have.metric} vectors,"
            f" asked for {asked.dimension}-d {asked.metric}",
            what="dimension" if have.dimension != asked.dimension else "metric",
            hint="take another name, or another place: that one stays as it is",
        )
    if asked.space and have.space and have.space != asked.space:
        raise CollectionMismatch(
            f"store {have.name!r} holds vectors of {have.model or 'another model'}, not of {asked.model}",
            what="space",
            hint="use the embedder it was made with, or another store name",
        )


def check_identity(name: str, have: str, meant: str) -> None:
    """Raise CollectionMismatch if the collection that is there is not the one that was meant."""
    if have != meant:
        raise CollectionMismatch(f"collection {name!r} is another one by now: it was left as it is", what="identity")


def checked_rows(batch: Batch, dimension: int) -> np.ndarray:
    """
    The values as float32, shape (len(batch), dimension); VectorsRefused names those that cannot be kept.

    Keys are 1 to MAX_KEY_BYTES ASCII characters; values are finite and not all zero. Of another length than the
    collection's are all or none: that is a CollectionMismatch.
    """
    check_keys(batch)
    if not len(batch):
        return np.empty((0, dimension), dtype=np.float32)
    if batch.values is None:
        raise VectorsRefused("a batch without values", keys=tuple(batch.keys[:1]), part="values")
    if batch.values.shape != (len(batch), dimension):
        raise CollectionMismatch(
            f"vector {batch.keys[0]!r} has shape {batch.values.shape[1:]}, the store holds ({dimension},)",
            what="dimension",
            hint="this store was made by another model",
        )
    rows = np.asarray(batch.values, dtype=np.float32)
    good = np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)
    if not good.all():
        bad = tuple(batch.keys[i] for i in np.flatnonzero(~good).tolist())
        raise VectorsRefused(
            f"vector {bad[0]!r} is zero or holds a value that is not a finite number", keys=bad, part="values"
        )
    return rows


def check_keys(batch: Batch) -> None:
    """Raise VectorsRefused for a key that some backend could not hold."""
    bad = tuple(key for key in batch.keys if not key or not key.isascii() or len(key) > MAX_KEY_BYTES)
    if bad:
        raise VectorsRefused(f"key {bad[0][:40]!r} is not 1 to {MAX_KEY_BYTES} ASCII characters", keys=bad, part="key")


def checked_query(vector: np.ndarray, dimension: int, metric: Metric | None = None) -> np.ndarray:
    """
    `vector` as float32 of shape (dimension,), or CollectionMismatch; where a backend says its `metric`, also for a zero
    that is to be compared by direction.
    """
    row = np.asarray(vector, dtype=np.float32)
    if row.shape != (dimension,):
        raise CollectionMismatch(f"the query has shape {row.shape}, the store holds ({dimension},)", what="query")
    if not np.isfinite(row).all():
        raise CollectionMismatch("the query holds a value that is not a finite number", what="query")
    if metric == "cosine" and not row.any():
        raise CollectionMismatch("the query is zero, and has no direction to compare", what="query")
    return row


def refuse(where: Filter | None, kind: str) -> None:
    """Raise Unsupported for a condition that is left over."""
    if where is not None:
        condition = shown(where)
        raise Unsupported(f"{kind} cannot filter by {condition}", condition=condition)


def outside_vaults(path: Path) -> None:
    """Raise BackendRefused for a place in a vault of Obsidian: nothing is ever written there."""
    if vault := vault_around(path):
        raise BackendRefused(
            f"{path} is inside the vault {vault}", hint="vectors belong outside: vragd never writes in a vault"
        )
