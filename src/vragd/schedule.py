"""APScheduler jobs: heartbeat, rescan, retries, checkpoint, housekeeping. They run on the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from vragd.settings import WatchSettings

HEARTBEAT_S = 2.0
RETRY_S = 5.0
CHECKPOINT_S = 300.0
TEND_S = 3600.0
RESCAN_JITTER = 0.25

Job = Callable[[], Awaitable[None]]


def make_schedule(settings: WatchSettings, jobs: dict[str, Job]) -> AsyncIOScheduler:
    """
    A scheduler for `heartbeat`, `rescan`, `retry`, `checkpoint` and `tend`; start it on the loop.

    A job still running when it is due again is skipped, and missed runs are made up for by one.
    """
    rescan_s = settings.rescan_minutes * 60
    intervals = {
        "heartbeat": (HEARTBEAT_S, 0.0),
        "rescan": (
            rescan_s,
            rescan_s * RESCAN_JITTER,
        ),  # so that several vaults and machines do not march in step
        "retry": (RETRY_S, 0.0),
        "checkpoint": (CHECKPOINT_S, 0.0),
        "tend": (TEND_S, TEND_S * 0.1),
    }
    scheduler = AsyncIOScheduler(timezone="UTC")
    for name, job in jobs.items():
        seconds, jitter = intervals[name]
        scheduler.add_job(
            job,
            IntervalTrigger(seconds=seconds, jitter=jitter or None, timezone="UTC"),
            id=name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    return scheduler
