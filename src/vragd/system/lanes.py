"""
Lanes: named threads that own blocking state, reached from the event loop only through `run`.

A call that may last says `progress()` now and then, so that what is long can be told from what hangs.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_here = threading.local()  # .lane: the one whose thread this is


def progress() -> None:
    """Say that the call on this lane is alive. Cheap; does nothing on a thread that is no lane's."""
    lane: Lane | None = getattr(_here, "lane", None)
    if lane is not None:
        lane._running[threading.get_native_id()] = time.monotonic()


class Lane:
    """
    A thread, or `threads` of them, with a name that shows in `py-spy` and in the logs.

    `only_reads`: what runs here changes nothing and may hang with its file system, so nobody has to wait
    for it, not even `close`.
    """

    def __init__(self, name: str, threads: int = 1, *, only_reads: bool = False) -> None:
        self._only_reads = only_reads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._running: dict[int, float] = {}  # thread (its number in the system) -> when its call last moved, monotonic

    async def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Await `fn(*args, **kwargs)` on the lane.

        If the caller is cancelled, `fn` is waited for and then the cancellation goes on: a half-applied
        batch is worse than a slow shutdown. With `only_reads` it is left alone, or never begun.
        """
        context = contextvars.copy_context()
        work = asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._call(context, fn, *args, **kwargs))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if self._only_reads:
                work.cancel()
                raise
            while not work.done():
                try:
                    await asyncio.wait([work])
                except asyncio.CancelledError:
                    pass  # cancelled again: no reason to leave the work alone
            if not work.cancelled():
                work.exception()  # consume it: the cancellation wins
            raise

    def _call(self, context: contextvars.Context, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        _here.lane = self
        progress()
        try:
            return context.run(fn, *args, **kwargs)
        finally:
            self._running.pop(threading.get_native_id(), None)

    @property
    def busy(self) -> bool:
        """Whether a call runs."""
        return bool(self._running)

    def silent_s(self) -> float:
        """For how many seconds a call has made no progress, whatever it waits for; 0 when none runs."""
        now = time.monotonic()
        return max((now - at for at in list(self._running.values())), default=0.0)

    def stuck_s(self) -> float:
        """
        For how many seconds a call has made no progress; 0 when none runs. Any thread may ask.

        One that waits for a disk or a network mount is not counted: it holds up its own store, and whoever
        restarts the daemon for it finds the same again.
        """
        now = time.monotonic()
        return max((now - at for thread, at in list(self._running.items()) if not _waits_for_disk(thread)), default=0.0)

    def close(self) -> None:
        """Finish what runs, drop what waits, end the threads. Blocks, unless it `only_reads`."""
        self._pool.shutdown(wait=not self._only_reads, cancel_futures=True)


def _waits_for_disk(thread: int) -> bool:
    """Whether the thread is in uninterruptible sleep: state D of proc(5). Only Linux tells."""
    try:
        with open(f"/proc/self/task/{thread}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].startswith(b"D")
    except OSError:
        return False
