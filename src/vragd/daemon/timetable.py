"""
When things are done again and again. Lives on the event loop.

What keeps a promise (heartbeats, retries, rescans, checkpoints, housekeeping) is done so many steady seconds after
it was done last: a clock that is set, or a machine that sleeps, holds up nothing. What belongs to the calendar is
done when the wall clock says so, in the zone of the machine: APScheduler knows when that is, and a moment that was
slept through or set over comes once, at the next look.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, tzinfo

import structlog
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from vragd.config.crontab import Crontab
from vragd.system.clock import SYSTEM, Clock
from vragd.system.log import error_fields

log = structlog.get_logger()

LOOK_S = 20.0  # how often the wall clock is looked at: it may be set, and the machine may sleep
SET_BACK_S = 90.0  # a clock that goes back by more was set; by less, a moment does not come twice
HOURS_A_DAY = 24
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

Work = Callable[[], Coroutine[None, None, None]]


class Timetable:
    """What is done when, until `stop`. `zone` is that of the calendar, the machine's if None."""

    def __init__(self, clock: Clock = SYSTEM, zone: tzinfo | None = None) -> None:
        self._clock, self._zone = clock, zone
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def every(self, name: str, seconds: float, work: Work, *, jitter: float = 0.0) -> None:
        """
        Do `work` each so many seconds from now on, give or take a share of `jitter`; instead of what had the name.

        Work that lasts is not begun a second time, and what was missed meanwhile is done once.
        """
        self._begin(name, self._every(name, seconds, work, jitter))

    def calendar(self, name: str, when: Crontab | None, work: Work) -> None:
        """Do `work` when the calendar says so; instead of what had the name. None: not at all."""
        self._cancel(name)
        if when is not None:
            self._begin(name, self._calendar(name, when, work))

    async def stop(self) -> None:
        """End what goes on, each at its next safe point."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    def _begin(self, name: str, loop: Coroutine[None, None, None]) -> None:
        self._cancel(name)
        self._tasks[name] = asyncio.get_running_loop().create_task(loop)

    def _cancel(self, name: str) -> None:
        if task := self._tasks.pop(name, None):
            task.cancel()

    async def _every(self, name: str, seconds: float, work: Work, jitter: float) -> None:
        while True:
            await self._clock.sleep(seconds * random.uniform(1 - jitter, 1 + jitter))  # noqa: S311
            await self._do(name, work)

    async def _calendar(self, name: str, when: Crontab, work: Work) -> None:
        looked_at = self._clock.wall()
        due = next_after(when, looked_at, self._zone)
        while due is not None:
            await self._clock.sleep(min(LOOK_S, max(0.0, due - looked_at)) or 1.0)
            now = self._clock.wall()
            if now >= due:
                await self._do(name, work)
                now = self._clock.wall()
                due = next_after(when, max(now, due), self._zone)
            elif now < looked_at - SET_BACK_S:
                due = next_after(when, now, self._zone)
            looked_at = now

    async def _do(self, name: str, work: Work) -> None:
        try:
            await work()
        except Exception as error:  # a bug must not end what keeps the promise
            log.error("schedule.job_failed", job=name, **error_fields(error))


def next_after(when: Crontab, wall: float, zone: tzinfo | None = None) -> float | None:
    """The first moment after `wall`, both in seconds since 1970; None if there is none. `zone` None: the machine's."""
    fields = {
        "minute": _listed(when.minutes),
        "hour": _listed(when.hours),
        "month": _listed(when.months),
        "timezone": zone,
    }
    days, weekdays = _listed(when.days), ",".join(_WEEKDAYS[day] for day in sorted(when.weekdays))
    if when.either:
        trigger = OrTrigger([CronTrigger(day=days, **fields), CronTrigger(day_of_week=weekdays, **fields)])
    else:
        trigger = CronTrigger(day=days, day_of_week=weekdays, **fields)
    found = trigger.get_next_fire_time(None, datetime.fromtimestamp(math.floor(wall) + 1, UTC))
    while found is not None and found.fold and len(when.hours) < HOURS_A_DAY:
        # an hour that comes twice when summer time ends: what is due at an hour of its own is due once
        found = trigger.get_next_fire_time(None, datetime.fromtimestamp(found.timestamp() + 1, UTC))
    return None if found is None else float(found.timestamp())


def _listed(values: frozenset[int]) -> str:
    return ",".join(map(str, sorted(values)))
