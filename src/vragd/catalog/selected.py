"""What filters selected, for whoever asks the same again: a page as one types, one page of hits after the other."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

MOST_IDS = 1_000_000
"""Ids that are kept, 8 bytes each; of larger sets, or more of them, the last asked for."""


class Selected:
    """
    Sets of notes (ids, int64, sorted) by what selected them, all of one generation of the catalog. Any thread.

    Nothing is kept of an earlier generation, and nothing that depends on more than the catalog may be put here.
    """

    def __init__(self, most_ids: int = MOST_IDS) -> None:
        self._most_ids = most_ids
        self._lock = threading.Lock()
        self._generation = -1
        self._sets: dict[Hashable, np.ndarray] = {}

    def get(self, generation: int, by: Hashable) -> np.ndarray | None:
        """The notes that `by` selects in this generation, if that is known."""
        with self._lock:
            if generation != self._generation or by not in self._sets:
                return None
            found = self._sets[by] = self._sets.pop(by)  # asked for last
            return found

    def put(self, generation: int, by: Hashable, notes: np.ndarray) -> None:
        """Keep the notes, which nobody changes from now on."""
        with self._lock:
            if generation < self._generation:
                return
            if generation > self._generation:
                self._generation, self._sets = generation, {}
            self._sets[by] = notes
            n_ids = sum(map(len, self._sets.values()))
            while n_ids > self._most_ids:
                n_ids -= len(self._sets.pop(next(iter(self._sets))))


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one generation under `of`, that is what else it depends on."""

    selected: Selected
    generation: int
    of: Hashable

    def get(self, by: Hashable) -> np.ndarray | None:
        return self.selected.get(self.generation, (self.of, by))

    def put(self, by: Hashable, found: np.ndarray) -> None:
        self.selected.put(self.generation, (self.of, by), found)
