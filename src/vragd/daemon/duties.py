"""
What the daemon does again and again, and when: heartbeats (which begin what is due, such as retries), rescans,
checkpoints, housekeeping, and what the configuration puts on the calendar. Lives on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from vragd.config import crontab
from vragd.config.settings import WatchSettings
from vragd.daemon.timetable import Timetable
from vragd.stores.healing import Healer
from vragd.stores.stirs import unheard
from vragd.stores.stores import Stores
from vragd.stores.verifying import verify

log = structlog.get_logger()

HEARTBEAT_S = 2.0
CALM_S, REST_S = 5.0, 10.0  # a heartbeat after one that found all as it is to be; what stirs hastens it
CALM_BEATS = 6  # after so many calm ones in a row it is at rest
CHECKPOINT_S = 300.0
TEND_S = 3600.0
TEND_JITTER, RESCAN_JITTER = 0.1, 0.25  # so that stores and machines do not march in step
SLEPT_S = 5.0
CLOCK_SET_S = 60.0
NIGHTLY = crontab.parse("30 3 * * *")


class Duties:
    """Those of one daemon. `stands` is asked at each heartbeat whether its lock and socket are; it ends it if not."""

    def __init__(self, stores: Stores, stands: Callable[[], bool]) -> None:
        self._stores, self._stands, self._clock = stores, stands, stores.clock
        self._table = Timetable(stores.clock)
        self._healer = Healer(stores)
        self._asleep, self._set = self._asleep_s(), self._set_s()
        self._n_calm = 0

    def begin(self, settings: WatchSettings) -> None:
        """From now on, until `stop`."""
        for name, seconds, jitter in (
            ("checkpoint", CHECKPOINT_S, 0.0),
            ("replicas", CHECKPOINT_S, 0.0),
            ("others", CHECKPOINT_S, 0.0),
            ("tend", TEND_S, TEND_JITTER),
        ):
            self._table.every(name, seconds, partial(self._each, name), jitter=jitter)
        self._table.every("heartbeat", self._pause_s, self._beat)
        self._stores.stirs.on_stir = self._stirred
        self._table.calendar("sweep", NIGHTLY, partial(self._each, "sweep"))
        self.take(settings)

    def take(self, settings: WatchSettings) -> None:
        """Go on by these settings."""
        self._table.every("rescan", settings.rescan_minutes * 60, partial(self._each, "rescan"), jitter=RESCAN_JITTER)
        for name, text, work in (
            ("full rescan", settings.schedule.rescan, partial(self._each, "rescan")),
            ("verify", settings.schedule.verify, self._verify),
        ):
            self._table.calendar(name, None if text is None else crontab.parse(text), work)

    async def stop(self) -> None:
        """End all of it."""
        self._stores.stirs.on_stir = unheard
        await self._table.stop()

    def _each(self, what: str) -> None:
        self._stores.each(what)

    def _beat(self) -> None:
        if not self._stands():
            return
        asleep, was_set = self._asleep_s(), self._set_s()
        if abs(asleep - self._asleep) > SLEPT_S:
            log.info("daemon.sleep_noticed", slept_s=round(asleep - self._asleep))
            self._stores.each("rescan")
        if abs(was_set - self._set) > CLOCK_SET_S:
            log.warning("daemon.clock_set", by_s=round(was_set - self._set))
        self._asleep, self._set = asleep, was_set
        self._healer.look()
        self._stores.beat()  # last: a lane that is woken wants the interpreter, which is free only when the loop rests
        self._n_calm = self._n_calm + 1 if self._stores.is_calm else 0

    def _pause_s(self) -> float:
        if not self._n_calm:
            return HEARTBEAT_S
        return CALM_S if self._n_calm <= CALM_BEATS else REST_S

    def _stirred(self) -> None:
        if self._n_calm:
            self._n_calm = 0
            self._table.hasten("heartbeat", HEARTBEAT_S)

    def _asleep_s(self) -> float:
        """How long the machine has slept since some moment."""
        return self._clock.steady() - self._clock.awake()

    def _set_s(self) -> float:
        """By how much the wall clock was set since some moment."""
        return self._clock.wall() - self._clock.steady()

    async def _verify(self) -> None:
        found = await verify(self._stores, (), repair=False)
        for result in found["stores"]:
            log.info("verify.store_compared", store=result["store"], n_problems=len(result["problems"]))
