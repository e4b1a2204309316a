"""Lanes: named threads that own blocking state, reached from the event loop only through `run`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Lane:
    """A thread, or `threads` of them, with a name that shows in `py-spy` and in the logs."""

    def __init__(self, name: str, threads: int = 1) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Await `fn(*args, **kwargs)` on the lane.

        If the caller is cancelled, `fn` is waited for and then the cancellation goes on: a half-applied
        batch is worse than a slow shutdown.
        """
        context = contextvars.copy_context()
        work = asyncio.get_running_loop().run_in_executor(self._pool, lambda: context.run(fn, *args, **kwargs))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            while not work.done():
                try:
                    await asyncio.wait([work])
                except asyncio.CancelledError:
                    pass  # cancelled again: no reason to leave the work alone
            if not work.cancelled():
                work.exception()  # consume it: the cancellation wins
            raise

    def close(self) -> None:
        """Finish what runs, drop what waits, end the threads. Blocks."""
        self._pool.shutdown(wait=True, cancel_futures=True)
