"""A rate that writes to a remote service keep below."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Budget:
    """Holds requests below a rate, so that being throttled stays the exception. Thread-safe; sleeps."""

    def __init__(
        self, requests_per_s: float, vectors_per_s: float,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        self._lock, self._clock, self._sleep = threading.Lock(), clock, sleep
        self._requests_per_s, self._vectors_per_s = requests_per_s, vectors_per_s
        self._free_at = 0.0  # monotonic

    def take(self, n_vectors: int) -> None:
        """Wait until a request of so many vectors is within the rate."""
        with self._lock:
            now = self._clock()
            starts = max(now, self._free_at)
            self._free_at = starts + max(1 / self._requests_per_s, n_vectors / self._vectors_per_s)
        self._sleep(starts - now)
