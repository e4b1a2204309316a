"""What filters selected, for whoever asks the same again: a page as one types, one page of hits after the other."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

MOST_IDS = 1_000_000
"""Ids that are kept, 8 bytes each; of larger sets, or more of them, the last asked for."""
MOST_KINDS = 4
"""Of rows of every note, 16 bytes each: dates and when notes were made, by the settings of now and of before."""


class Selected:
    """
    Sets of notes (ids, int64, sorted) by what selected them, all of one generation of the catalog. Any thread.

    Nothing is kept of an earlier generation, but for `rows`, which are brought up to date by what has changed since;
    and nothing that depends on more than the catalog may be put here.
    """

    def __init__(self, most_ids: int = MOST_IDS) -> None:
        self._most_ids = most_ids
        self._rows: dict[Hashable, tuple[int, np.ndarray]] = {}
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

    def rows(self, written: int, by: Hashable) -> tuple[int, np.ndarray] | None:
        """What was kept of every note, and as of which commit (`Selecting.written`): this one, or one before."""
        with self._lock:
            kept = self._rows.get(by)
            return kept if kept is not None and kept[0] <= written else None

    def keep_rows(self, written: int, by: Hashable, rows: np.ndarray) -> None:
        """Keep rows of every note as of this commit, which nobody changes; of few kinds, the last ones."""
        with self._lock:
            kept = self._rows.pop(by, None)
            self._rows[by] = kept if kept is not None and kept[0] > written else (written, rows)
            while len(self._rows) > MOST_KINDS:
                del self._rows[next(iter(self._rows))]


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows that are kept under `of`, that is what else they depend on, for a reader as of the commit `written`."""

    selected: Selected
    written: int
    of: Hashable

    def rows(self, by: Hashable) -> tuple[int, np.ndarray] | None:
        return self.selected.rows(self.written, (self.of, by))

    def keep_rows(self, by: Hashable, rows: np.ndarray) -> None:
        self.selected.keep_rows(self.written, (self.of, by), rows)
