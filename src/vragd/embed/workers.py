"""
Bulk work on a model that runs in this process: as many threads as it may take, on one session of one thread.

Runs of one thread each are quicker together than one run of several: there is nothing they wait for each other for. And
they need one copy of the model.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from vragd.system.cores import go_behind, usable_cores
from vragd.system.power import on_battery

MOST = 8
LOOKED_AT_AGAIN_S = 30.0

Item = TypeVar("Item")
Made = TypeVar("Made")


class Workers:
    """
    So many of them; 0 leaves it to us: as many as there are cores that may be used, at most 8, and one on battery.

    A question takes the place of one of them, but never of the last. Any thread.
    """

    def __init__(self, wanted: int, battery: Callable[[], bool] = on_battery) -> None:
        self.most = wanted or max(1, min(MOST, usable_cores()))
        self._battery, self._minds_battery = battery, not wanted
        self._looked_at, self._saves = float("-inf"), False
        self._places = threading.Condition()
        self._working = self._asking = 0
        self._turn = threading.Lock()
        # the caller's own thread goes on as it is; the others leave a question the rest of its answer, too
        self._pool = ThreadPoolExecutor(self.most - 1, "embed", go_behind) if self.most > 1 else None

    def each(self, run: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
        """What `run` makes of each, in the order of `items`. What it raises is raised. One caller at a time, blocks."""
        left, made = iter(range(len(items))), dict[int, Made]()
        taking = threading.Lock()

        def work() -> None:
            while True:
                with taking:  # a generator is not to be stepped by two
                    at = next(left, None)
                if at is None:
                    return
                try:
                    with self._working_place():
                        made[at] = run(items[at])
                except BaseException:
                    with taking:
                        for _ in left:  # the others have nothing more to do
                            pass
                    raise

        with self._turn:
            others = self._begin(work, self._beside(len(items)))
            try:
                work()
            finally:
                failed = [error for other in others if (error := other.exception())]
            if failed:
                raise failed[0]
        return [made[at] for at in range(len(items))]

    @contextmanager
    def question(self) -> Iterator[None]:
        """Around a question: it waits for nobody, and one worker goes no further meanwhile."""
        with self._places:
            self._asking += 1
        try:
            yield
        finally:
            with self._places:
                self._asking -= 1
                self._places.notify_all()

    def close(self) -> None:
        """End the threads, when what they do is done."""
        if self._pool:
            self._pool.shutdown(wait=False)

    def _begin(self, work: Callable[[], None], n: int) -> list[Future[None]]:
        if self._pool is None:
            return []
        try:
            return [self._pool.submit(work) for _ in range(n)]
        except RuntimeError:  # it was closed: what is left is the caller's
            return []

    def _beside(self, n_items: int) -> int:
        """How many threads help the caller's own."""
        now = time.monotonic()
        if self._minds_battery and now - self._looked_at > LOOKED_AT_AGAIN_S:
            self._looked_at, self._saves = now, self._battery()
        return 0 if self._saves else min(self.most, n_items) - 1

    @contextmanager
    def _working_place(self) -> Iterator[None]:
        with self._places:
            self._places.wait_for(lambda: not self._working or self._working + self._asking < self.most)
            self._working += 1
        try:
            yield
        finally:
            with self._places:
                self._working -= 1
                self._places.notify_all()
