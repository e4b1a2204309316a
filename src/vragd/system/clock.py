"""
The one seam for time: pass a `Clock`, and a test waits for nothing. Standard library only.

Whatever keeps a promise counts on `steady`: people and networks set the wall clock, and a laptop sleeps. How long a
call has hung is no such promise: that counts `time.monotonic`, which stands still while the machine sleeps.
"""

from __future__ import annotations

import asyncio
import sys
import time


def _steady_clock() -> int:
    """The clock of the system that never goes back and goes on while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.CLOCK_BOOTTIME  # Linux: its CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW stand still in a suspend
    if sys.platform == "darwin":
        # mach_continuous_time(); CLOCK_MONOTONIC is made from the wall clock there, CLOCK_UPTIME_RAW stands still
        return time.CLOCK_MONOTONIC_RAW
    return time.CLOCK_MONOTONIC


_STEADY = _steady_clock()


class Clock:
    """The system's clocks."""

    look_again_s = 5.0
    """The event loop's own timers stand still while the machine sleeps: so often the clock is looked at in between."""

    def steady(self) -> float:
        """Seconds since some moment; never goes back, counts sleep. Any thread."""
        return time.clock_gettime(_STEADY)

    def awake(self) -> float:
        """As `steady`, but it stands still while the machine sleeps, where the system can tell. Any thread."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970 as the machine has it now: for what is stored and shown. May jump. Any thread."""
        return time.time()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Return when `event` is set or so many `steady` seconds are over; None waits for the event alone."""
        deadline = None if seconds is None else self.steady() + seconds
        while not event.is_set():
            left = None if deadline is None else deadline - self.steady()
            if left is not None and left <= 0:
                return
            try:
                async with asyncio.timeout(None if left is None else min(left, self.look_again_s)):
                    await event.wait()
            except TimeoutError:
                continue

    async def sleep(self, seconds: float) -> None:
        """Return when so many `steady` seconds are over."""
        await self.wait(asyncio.Event(), seconds)


SYSTEM = Clock()
