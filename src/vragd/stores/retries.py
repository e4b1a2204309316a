"""When the failed notes of a store are tried again: the catalog is asked when it is time, or when it was written."""

from __future__ import annotations

import math
from collections.abc import Awaitable

from vragd.sync.queue import SourcePath
from vragd.system.clock import Clock

AGAIN_S = 5.0
"""How often at most the catalog is asked."""
AT_LEAST_EVERY_S = 300.0


class Retries:
    """
    What the catalog said last of when the next failed note is due, and whether that still holds. On the event loop.

    A note's time is stored, and so by the wall clock. Any heartbeat may ask whether it is `due`: that reads nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holds = False
        self._asked_at, self._asked_wall = -math.inf, math.inf  # steady, and wall
        self._next: float | None = None  # wall

    @property
    def due(self) -> bool:
        """Whether the catalog is to be asked: a note is due, it was written since, or the clock was set back."""
        since_s, wall = self._clock.steady() - self._asked_at, self._clock.wall()
        if since_s < AGAIN_S:
            return False
        if not self._holds or since_s >= AT_LEAST_EVERY_S or wall < self._asked_wall:
            return True
        return self._next is not None and wall >= self._next

    def doubt(self) -> None:
        """The catalog was written, or may have been: a note may have failed."""
        self._holds = False

    async def ask(self, asked: Awaitable[tuple[list[SourcePath], float | None]]) -> list[SourcePath]:
        """What the catalog says is due, while it is `asked`; and when the next is, in seconds since 1970, if any."""
        self._holds, self._next = True, None  # what is written from now on it may not tell
        self._asked_at, self._asked_wall = self._clock.steady(), self._clock.wall()
        try:
            due, self._next = await asked
        except BaseException:
            self._holds = False
            raise
        return due
