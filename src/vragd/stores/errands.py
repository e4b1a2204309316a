"""Work that is begun beside and ends by itself. On the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

Work = Coroutine[None, None, None]


class Errands:
    """Those of one owner, until `stop`. `ended` is called after each, with the error if it failed."""

    def __init__(self, ended: Callable[[BaseException | None], None]) -> None:
        self._loop, self._on_end = asyncio.get_running_loop(), ended
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def begin(self, work: Work) -> asyncio.Task[None]:
        """One more."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def begin_soon(self, work: Callable[[], Work]) -> None:
        """As `begin`, from any thread."""
        self.soon(lambda: self.begin(work()))

    def soon(self, call: Callable[[], object]) -> None:
        """Have `call` called on the loop. Any thread; nothing after `stop`, or once the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(lambda: None if self._stopped else call())
        except RuntimeError:
            return

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._on_end(task.exception())

    async def stop(self) -> None:
        """End all that go on; what other threads still ask for is begun no more."""
        self._stopped = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
