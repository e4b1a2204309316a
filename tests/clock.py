"""A clock that goes on when it is told to: a suspend, a clock set back or forward, without waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vragd.system.clock import Clock


class FakeClock(Clock):
    """Starts at an ordinary moment. `advance` is called on the event loop of those who wait."""

    def __init__(self, *, steady: float = 1_000.0, wall: float = 1_750_000_000.0) -> None:
        self._steady, self._wall, self._asleep = steady, wall, 0.0
        self._waiting: set[asyncio.Future[None]] = set()
        self._rings: dict[object, tuple[float, Callable[[], None]]] = {}

    def steady(self) -> float:
        return self._steady

    def awake(self) -> float:
        return self._steady - self._asleep

    def wall(self) -> float:
        return self._wall

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the clock: no time passes."""
        self._wall = seconds

    def pass_(self, seconds: float, *, asleep: bool = False) -> None:
        """So much time passes, and nobody had a turn yet."""
        self._steady += seconds
        self._wall += seconds
        self._asleep += seconds if asleep else 0.0

    async def advance(self, seconds: float, *, asleep: bool = False) -> None:
        """The same; whoever was due has had its turn when this returns."""
        self.pass_(seconds, asleep=asleep)
        await self.turn()

    async def turn(self) -> None:
        """Let everything that is ready run."""
        for number, (due, call) in list(self._rings.items()):
            if due <= self._steady and number in self._rings:
                del self._rings[number]
                call()
        for future in list(self._waiting):
            if not future.done():
                future.set_result(None)
        for _ in range(50):
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], object], step_s: float, most_s: float) -> float:
        """Advance step by step until `condition` holds; how many seconds that took. AssertionError past `most_s`."""
        passed = 0.0
        while not condition():
            assert passed < most_s, f"not within {most_s:g} s"
            await self.advance(step_s)
            passed += step_s
        return passed

    def ring(self, seconds: float, call: Callable[[], None], *, slack_s: float = 0.0) -> Callable[[], None]:
        number = object()
        self._rings[number] = self._steady + seconds, call

        def forget() -> None:
            self._rings.pop(number, None)

        return forget

    async def wait(self, event: asyncio.Event, seconds: float | None, *, slack_s: float = 0.0) -> None:
        deadline = None if seconds is None else self._steady + seconds
        told = asyncio.ensure_future(event.wait())
        try:
            while not told.done() and (deadline is None or self._steady < deadline):
                moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.add(moved)
                try:
                    await asyncio.wait({told, moved}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    self._waiting.discard(moved)
        finally:
            told.cancel()
