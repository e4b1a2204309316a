"""APScheduler jobs: heartbeat, rescan, retries, checkpoint, housekeeping. They run on the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from vragd.config.settings import WatchSettings

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
    triggers = {
        "heartbeat": _every(HEARTBEAT_S),
        "rescan": _rescans(settings),
        "retry": _every(RETRY_S),
        "checkpoint": _every(CHECKPOINT_S),
        "tend": _every(TEND_S, jitter_s=TEND_S * 0.1),
    }
    scheduler = AsyncIOScheduler(timezone="UTC")
    for name, job in jobs.items():
        scheduler.add_job(job, triggers[name], id=name, max_instances=1, coalesce=True, misfire_grace_time=None)
    return scheduler


def reschedule(scheduler: AsyncIOScheduler, settings: WatchSettings) -> None:
    """Take the settings of a reloaded configuration."""
    scheduler.reschedule_job("rescan", trigger=_rescans(settings))


def _rescans(settings: WatchSettings) -> IntervalTrigger:
    seconds = settings.rescan_minutes * 60
    return _every(seconds, jitter_s=seconds * RESCAN_JITTER)  # so that vaults and machines do not march in step


def _every(seconds: float, *, jitter_s: float = 0.0) -> IntervalTrigger:
    return IntervalTrigger(seconds=seconds, jitter=jitter_s or None, timezone="UTC")
