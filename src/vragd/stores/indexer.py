"""
The work of one store on the event loop: scans what was hinted, applies what is dirty, waits out outages.

Owns the store's lanes. All state here belongs to the loop's thread.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection
from functools import partial

import structlog

from vragd.config.settings import WatchSettings
from vragd.errors import CatalogCorrupt, EmbedderUnavailable, StoreMismatch, VragdError
from vragd.search.tongue import Sampled
from vragd.store.awaited import OF_THE_BACKEND, is_out
from vragd.store.idle import while_idle
from vragd.store.opening import replace_catalog
from vragd.store.replica import Answers
from vragd.store.store import WORDS_SWEPT_WITHIN_S, Store
from vragd.stores.feeding import Feeding
from vragd.stores.loops import BROKEN_RETRY_S, Loops
from vragd.stores.patience import ASKED_AGAIN_S, DOUBT_AGAIN_S, Asking, Patience
from vragd.stores.progress import Progress
from vragd.stores.retries import Retries
from vragd.stores.state import Standing, State
from vragd.stores.watched import Keeper
from vragd.sync.calls import Late
from vragd.sync.prepared import Visit
from vragd.sync.queue import DirtyPaths
from vragd.sync.round import Report
from vragd.system.clock import Clock
from vragd.system.lanes import Lane
from vragd.system.log import error_fields

log = structlog.get_logger()

JOBS_PER_ROUND, SCAN_AGAIN_S = 64, 1.0
TRIED_FIRST = 8  # of what waits for an embedder that says again who it is: whether it embeds, one note tells


class Indexer:
    """Keeps one store's index up to date, from the moment it is made until `stop`. `starting.start` makes it."""

    def __init__(
        self, standing: Standing, store: Store, writer: Lane, settings: WatchSettings, *, watch: bool, clock: Clock,
    ) -> None:  # fmt: skip
        self.standing, self.store, self.writer = standing, store, writer
        self.keepers: dict[int, Keeper] = {}
        self._clock, self.loops = clock, Loops(store.name, clock, self._stirred)
        self.retries, self.progress = Retries(clock), Progress(store.name, clock)
        self.dirty = DirtyPaths(
            settle_s=settings.settle_ms / 1000,
            settle_max_s=settings.settle_max_s,
            wake=self.loops.wake_from_any_thread,
            clock=clock.steady,
        )
        self.verifying = asyncio.Lock()
        self.tongue = Sampled()
        self.feeding = Feeding(lambda: self.store, writer, self._all_known, clock, standing.stir)
        self._patience = Patience(clock)
        self._asking = Asking(standing, store.calls, self.dirty, self.loops, writer)
        self.loops.begin("apply", self._apply_once)
        for source in store.sources.values():
            keeper = Keeper(store, source, self.dirty, settings, writer, watch=watch, clock=clock, stir=standing.stir)
            self.keepers[source.id] = keeper
            self.loops.begin(f"scan {source.id}", partial(self._scan_once, keeper))
            keeper.beat()

    @property
    def trouble(self) -> VragdError | None:
        """What the work waits for, if it does."""
        return self.standing.error

    def _stirred(self) -> None:
        """A step was done, or there is something to do."""
        self.retries.doubt()
        self.progress.look(self.dirty.pending())
        self.standing.stir()

    # -- lifecycle ---------------------------------------------------------------------------------

    async def stop(self, *, forget: bool = False) -> None:
        """
        End the work at the next safe point, close the store. Raises if its last flush failed.

        With `forget` the backend forgets the store first; when it cannot, that is raised.
        """
        await self.loops.stop()
        await asyncio.gather(*(keeper.stop() for keeper in self.keepers.values()))
        try:
            try:
                await self.feeding.stop(forget=forget)
                if forget:
                    await self.writer.run(self.store.forget)
            finally:
                await self.writer.run(self.store.close)
        finally:
            self.writer.close()

    async def heartbeat(self, timeout_s: float) -> None:
        """`beat`, and wait until it is done, as far as file systems answer in time."""
        self.beat()
        checks = [asyncio.ensure_future(keeper.check()) for keeper in self.keepers.values()]
        if checks:
            _, late = await asyncio.wait(checks, timeout=timeout_s)
            for check in late:
                check.cancel()
            await asyncio.gather(*checks, return_exceptions=True)

    def beat(self) -> None:
        """See that every source is connected and watched. A file system that hangs holds up its own source only."""
        for keeper in self.keepers.values():
            keeper.beat()
        if self._patience.older_than(ASKED_AGAIN_S):
            self.look_again()
        if self.store.damage is not None:
            self.loops.wake()

    @property
    def is_calm(self) -> bool:
        """Whether all is as it is to be: nothing waits, and of every source that is watched the system tells."""
        is_busy = self.dirty.pending() or self.degraded() or self.store.damage or not self._patience.answered
        return not is_busy and all(one.is_well and not one.watch.unwatched for one in self.keepers.values())

    # -- asking and waiting ------------------------------------------------------------------------

    def degraded(self, sources: Collection[int] | None = None) -> list[str]:
        """Why answers may be stale or incomplete, as stable codes; of all sources, or of these (ids)."""
        reasons = [self.trouble.code] if self.trouble else []
        if self.store.spaces.replaces:
            reasons.append("space_rebuilding")
        if self.store.behind:
            reasons.append("backend_filling")
        reasons += self.feeding.degraded(is_out(self.trouble))
        for source, keeper in self.keepers.items():
            reasons += keeper.degraded() if sources is None or source in sources else []
        return list(dict.fromkeys(reasons))

    async def looked(self, sources: Collection[int], timeout_s: float) -> bool:
        """Wait until it is known what is closed to assistants of these sources (ids); False when time ran out first."""
        keepers = [keeper for source, keeper in self.keepers.items() if source in sources]
        return await self.loops.moved(lambda: not any(keeper.may_be_closed for keeper in keepers), timeout_s)

    @property
    def answers(self) -> Answers:
        """Whom questions are put to now."""
        return self.feeding.answers(is_out(self.trouble))

    def stuck(self, bound_s: float) -> list[str]:
        """What has not moved for `bound_s` seconds, or ended: `writer_lane`, `scan_lane`, `apply_loop`, `scan_loop`."""
        lanes = {"apply": [self.writer]}
        lanes |= {f"scan {id_}": [self.writer, keeper.lane] for id_, keeper in self.keepers.items()}
        found = ["writer_lane"] if self.writer.stuck_s() > bound_s else []
        if any(keeper.lane.stuck_s() > bound_s for keeper in self.keepers.values()):
            found += ["scan_lane"]
        for name, ended in self.loops.overdue(bound_s):
            if ended or not any(lane.busy for lane in lanes[name]):  # while one works, a long step is waiting for it
                found.append(f"{name.partition(' ')[0]}_loop")
        return list(dict.fromkeys(found))

    def doubt(self) -> None:
        """A query met trouble with backend or embedder: look at them now, though not at every such query."""
        if self.trouble is None and self._patience.older_than(DOUBT_AGAIN_S):
            self.look_again()

    def look_again(self) -> None:
        """Ask embedder and backend now who they are."""
        self._patience.ask()
        self.loops.wake()

    def rescan(self) -> int:
        """Ask for a full scan of every watched source; the ticket to wait for."""
        for keeper in self.keepers.values():
            if keeper.source.watch:
                self.dirty.hint(keeper.source.id, "", folder=True, settle=False)
        return self.dirty.ticket()

    async def settled(self, ticket: int, timeout_s: float) -> bool:
        """Wait until everything dirty at `ticket` is searchable; False when time ran out first."""
        return await self.loops.moved(lambda: self._searchable(ticket), timeout_s)

    def _searchable(self, ticket: int) -> bool:
        if not self.dirty.issued(ticket):
            # of a worker before this one, or of another process: what it had queued the first scans find again
            if any(keeper.begins for keeper in self.keepers.values()):
                return False
            ticket = self.dirty.ticket()
        # until they said who they are, or are known to be out, all may be of another model, or in no index at all
        is_known = self._patience.answered or self.trouble is not None
        return is_known and self.dirty.settled(ticket) and not self.store.behind and self.store.damage is None

    async def retry_failed(self) -> None:
        """Queue the failed notes whose time has come."""
        asked = self.writer.run(lambda: self.store.catalog.retries(self._clock.wall()))
        if due := await self.retries.ask(asked):
            self.dirty.add(due)

    async def tend(self, aside: Lane) -> None:
        """Housekeeping, a slice at a time, so that what is saved goes in between; all of a store is read `aside`."""
        for found in await aside.run(self.store.find_unused):
            await self.writer.run(self.store.forget_unused, *found)
        await self.writer.run(self.store.sweep_words, WORDS_SWEPT_WITHIN_S)

    # -- the loops ---------------------------------------------------------------------------------

    async def _scan_once(self, keeper: Keeper) -> float | None:
        source_id = keeper.source.id
        taken = self.dirty.take_folder(source_id)
        if taken is None:
            return self.dirty.next_folder_in(source_id)
        folder, ticket = taken
        try:
            done = await keeper.scan(folder, ticket)
        except Exception as error:
            log.error("source.scan_failed", store=self.store.name, source=keeper.source.uid, **error_fields(error))
            done = False
        if done:
            self.dirty.scanned((source_id, folder))
        else:
            self.dirty.scan_again((source_id, folder), SCAN_AGAIN_S)
        return 0

    async def _apply_once(self) -> float | None:
        if (damage := self.store.damage) is not None and not await self._begin_anew(damage):
            return await self._pause()
        if self._patience.asks_now and not self._asking.lasts and not await self._prepare():
            return await self._pause()
        if self.trouble is None and self._asking.has_ended():
            self.dirty.release()  # what was found by its words meanwhile
        try:
            if self.store.behind:
                await self.writer.run(self.store.fill)
                if isinstance(self.trouble, OF_THE_BACKEND):
                    self._recovered()  # of any other trouble this says nothing
            elif self.store.filling.unswept and self._all_known():
                await self.writer.run(self.store.sweep)
        except VragdError as error:
            self._in_trouble(error)
            return await self._pause()
        # while what was saved cannot be done, the rest must not wait for it; without an embedder it can, by its words
        self._asking.begin_round()
        taken = self.dirty.take(JOBS_PER_ROUND, together=self.trouble is not None and not self._lacks_embedder)
        if not taken:
            return await self._with_nothing_due()
        places = [place for place, _ in taken]
        visits = [
            Visit(self.store.sources[source_id], path, patient)
            for (source_id, path), patient in taken
            if source_id in self.store.sources
        ]
        try:
            await self._round(visits)
        except VragdError as error:
            later = {(visit.source.id, visit.path) for visit, _ in self.store.report.later}
            self._put_off(self.store.report.later)
            self.dirty.put_back((place for place in places if place not in later), 0)
            self._in_trouble(error)
            return await self._pause()
        finally:
            self.dirty.done(places)
        return 0

    async def _with_nothing_due(self) -> float | None:
        if self.feeding.unswept and self._all_known():
            self.feeding.wake()
        if self.store.behind:
            return 0
        if self._asking.lasts:
            return self.dirty.next_path_in()
        if not self._patience.answered:
            soonest_s = self.dirty.next_path_in()
            return min(self._patience.asks_in_s, math.inf if soonest_s is None else soonest_s)
        if self.trouble is None and await self.writer.run(while_idle, self.store):
            return 0
        if self._lacks_embedder and self.dirty.n_parked():
            self.dirty.release(TRIED_FIRST)
            return 0
        if self.trouble is not None and self.dirty.pending() == 0:
            self._recovered()
        return self.dirty.next_path_in()

    def _all_known(self) -> bool:
        """Whether the catalog has seen all of every source."""
        return not self.dirty.pending() and all(keeper.scanned_at is not None for keeper in self.keepers.values())

    async def _pause(self) -> float:
        await self._clock.sleep(self._patience.pause_s())
        return 0

    @property
    def _lacks_embedder(self) -> bool:
        """Whether what needs no embedder, a deletion or the words of a note, can be done meanwhile."""
        return isinstance(self.trouble, EmbedderUnavailable)

    async def _begin_anew(self, damage: CatalogCorrupt) -> bool:
        """Replace a damaged catalog, and have every source scanned: the new one knows no note."""
        try:
            self.store = await self.writer.run(replace_catalog, self.store, damage)
        except VragdError as error:
            self._in_trouble(error)
            return False
        self._patience.ask()
        for keeper in self.keepers.values():
            keeper.store = self.store
            keeper.scanned_at = None
            keeper.distrust("initial_scan")
        return True

    async def _prepare(self) -> bool:
        """Whether there is work to be done now; without the embedder, what needs none."""
        before = self.store.space
        try:
            await self.writer.run(self.store.prepare)
            is_same = before is not None and self.store.space is not None and before.id == self.store.space.id
            if self.store.rebuilding and not (is_same and self._lacks_embedder):  # else they are in the queue
                await self._move_over()
        except Late:
            return True
        except VragdError as error:
            self._in_trouble(error)
            return self._lacks_embedder
        self._patience.note_answer()
        self.feeding.wake()
        if self._lacks_embedder:
            self.dirty.release(TRIED_FIRST)  # that it says who it is does not mean that it embeds: the round tells
        else:
            self._recovered()
        return True

    async def _move_over(self) -> None:
        """Queue the notes that are of another space; those of a source that is away are found when it is back."""
        space = self.store.space
        assert space is not None
        sources = self.store.sources
        outside = await self.writer.run(self.store.catalog.notes_outside, space.id)
        self.dirty.add(place for place in outside if place[0] in sources and sources[place[0]].state == "ok")

    async def _round(self, visits: list[Visit]) -> None:
        started = self._clock.steady()
        asks = not self._asking.lasts and self._patience.answered
        try:
            report = await self.writer.run(lambda: self.store.apply(visits, embed=asks))
            tells_nothing = not asks or report.late or self.dirty.n_parked()
            if report.n_embedded or not (self._lacks_embedder and tells_nothing):
                self._recovered()  # else it had nothing to embed, and tells nothing
        except EmbedderUnavailable as error:
            report = self.store.report  # all that needs no embedder was done
            self._in_trouble(error)
        except VragdError:
            raise
        except Exception as error:
            # A bug met with one note must not stop the others: find it by applying them one by one.
            log.error("worker.round_failed", store=self.store.name, n_jobs=len(visits), **error_fields(error))
            if len(visits) == 1:
                self.dirty.put_back([(visits[0].source.id, visits[0].path)], BROKEN_RETRY_S, settled=True)
                return
            for visit in visits:
                await self._round([visit])
            return
        self.feeding.wake()
        self._after(report, self._clock.steady() - started)

    def _after(self, report: Report, took_s: float) -> None:
        self.dirty.put_back(((visit.source.id, visit.path) for visit in report.deferred), 0, begun=True)
        self._put_off(report.later)
        self.dirty.park((visit.source.id, visit.path) for visit in report.parked)
        if report.parked:
            self._asking.note_parked()
        self.progress.applied(report, took_s)

    def _put_off(self, later: list[tuple[Visit, float]]) -> None:
        for visit, delay_s in later:
            self.dirty.put_back([(visit.source.id, visit.path)], delay_s, patient=visit.patient)

    def _in_trouble(self, error: VragdError) -> None:
        if self.trouble is None or self.trouble.code != error.code:
            log.warning("worker.work_paused", store=self.store.name, **error_fields(error))
        self._stand(error)
        if isinstance(error, EmbedderUnavailable):
            self._patience.ask_later()  # the model may be another one when it is back
        elif isinstance(error, StoreMismatch):
            self._patience.ask()

    def _recovered(self) -> None:
        if not self._patience.answered:
            return  # a deletion that was done meanwhile does not bring the embedder back
        self._patience.note_success()
        if self.trouble is not None:
            self.dirty.release()
            log.info("worker.work_resumed", store=self.store.name, after=self.trouble.code)
            self._stand(None)

    def _stand(self, trouble: VragdError | None) -> None:
        if self.standing.state is State.RUNNING:  # else it is being stopped, and others say how it stands
            self.standing.become(State.RUNNING, error=trouble)
