"""A folder that the FAISS backend is opened over, again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vragd.backends.base import Batch, Entry
from vragd.backends.faiss.backend import FaissBackend
from vragd.backends.faiss.collection import Tuning

NAME = "notes"


class Open:
    """Opens the backend over the same folder each time; those that were not closed are like a crash."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.tuning = folder, Tuning()

    def __call__(self, index: str = "flat") -> FaissBackend:
        return FaissBackend(index, self._folder, self.tuning)


def put(backend: FaissBackend, rows: np.ndarray, first: int = 0) -> None:
    """Put `rows` by the keys k0, k1, ... from `first` on."""
    backend.put_vectors(NAME, Batch.of([Entry(f"k{first + i}", row) for i, row in enumerate(rows)]))
