"""The vectors of the last questions: whoever asks again, or goes on typing and back, waits for no embedder."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np


class Remembered:
    """At most `most` vectors, by space (an id) and text; in memory alone, what was asked is on no disk. Any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: OrderedDict[tuple[int, str], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, space: int, text: str) -> np.ndarray | None:
        """The vector of a question in that space, which is the caller's; None for one that is not remembered."""
        with self._lock:
            row = self._rows.get((space, text))
            if row is None:
                return None
            self._rows.move_to_end((space, text))
            return row.copy()

    def keep(self, space: int, text: str, row: np.ndarray) -> None:
        """Remember a vector, and forget the one that was asked for longest ago if there are too many."""
        with self._lock:
            self._rows[space, text] = row.copy()
            self._rows.move_to_end((space, text))
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)

    def forget(self, space: int) -> None:
        """Remember nothing of that space any longer."""
        with self._lock:
            for key in [key for key in self._rows if key[0] == space]:
                del self._rows[key]
