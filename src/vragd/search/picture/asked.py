"""A layout, from a process of its own that is bounded in memory and time and ends with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vragd.search.picture.layout import MOST
from vragd.system.child import Child, ChildEnded

WORKER = "vragd.search.picture.worker"
_MEMORY_MIB, _LEAST_S, _MOST_S = 512, 120.0, 600.0


class Layout:
    """One to be made. `ask` from one thread, once; `close` from any."""

    def __init__(self, vectors: np.ndarray, child: Callable[..., Child] = Child) -> None:
        """Of vectors, shape (n, dimension)."""
        self._n = len(vectors)
        self._question = vectors.shape[1].to_bytes(4, "little") + vectors.astype("<f4").tobytes()
        self._limit_s = min(_MOST_S, _LEAST_S + (_MOST_S - _LEAST_S) * min(1.0, self._n / MOST) ** 2)
        memory_mib = _MEMORY_MIB + (4 * len(self._question) >> 20)
        self._child = child(WORKER, str(memory_mib), str(int(self._limit_s)))

    def ask(self) -> np.ndarray:
        """The points: float32, shape (n, 2). Raises ChildEnded with its reason, and OSError where no process begins."""
        try:
            told = self._child.ask(self._question, 3 * self._limit_s, 8 * self._n)  # for other work goes before it
        finally:
            self._child.close()
        if len(told) != 8 * self._n:
            raise ChildEnded("too_much_memory")
        return np.frombuffer(told, dtype="<f4").reshape(-1, 2).astype(np.float32)

    def close(self) -> None:
        """End it: `ask` raises."""
        self._child.close()
