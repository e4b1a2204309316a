"""
Events about files that are no notes: which of them are there is looked at together, a moment later.

Their text is nobody's business, so that one which is written without end costs a look a moment, holds up no note and is
not pending. What an event does not tell the next scan does.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

from vragd.errors import VragdError

WAIT_S = 0.25
MOST = 512
"""More paths than that are one scan."""


class Attachments:
    """Those of one source. `hint` from any thread, the rest on the event loop."""

    def __init__(
        self,
        look: Callable[[list[str]], Awaitable[None]],
        scan: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]],
        begin: Callable[[], None],
    ) -> None:
        """`begin` has `run` called on the loop; `scan` asks for a scan of all, where looking is not enough."""
        self._look, self._scan, self._sleep, self._begin = look, scan, sleep, begin
        self._lock = threading.Lock()
        self._paths: set[str] = set()
        self._waits = False

    def hint(self, path: str) -> None:
        """Whether something is at `path` may be another answer by now."""
        with self._lock:
            if len(self._paths) <= MOST:
                self._paths.add(path)
            begins, self._waits = not self._waits, True
        if begins:
            self._begin()

    async def run(self) -> None:
        """Look at what was hinted, until nothing is."""
        try:
            while paths := await self._taken():
                await self.look(paths)
        finally:
            self._waits = False

    async def _taken(self) -> list[str]:
        await self._sleep(WAIT_S)
        with self._lock:
            paths, self._paths = self._paths, set()
            self._waits = bool(paths)
        return sorted(paths)

    async def look(self, paths: list[str]) -> None:
        """Look at these now."""
        try:
            if len(paths) <= MOST:
                await self._look(paths)
            else:
                self._scan()
        except VragdError:
            self._scan()  # whose work is tried until it is done
