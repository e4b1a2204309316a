"""
Looks at paths that are not the daemon's own and may be on a file system that hangs: never on the event loop, never on
a thread that others need, and never for ever.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from vragd.errors import Overloaded
from vragd.system.clock import Clock
from vragd.system.lanes import Lane

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
ANSWERS_IN_S, WALKS_IN_S = 10.0, 240.0


class Outside:
    """A few threads, each of which may be lost to a mount that hangs until it answers."""

    def __init__(self, clock: Clock) -> None:
        self._lane = Lane("outside", THREADS, only_reads=True, most_waiting=THREADS)
        self._clock = clock

    async def run(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Await `fn(*args, **kwargs)`, which looks at paths and changes nothing.

        Raises Overloaded when the file system does not answer in time, or so many do not that no thread is left.
        """
        return await self._within(ANSWERS_IN_S, lambda: fn(*args, **kwargs))

    async def walk(self, top: str, fn: Callable[[], T]) -> T:
        """The same for `fn` that looks at all below `top`, which may last as long as `top` itself answers."""
        await self.run(os.stat, top)
        return await self._within(WALKS_IN_S, fn)

    async def _within(self, seconds: float, fn: Callable[[], T]) -> T:
        look = asyncio.ensure_future(self._lane.run(fn))
        patience = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({look, patience}, return_when=asyncio.FIRST_COMPLETED)
            if look.done():
                return look.result()
            raise Overloaded(
                "a file system does not answer", hint="vragd status says what is offline; look at its mount"
            )
        finally:
            for task in (look, patience):
                task.cancel()

    def close(self) -> None:
        """Waits for nobody."""
        self._lane.close()
