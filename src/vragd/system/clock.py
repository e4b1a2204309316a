"""
The one seam for time: pass a `Clock`, and a test waits for nothing. Standard library only.

Whatever keeps a promise counts on `steady`: people and networks set the wall clock, and a laptop sleeps. How long a
call has hung is no such promise: that counts `time.monotonic`, which stands still while the machine sleeps.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary


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

    look_again_s = 10.0
    """
    The event loop's own timers stand still while the machine sleeps: while anybody waits the clock is looked at so
    often, once for all who wait.
    """

    def __init__(self) -> None:
        self._alarms: WeakKeyDictionary[asyncio.AbstractEventLoop, _Alarm] = WeakKeyDictionary()

    def steady(self) -> float:
        """Seconds since some moment; never goes back, counts sleep. Any thread."""
        return time.clock_gettime(_STEADY)

    def awake(self) -> float:
        """As `steady`, but it stands still while the machine sleeps, where the system can tell. Any thread."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970 as the machine has it now: for what is stored and shown. May jump. Any thread."""
        return time.time()

    async def wait(self, event: asyncio.Event, seconds: float | None, *, slack_s: float = 0.0) -> None:
        """
        Return when `event` is set or so many `steady` seconds are over; None waits for the event alone.

        With `slack_s`, up to so many later: when the process is awake for somebody else.
        """
        if event.is_set() or seconds is None:
            await event.wait()
        elif seconds > 0:
            try:
                async with asyncio.timeout(None) as until:
                    await self._rung(event, seconds, slack_s, until)
            except TimeoutError:
                return

    async def _rung(self, event: asyncio.Event, seconds: float, slack_s: float, until: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        forget = self.ring(seconds, lambda: until.reschedule(loop.time()), slack_s=slack_s)
        try:
            await event.wait()
        finally:
            forget()

    def ring(self, seconds: float, call: Callable[[], None], *, slack_s: float = 0.0) -> Callable[[], None]:
        """Have `call` called once, on the running loop, when `wait` would return; what calls that off."""
        loop = asyncio.get_running_loop()
        if (alarm := self._alarms.get(loop)) is None:
            alarm = self._alarms[loop] = _Alarm(self)
        return partial(alarm.forget, alarm.set(seconds, slack_s, call))

    async def sleep(self, seconds: float, *, slack_s: float = 0.0) -> None:
        """Return when so many `steady` seconds are over; `slack_s` as for `wait`."""
        await self.wait(asyncio.Event(), seconds, slack_s=slack_s)


class _Waiter(NamedTuple):
    """From when on it may be rung for, when it is to be at the latest, both steady, and how."""

    due: float
    latest: float
    ring: Callable[[], None]


class _Alarm:
    """One timer of an event loop for all who wait on it by a clock: the process wakes once for those due together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock  # and not the loop: it would be kept by what is kept for as long as it is there
        self._waiting: dict[int, _Waiter] = {}
        self._n = 0
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, slack_s: float, ring: Callable[[], None]) -> int:
        """Have `ring` called once, in so many seconds from now; its number, for `forget`."""
        self._n += 1
        due = self._clock.steady() + seconds
        self._waiting[self._n] = _Waiter(due, due + slack_s, ring)
        self._begin(seconds + slack_s)
        return self._n

    def forget(self, number: int) -> None:
        """Nobody waits for it any longer. While anybody does for another the timer stays, and may look in vain."""
        self._waiting.pop(number, None)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now, self._timer = self._clock.steady(), None
        try:
            for number, one in list(self._waiting.items()):
                if one.due <= now and self._waiting.pop(number, None) is not None:  # else one before called it off
                    one.ring()
        finally:  # one that fails must not have the others wait for ever
            if self._waiting:
                self._begin(min(one.latest for one in self._waiting.values()) - now)

    def _begin(self, seconds: float) -> None:
        """Look in so many seconds at the latest."""
        loop = asyncio.get_running_loop()
        moment = loop.time() + min(max(0.0, seconds), self._clock.look_again_s)
        if self._timer is not None and self._timer.when() <= moment:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(moment, self._look)


SYSTEM = Clock()
