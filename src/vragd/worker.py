"""
The work of one store on the event loop: scans what was hinted, applies what is dirty, waits out outages.

Owns the store's lanes. All state here belongs to the loop's thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from vragd.dirty import DirtyPaths
from vragd.errors import EmbedderUnavailable, VragdError
from vragd.keeper import Keeper
from vragd.lane import Lane
from vragd.log import error_fields
from vragd.settings import WatchSettings
from vragd.store import Store
from vragd.sync import Job, Report

log = structlog.get_logger()

JOBS_PER_ROUND = 64
PAUSE_FIRST_S, PAUSE_LAST_S = 1.0, 15.0
BROKEN_RETRY_S = 60.0
PREPARE_AGAIN_S = 600.0  # how often the model's digest is looked at while all is well


class Worker:
    """Runs one store from `start` to `stop`."""

    def __init__(self, store: Store, settings: WatchSettings, *, watch: bool) -> None:
        self.store = store
        self.keepers: dict[int, Keeper] = {}
        self.trouble: VragdError | None = None
        self.n_embedded = 0
        self._settings, self._watch = settings, watch
        self._loop = asyncio.get_running_loop()
        self._woken = {"apply": asyncio.Event(), "scan": asyncio.Event()}
        self._moved = asyncio.Condition()
        self._wake_sent = False
        self.dirty = DirtyPaths(
            settle_s=settings.settle_ms / 1000,
            settle_max_s=settings.settle_max_s,
            wake=self._wake_from_any_thread,
        )
        self.writer = Lane(f"writer-{store.name}")
        self._scanner = Lane(f"scan-{store.name}")
        self._tasks: list[asyncio.Task[None]] = []
        self._beating: asyncio.Task[None] | None = None
        self._prepared_at: float | None = None
        self._pause_s = PAUSE_FIRST_S

    # -- lifecycle ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store and begin: arm the watches, then scan. Raises what `Store.open` raises."""
        await self.writer.run(self.store.open)
        for source in self.store.sources.values():
            self.keepers[source.id] = Keeper(
                self.store, source, self.dirty, self._settings, self.writer, self._scanner, watch=self._watch
            )
        await self.heartbeat()
        self._tasks = [
            self._loop.create_task(self._forever("apply", self._apply_once)),
            self._loop.create_task(self._forever("scan", self._scan_once)),
        ]

    async def stop(self) -> None:
        """End the work at the next safe point, close the store. Raises if its last flush failed."""
        for keeper in self.keepers.values():
            keeper.stop()
        tasks = [*self._tasks, *([self._beating] if self._beating else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self.writer.run(self.store.close)
        finally:
            self.writer.close()
            self._scanner.close()

    def beat(self) -> None:
        """Begin a heartbeat, unless the last one still waits: a file system that hangs holds up its own store only."""
        if self._beating is None or self._beating.done():
            self._beating = self._loop.create_task(self.heartbeat())

    async def heartbeat(self) -> None:
        """See that every source is connected and watched."""
        for keeper in list(self.keepers.values()):
            await keeper.check()
        if self._prepared_at is not None and time.monotonic() - self._prepared_at > PREPARE_AGAIN_S:
            self._prepared_at = None
            self._wake()

    # -- asking and waiting ------------------------------------------------------------------------

    def degraded(self) -> list[str]:
        """Why answers may be stale or incomplete, as stable codes."""
        reasons = [self.trouble.code] if self.trouble else []
        if self.store.rebuilding:
            reasons.append("space_rebuilding")
        for keeper in self.keepers.values():
            reasons += keeper.degraded()
        return list(dict.fromkeys(reasons))

    def rescan(self) -> int:
        """Ask for a full scan of every watched source; the ticket to wait for."""
        for keeper in self.keepers.values():
            if keeper.source.settings.watch:
                self.dirty.hint(keeper.source.id, "", folder=True, settle=False)
        return self.dirty.ticket()

    async def settled(self, ticket: int, timeout_s: float) -> bool:
        """Wait until everything dirty at `ticket` is searchable; False when time ran out first."""
        try:
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self.dirty.settled(ticket))
        except TimeoutError:
            return self.dirty.settled(ticket)
        return True

    async def retry_failed(self) -> None:
        """Queue the failed notes whose time has come."""
        self.dirty.add(await self.writer.run(lambda: list(self.store.due_for_retry())))

    # -- the loops ---------------------------------------------------------------------------------

    async def _forever(self, name: str, once: Callable[[], Awaitable[float | None]]) -> None:
        """Call `once` until it has nothing to do, then wait: for a wake-up, or as many seconds as it says."""
        woken = self._woken[name]
        while True:
            woken.clear()
            try:
                wait_s = await once()
            except Exception as error:  # a bug must not end the loop that keeps the promise
                log.error("worker.step_failed", store=self.store.name, step=name, **error_fields(error))
                wait_s = BROKEN_RETRY_S
            async with self._moved:
                self._moved.notify_all()
            if wait_s == 0:
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await woken.wait()
            except TimeoutError:
                continue

    async def _scan_once(self) -> float | None:
        place = self.dirty.take_folder()
        if place is None:
            return self.dirty.next_folder_in()
        source_id, folder = place
        try:
            if keeper := self.keepers.get(source_id):
                await keeper.scan(folder)
        finally:
            self.dirty.scanned(place)
        return 0

    async def _apply_once(self) -> float | None:
        if self._prepared_at is None and not await self._prepare():
            return await self._pause()
        taken = self.dirty.take(JOBS_PER_ROUND)
        if not taken:
            if self.trouble is not None and self.dirty.pending() == 0:
                self._recovered()
            return self.dirty.next_path_in()
        places = [place for place, _ in taken]
        jobs = [
            Job(self.store.sources[source_id], path, patient)
            for (source_id, path), patient in taken
            if source_id in self.store.sources
        ]
        try:
            await self._round(jobs)
        except VragdError as error:
            self.dirty.put_back(places, 0)
            self._in_trouble(error)
            return await self._pause()
        finally:
            self.dirty.done(places)
        return 0

    async def _pause(self) -> float:
        await asyncio.sleep(self._pause_s * random.uniform(0.75, 1.25))  # noqa: S311
        self._pause_s = min(PAUSE_LAST_S, self._pause_s * 2)
        return 0

    async def _prepare(self) -> bool:
        before = self.store.space
        try:
            await self.writer.run(self.store.prepare)
        except VragdError as error:
            self._in_trouble(error)
            return False
        self._prepared_at = time.monotonic()
        if before is not None and self.store.space != before:
            self.rescan()  # every note is of the old space now
        self._recovered()
        return True

    async def _round(self, jobs: list[Job]) -> None:
        started = time.monotonic()
        try:
            report = await self.writer.run(self.store.apply, jobs)
        except VragdError:
            raise
        except Exception as error:
            # A bug met with one note must not stop the others: find it by applying them one by one.
            log.error("worker.round_failed", store=self.store.name, n_jobs=len(jobs), **error_fields(error))
            if len(jobs) == 1:
                self.dirty.put_back([(jobs[0].source.id, jobs[0].path)], BROKEN_RETRY_S, settled=True)
                return
            for job in jobs:
                await self._round([job])
            return
        self._recovered()
        self._after(report, time.monotonic() - started)

    def _after(self, report: Report, took_s: float) -> None:
        self.dirty.put_back(((job.source.id, job.path) for job in report.deferred), 0)
        for job, delay_s in report.later:
            self.dirty.put_back([(job.source.id, job.path)], delay_s, patient=job.patient)
        self.n_embedded += report.n_embedded
        if report.n_changed or report.n_removed or report.n_embedded:
            log.info(
                "sync.round_applied",
                store=self.store.name,
                n_changed=report.n_changed,
                n_removed=report.n_removed,
                n_failed=report.n_failed,
                n_embedded=report.n_embedded,
                n_put=report.n_put,
                n_deleted=report.n_deleted,
                generation=report.generation,
                duration_ms=round(took_s * 1000),
            )

    def _in_trouble(self, error: VragdError) -> None:
        if self.trouble is None or self.trouble.code != error.code:
            log.warning("worker.work_paused", store=self.store.name, **error_fields(error))
        self.trouble = error
        if isinstance(error, EmbedderUnavailable):
            self._prepared_at = None  # the model may be another one when it is back

    def _recovered(self) -> None:
        self._pause_s = PAUSE_FIRST_S
        if self.trouble is not None:
            log.info("worker.work_resumed", store=self.store.name, after=self.trouble.code)
            self.trouble = None

    # -- wake-ups ----------------------------------------------------------------------------------

    def _wake_from_any_thread(self) -> None:
        # A storm of events sends one wake-up, not thousands; a lost race costs one more.
        if self._wake_sent:
            return
        self._wake_sent = True
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return

    def _wake(self) -> None:
        self._wake_sent = False
        for event in self._woken.values():
            event.set()
