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

Seconds = float | Callable[[], float]
"""How long, or what tells when the work has been done how long that is until the next time."""
Work = Callable[[], Coroutine[None, None, None] | None]
"""What is done; where that lasts, what is to be awaited."""


class _Every:
    """Work that is done each so many seconds, `due` by the steady clock; `going` while it is."""

    def __init__(self, clock: Clock, seconds: Seconds, work: Work, jitter: float) -> None:
        self._clock, self._seconds, self._jitter = clock, seconds, jitter
        self.plan = seconds, jitter
        self.work, self.going = work, None  # type: Work, asyncio.Task[None] | None
        self.put_off()

    def put_off(self) -> None:
        """It was done just now."""
        seconds = self._seconds() if callable(self._seconds) else self._seconds
        self.due = self._clock.steady() + seconds * random.uniform(1 - self._jitter, 1 + self._jitter)  # noqa: S311

    def looked(self) -> bool:
        """Whether it is due."""
        return self._clock.steady() >= self.due

    def in_s(self) -> float:
        """For how many seconds nobody needs to look."""
        return self.due - self._clock.steady()


class _Dated:
    """Work that is done when the calendar says so, `due` by the wall clock; None: never."""

    def __init__(self, clock: Clock, zone: tzinfo | None, when: Crontab, work: Work) -> None:
        self._clock, self._zone, self._when = clock, zone, when
        self.plan = when
        self.work, self.going = work, None  # type: Work, asyncio.Task[None] | None
        self._looked_at = clock.wall()
        self._due = next_after(when, self._looked_at, zone)

    def put_off(self) -> None:
        """It was done just now."""
        self._looked_at = self._clock.wall()
        if self._due is not None:
            self._due = next_after(self._when, max(self._looked_at, self._due), self._zone)

    def looked(self) -> bool:
        """Whether it is due. Whoever looks sees that the clock was set."""
        before, self._looked_at = self._looked_at, self._clock.wall()
        if self._due is not None and self._looked_at < self._due and self._looked_at < before - SET_BACK_S:
            self._due = next_after(self._when, self._looked_at, self._zone)
        return self._due is not None and self._looked_at >= self._due

    def in_s(self) -> float:
        """For how many seconds nobody needs to look."""
        return math.inf if self._due is None else min(LOOK_S, self._due - self._looked_at)


class Timetable:
    """
    What is done when, until `stop`. `zone` is that of the calendar, the machine's if None.

    One alarm is set, for the first of all that is due: each time the process wakes costs more than a look at all.
    """

    def __init__(self, clock: Clock = SYSTEM, zone: tzinfo | None = None) -> None:
        self._clock, self._zone = clock, zone
        self._items: dict[str, _Every | _Dated] = {}
        self._call_off: Callable[[], None] = lambda: None  # the alarm

    def every(self, name: str, seconds: Seconds, work: Work, *, jitter: float = 0.0) -> None:
        """
        Do `work` each so many seconds from now on, give or take a share of `jitter`; instead of what had the name,
        whose time stays if that was done as often.

        Work that lasts is not begun a second time, and what was missed meanwhile is done once.
        """
        self._put(name, _Every(self._clock, seconds, work, jitter))

    def hasten(self, name: str, seconds: float) -> None:
        """Do what has the name within so many seconds; what belongs to the calendar, or goes on, is left alone."""
        item = self._items.get(name)
        if isinstance(item, _Every) and item.going is None and item.in_s() > seconds:
            item.due = self._clock.steady() + seconds
            self._set()

    def calendar(self, name: str, when: Crontab | None, work: Work) -> None:
        """Do `work` when the calendar says so; instead of what had the name, as for `every`. None: not at all."""
        self._put(name, None if when is None else _Dated(self._clock, self._zone, when, work))

    async def stop(self) -> None:
        """End what goes on, each at its next safe point."""
        self._call_off()
        tasks = [item.going for item in self._items.values() if item.going is not None]
        self._items.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _put(self, name: str, item: _Every | _Dated | None) -> None:
        before = self._items.get(name)
        if before is not None and item is not None and before.plan == item.plan:
            before.work = item.work  # what is due, or goes on, stays so: nobody is to ask for it anew too often
            return
        if before is not None and before.going is not None:
            before.going.cancel()
        self._items.pop(name, None)
        if item is not None:
            self._items[name] = item
        self._set()

    def _look(self) -> None:
        try:
            for name, item in list(self._items.items()):
                if item.going is None and self._items.get(name) is item and item.looked():
                    self._begin(name, item)
        finally:
            self._set()

    def _set(self) -> None:
        self._call_off()
        if waiting := [item.in_s() for item in self._items.values() if item.going is None]:
            self._call_off = self._clock.ring(min(LOOK_S, *waiting), self._look)

    def _begin(self, name: str, item: _Every | _Dated) -> None:
        try:
            lasting = item.work()
        except Exception as error:  # a bug must not end what keeps the promise
            log.error("schedule.job_failed", job=name, **error_fields(error))
            lasting = None
        if lasting is None:
            item.put_off()
        else:
            item.going = asyncio.get_running_loop().create_task(self._do(name, item, lasting))

    async def _do(self, name: str, item: _Every | _Dated, lasting: Coroutine[None, None, None]) -> None:
        try:
            await lasting
        except Exception as error:
            log.error("schedule.job_failed", job=name, **error_fields(error))
        finally:  # also where it was cancelled by what it waited for
            item.put_off()
            item.going = None
            self._set()


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
