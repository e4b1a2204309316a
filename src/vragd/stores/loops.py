"""Loops that do one thing over and over until there is nothing to do, and then wait to be woken. On the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import structlog

from vragd.errors import VragdError
from vragd.stores.stirs import unheard
from vragd.system.clock import Clock
from vragd.system.lanes import Step, step
from vragd.system.log import error_fields

log = structlog.get_logger()

BROKEN_RETRY_S = 60.0
TRANSIENT_RETRY_S = 1.0  # a catalog that is locked for a moment is no bug

Once = Callable[[], Awaitable[float | None]]
"""One step; what it gives is for how many seconds there is nothing to do, None for until it is woken."""


class Loops:
    """Those of the store `name`, from `begin` to `stop`. Each step, and what wakes them, is a `stir`: see `Stirs`."""

    def __init__(self, name: str, clock: Clock, stir: Callable[[], None] = unheard) -> None:
        self._name, self._clock, self._stir = name, clock, stir
        self._loop = asyncio.get_running_loop()
        self._woken: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._steps: dict[str, Step] = {}  # on a clock that stands while the machine sleeps: it hung nowhere
        self._moved = asyncio.Condition()
        self._wake_sent = False

    def begin(self, name: str, once: Once) -> None:
        """Another loop."""
        self._woken[name] = asyncio.Event()
        self.tasks[name] = self._loop.create_task(self._forever(name, once))

    async def stop(self) -> None:
        """End all of them, each at its next safe point."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _forever(self, name: str, once: Once) -> None:
        woken = self._woken[name]
        while True:
            woken.clear()
            self._steps[name] = Step()
            step.set(self._steps[name])
            try:
                wait_s = await once()
            except Exception as error:  # a bug must not end the loop that keeps the promise
                log.error("worker.step_failed", store=self._name, step=name, **error_fields(error))
                passes = isinstance(error, VragdError) and error.transient
                wait_s = TRANSIENT_RETRY_S if passes else BROKEN_RETRY_S
            del self._steps[name]
            self._stir()
            async with self._moved:
                self._moved.notify_all()
            if wait_s != 0:
                await self._clock.wait(woken, wait_s)

    async def moved(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether `condition` holds; looks after each step of a loop, and waits up to `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(condition)
        except TimeoutError:
            return condition()
        return True

    def overdue(self, bound_s: float) -> Iterator[tuple[str, bool]]:
        """Each loop that has ended, or whose step has not moved for `bound_s`; and whether it has ended."""
        now = time.monotonic()
        for name, task in self.tasks.items():
            going = self._steps.get(name)
            if task.done() or (going is not None and now - going.moved_at > bound_s):
                yield name, task.done()

    # -- wake-ups ----------------------------------------------------------------------------------

    def wake_from_any_thread(self) -> None:
        """As `wake`. A storm of events sends one wake-up, not thousands; a lost race costs one more."""
        if self._wake_sent:
            return
        self._wake_sent = True
        try:
            self._loop.call_soon_threadsafe(self.wake)
        except RuntimeError:
            return

    def wake(self) -> None:
        """Have every loop look now whether there is something to do."""
        self._wake_sent = False
        self._stir()
        for event in self._woken.values():
            event.set()
