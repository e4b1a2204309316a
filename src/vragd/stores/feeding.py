"""
Feeds a store's replicas, each by a loop and on a lane of its own: one that hangs holds up itself.

State belongs to the event loop's thread; `report` only reads, and runs aside.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import structlog

from vragd.config.settings import PRIMARY
from vragd.errors import BackendUnavailable, VragdError
from vragd.search.others import others_beside
from vragd.store.left import left_behind
from vragd.store.replica import Answers, Replica, Told
from vragd.store.store import Store
from vragd.stores.loops import Loops
from vragd.stores.stirs import unheard
from vragd.system.clock import Clock
from vragd.system.lanes import Lane
from vragd.system.log import error_fields

log = structlog.get_logger()

T = TypeVar("T")

PAUSE_FIRST_S, PAUSE_LAST_S = 1.0, 60.0
OTHERS_AGAIN_S, OTHERS_SOON_S = 3_600.0, 300.0  # after all places have answered, and where one has not
LOOK_AGAIN_S = 300.0  # how often a replica that has all is asked whether it still is there
RESTS_WITHIN_S, ENDS_WITHIN_S = 2.0, 30.0


@dataclass(slots=True)
class Fed:
    """A replica, its lane, and what it waits for."""

    replica: Replica
    lane: Lane
    trouble: VragdError | None = None
    since: float = 0.0
    pause_s: float = PAUSE_FIRST_S


class Feeding:
    """The replicas of one store, until `stop`. `store` gives it as it is now: its catalog may be replaced."""

    def __init__(
        self, store: Callable[[], Store], writer: Lane, all_known: Callable[[], bool], clock: Clock,
        stir: Callable[[], None] = unheard,
    ) -> None:  # fmt: skip
        self._stir = stir
        self._store, self._writer, self._all_known, self._clock = store, writer, all_known, clock
        self._loop = asyncio.get_running_loop()
        now = store()
        self.loops = Loops(now.name, clock, stir)
        self.also_fed: dict[str, int] = {}
        """Names of own sources that others put into the same places, too, and how many others for each."""
        self._others: dict[str, Mapping[str, int]] = {}  # what each place said last
        self._look_from = -math.inf
        self._looking = Lane(f"others-{now.name}", only_reads=True)
        self.fed = [Fed(replica, Lane(f"replica-{now.name}-{replica.name}", only_reads=True)) for replica in made(now)]
        for fed in self.fed:
            self.loops.begin(f"replica {fed.replica.name}", partial(self._once, fed))

    def wake(self) -> None:
        """There was a commit, or may have been. One that is in trouble goes on to wait."""
        self.loops.wake()

    @property
    def unswept(self) -> bool:
        """Whether one is to be compared once more when all of every source is known."""
        return any(fed.replica.unswept for fed in self.fed)

    async def stop(self, *, forget: bool = False) -> None:
        """
        End the work; with `forget` have each replica forget the store first, which raises where one cannot.

        Before the store is closed. One that hangs is waited for a few seconds, and left alone; where it is to `forget`,
        for longer, and then it is one that cannot.
        """
        for fed in self.fed:
            fed.replica.ends = True
        await self.loops.stop()
        try:
            if forget:
                for fed in self.fed:
                    await self._forget(fed)
        finally:
            self._looking.close()
            await asyncio.gather(*(self._end(fed) for fed in self.fed))

    async def _forget(self, fed: Fed) -> None:
        store = self._store()
        try:
            await fed.lane.run_unless_silent(
                store.given.pace.forgets_s, fed.replica.forget, store.reader, self.on_writer
            )
        except TimeoutError:
            raise BackendUnavailable(f"replica {fed.replica.name!r} does not answer") from None

    async def _end(self, fed: Fed) -> None:
        """Close it when its lane is at rest; where that hangs from beside, which ends the call it hangs in."""
        beside = Lane(f"close-{fed.replica.name}", only_reads=True)
        lane = fed.lane
        try:
            try:
                async with asyncio.timeout(RESTS_WITHIN_S):
                    await fed.lane.run(int)
            except TimeoutError:
                lane = beside
            async with asyncio.timeout(ENDS_WITHIN_S):
                await lane.run(fed.replica.close)
        except TimeoutError:
            log.warning("replica.left_hanging", store=self._store().name, replica=fed.replica.name)
        except VragdError as error:  # what it lacks then it is told at the next start
            log.warning("replica.flush_failed", replica=fed.replica.name, **error_fields(error))
        fed.lane.close()
        beside.close()

    def on_writer(self, write: Callable[[Any], T]) -> T:
        """As `OnWriter`: from a replica's lane."""
        catalog = self._store().catalog
        done = asyncio.run_coroutine_threadsafe(self._writer.run(write, catalog), self._loop)
        return done.result()

    async def tend(self) -> None:
        """Have each write its cache, if it finds that worthwhile."""
        for fed in self.fed:
            if fed.trouble is None and not fed.lane.busy:
                await fed.lane.run(fed.replica.tend)

    async def look_for_others(self) -> None:
        """
        See who else feeds sources of the same names, here or in a replica; once an hour at most.

        What a place said last holds until it answers again. On a lane of its own: nobody waits for a slow one.
        """
        store, now = self._store(), self._clock.steady()
        if store.damage is not None or now < self._look_from:
            return
        self._look_from = now + OTHERS_SOON_S
        places = {PRIMARY: self.primary} | {fed.replica.name: self._answers(fed) for fed in self.fed}
        has_all = True
        for name, place in places.items():
            if place is None:
                has_all = False
                continue
            if place.space is None or not place.space.has_vectors:
                self._others.pop(name, None)
                continue
            try:
                self._others[name] = await self._looking.run(
                    others_beside, store.reader, place.backend, place.space.collection
                )
            except VragdError as error:
                has_all = False
                log.info("store.others_unknown", store=store.name, **error_fields(error))
        found: dict[str, int] = {}
        for there in self._others.values():
            found |= {label: max(n, found.get(label, 0)) for label, n in there.items()}
        self.also_fed = found
        if has_all:
            self._look_from = now + OTHERS_AGAIN_S

    @property
    def told(self) -> Told | None:
        """What a step goes by now; None where nothing can be told."""
        store = self._store()
        if store.space is None or store.answering is None or store.damage is not None:
            return None
        return Told(store.reader, store.space, store.rebuilding, self._all_known())

    def late_after(self, seconds: float) -> Callable[[], bool]:
        """What says whether so much time has passed from now on. Any thread."""
        until = self._clock.steady() + seconds
        return lambda: self._clock.steady() > until

    # -- the loop of one ---------------------------------------------------------------------------

    async def _once(self, fed: Fed) -> float | None:
        store = self._store()
        if (told := self.told) is None:
            return None
        try:
            more = await fed.lane.run(fed.replica.step, told, self.on_writer)
        except VragdError as error:
            await self._in_trouble(fed, error)
            return 0
        if fed.trouble is not None:
            log.info("replica.work_resumed", store=store.name, replica=fed.replica.name, after=fed.trouble.code)
        fed.trouble, fed.pause_s = None, PAUSE_FIRST_S
        return 0 if more else LOOK_AGAIN_S

    async def _in_trouble(self, fed: Fed, error: VragdError) -> None:
        if fed.trouble is None:
            fed.since = self._clock.steady()
        if fed.trouble is None or fed.trouble.code != error.code:
            log.warning(
                "replica.work_paused", store=self._store().name, replica=fed.replica.name, **error_fields(error)
            )
        fed.trouble = error
        self._stir()
        pause_s = fed.pause_s * random.uniform(0.75, 1.25)  # noqa: S311
        fed.pause_s = min(PAUSE_LAST_S, fed.pause_s * 2)
        await self._clock.sleep(pause_s)

    # -- what is said of them, and who answers -----------------------------------------------------

    def report(self, elsewhere: Sequence[str] | None) -> dict[str, Any]:
        """
        How each is, and unless `elsewhere` is None what is left of others, for `status`: in those places, which no
        settings name, or below the store's folder. Reads the catalog: not on the event loop.
        """
        store, now = self._store(), self._clock.steady()
        return {
            "replicas": [_report(store, fed, now) for fed in self.fed],
            "left_behind": []
            if elsewhere is None
            else left_behind(store.settings, store.folder, store.reader, elsewhere),
        }

    @property
    def primary(self) -> Answers:
        """The store's own backend, and the space that answers."""
        store = self._store()
        return Answers(store.backend, store.answering.space if store.answering else None)

    @property
    def here(self) -> list[Answers]:
        """The replicas of this machine that can answer, those first that are in no trouble."""
        found = [self._answers(fed) for fed in sorted(self.fed, key=lambda fed: fed.trouble is not None)]
        return [one for one in found if one is not None and not one.backend.traits.networked]

    def instead(self) -> Answers | None:
        """A replica of this machine that can answer in the place of a primary that does not."""
        return next(iter(self.here), None)

    def chosen(self) -> Answers | None:
        """The replica that is to answer by the settings, if one is and can."""
        wanted = self._store().settings.answers
        return next((self._answers(fed) for fed in self.fed if fed.replica.name == wanted), None)

    def _answers(self, fed: Fed) -> Answers | None:
        return fed.replica.answers_for(self.primary.space)

    def answers(self, is_out: bool) -> Answers:
        """Whom questions are put to; `is_out`: the primary is known not to answer."""
        return self.chosen() or (self.instead() if is_out else None) or self.primary

    def degraded(self, is_out: bool) -> list[str]:
        """Why answers may be of another than the user chose."""
        space = self.primary.space
        if self.chosen() or (space is not None and not space.has_vectors):
            return []
        reasons = [] if self._store().settings.answers == PRIMARY else ["replica_away"]
        return reasons + ["replica_answers"] * (is_out and self.instead() is not None)


def made(store: Store) -> list[Replica]:
    """The replicas that the settings name. Nothing is opened."""
    given, settings = store.given, store.settings
    return [
        Replica(name, store.name, settings, store.folder, clock=given.clock, pace=given.pace)
        for name in settings.replicas
    ]


def _report(store: Store, fed: Fed, now: float) -> dict[str, Any]:
    replica, trouble = fed.replica, fed.trouble
    n_behind, n_withdrawn = (0, 0) if store.space is None else replica.behind(store.reader, store.space)
    return {
        "name": replica.name,
        "type": replica.settings.type,
        "where": replica.where or str(replica.folder),
        "n_behind": n_behind,
        "n_withdrawn": n_withdrawn,
        "n_refused": len(replica.refused),
        "silent_s": round(fed.lane.silent_s(), 1),
        "trouble": None
        if trouble is None
        else {
            "code": trouble.code,
            "message": trouble.message,
            "hint": trouble.hint,
            "for_s": round(now - fed.since, 1),
        },
    }
