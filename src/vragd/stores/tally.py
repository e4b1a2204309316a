"""How many questions were answered, and how long they took: for metrics. Belongs to the event loop."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the buckets, in seconds; what takes longer is in one more."""


class Tally:
    """Since the process began."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0
        self.n_failed = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around a question: one that raises has failed, and its time does not count."""
        began = time.perf_counter()
        try:
            yield
        except BaseException:
            self.n_failed += 1
            raise
        took_s = time.perf_counter() - began
        self.seconds += took_s
        self.buckets[bisect_left(BOUNDS_S, took_s)] += 1
