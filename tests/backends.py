"""What tests ask of a backend, in fewer words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from vragd.backends.base import Batch, Entry, Match, VectorBackend


def put(backend: VectorBackend, name: str, entries: Sequence[Entry]) -> None:
    backend.put_vectors(name, Batch.of(entries))


def keys(backend: VectorBackend, name: str) -> list[str]:
    return [key for key, _ in backend.list_keys(name)]


def values(backend: VectorBackend, name: str, wanted: Collection[str]) -> dict[str, np.ndarray]:
    return {key: held.values for key, held in backend.get(name, wanted).items() if held.values is not None}


def nearest(backend: VectorBackend, name: str, vector: np.ndarray, top_k: int, **narrowed: Any) -> list[Match]:
    return list(backend.query(name, vector, top_k, **narrowed).items)


def delete(backend: VectorBackend, name: str) -> None:
    backend.delete_collection(name, identity=backend.collection_info(name).identity)
