"""
All stores of this machine: which run, how each stands, and what goes on in every one of them.

The daemon serves them; a command without a daemon calls the same functions in its own process. Lives on the
event loop; blocking work goes to lanes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import structlog

from vragd.config.load import Loaded
from vragd.config.settings import StoreSettings
from vragd.embed.pool import Embedders
from vragd.errors import Overloaded, UnknownStore, UsageError, VragdError
from vragd.store.left import places_left
from vragd.store.opening import open_store
from vragd.store.store import Store
from vragd.stores.indexer import Indexer
from vragd.stores.outside import Outside
from vragd.stores.registry import Registry
from vragd.stores.starting import start
from vragd.stores.state import COMES_BACK, Standing, State
from vragd.stores.stirs import Stirs
from vragd.sync.pace import PACE, Pace
from vragd.system.alive import progress
from vragd.system.clock import SYSTEM, Clock
from vragd.system.files import private_dir
from vragd.system.lanes import Lane
from vragd.system.log import error_fields
from vragd.vault.root import Spot

log = structlog.get_logger()

QUERY_THREADS = 4
ASIDE_THREADS = 2


class KeptPage(Protocol):
    """The page, where it is kept: its address, why it does not answer, if so, and what lets a browser in."""

    trouble: str | None

    @property
    def url(self) -> str: ...

    async def ticket(self, still: str) -> str: ...


class Beside(Protocol):
    """What `Stores.beside` keeps."""

    def close(self) -> None: ...


B = TypeVar("B", bound=Beside)


class Stores:
    """Run from `start` to `stop`. `watch=False` looks at the disk only when asked to."""

    def __init__(self, loaded: Loaded, *, watch: bool, clock: Clock = SYSTEM, pace: Pace = PACE) -> None:
        self.loaded = loaded
        self.registry = Registry(loaded)
        self.clock, self._pace = clock, pace
        self.watches = watch
        self.started_at = clock.steady()
        self.stirs = Stirs()
        self.n_reloads = 0
        self.reload_refused: VragdError | None = None
        """Why the last reload changed nothing, if it was refused."""
        self.page: KeptPage | None = None
        """The daemon's to set."""
        self.standings: dict[str, Standing] = {}
        self.indexers: dict[str, Indexer] = {}
        """Those of the stores that run, and of no others."""
        self.readers = Lane("reader", QUERY_THREADS)
        """For questions, and nothing else."""
        self.aside = Lane("aside", ASIDE_THREADS)
        """For what reads much of a catalog: reports, housekeeping."""
        self.outside = Outside(clock)
        """For paths that somebody named: they may be on a mount that hangs."""
        self.changing = asyncio.Lock()
        """Held by whoever stops and starts stores."""
        self._stopping = False
        self._embedders = Embedders(data_dir=loaded.data_dir)
        self._jobs: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._beside: dict[type[Any], Any] = {}

    # -- lifecycle ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """
        Open every store and begin; one that cannot be opened has failed.

        Raises if that is true of all and some will not open by themselves.
        """
        private_dir(self.registry.root)
        self.registry.sweep()
        entries = self.registry.entries().values()
        for entry in entries:
            if entry.settings is not None:
                self._embedders.expect(entry.settings.embedder)
        for entry in entries:
            if entry.settings is not None and not self._stopping:
                try:
                    await self.start_store(entry.name, entry.settings)
                except Exception as error:  # one store's fault is not the others'
                    log.error("store.start_failed", store=entry.name, **error_fields(error))
        final = [error for error in self.failed.values() if not error.transient]
        if final and not (self.indexers or self._stopping):
            raise final[0]

    def end_soon(self) -> None:
        """They are to be stopped: no other is opened, and what takes long in one ends at its next safe point."""
        self._stopping = True

    async def stop(self) -> None:
        """End every store's work and close it. Raises the first error of a last flush, after all are closed."""
        self._stopping = True
        for name in self.indexers:
            self.standings[name].become(State.AWAY)
        await asyncio.to_thread(self._embedders.close)
        for one in self._beside.values():
            await asyncio.to_thread(one.close)
        stopped = [indexer.stop() for indexer in self.indexers.values()]
        results = await asyncio.gather(*stopped, return_exceptions=True)
        self.readers.close()
        self.aside.close()
        self.outside.close()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def start_store(self, name: str, settings: StoreSettings) -> Indexer:
        """Open a store and begin. Raises what `open_store` raises; the store has failed then."""
        before, standing = self.standings.get(name), Standing(name, self.clock, self.stirs.stir)
        if before is not None and before.state is not State.FAILED:
            before.become(State.OPENING)
            standing = before
        begun = start(standing, lambda: self._open(standing, settings), self.loaded.config.watch, watch=self.watches,
                      clock=self.clock)  # fmt: skip
        if before is None:
            self.standings[name] = standing
            self.stirs.stir()
        try:
            indexer = self.indexers[name] = await begun
        finally:
            self.standings[name] = standing  # one that had failed is said to have failed until this attempt has ended
            self.stirs.stir()
        left = await self.aside.run(places_left, indexer.store.reader)
        if places := (*left, *settings.places):
            self.registry.remember_remote(name, *dict.fromkeys(places))
            self.registry.remember_used(name, settings.places)
        return indexer

    def _open(self, standing: Standing, settings: StoreSettings) -> Store:
        def stop() -> bool:
            progress()  # whoever asks whether to go on does not hang
            return self._stopping or standing.ends

        return open_store(
            standing.name,
            settings,
            self.registry.folder(standing.name),
            self.loaded.config.limits,
            lambda: self._embedders.get(settings.embedder),
            stop=stop,
            recorded=self._embedders.recorded,
            documents=self.loaded.config.documents,
            clock=self.clock,
            pace=self._pace,
        )

    async def stop_store(self, name: str, to: State, *, forget: bool = False) -> None:
        """End the work of a store, if it runs; with `forget`, have its backend forget it. Raises as `Indexer.stop`."""
        if name in self.standings:
            self.standings[name].become(to)
        if indexer := self.indexers.pop(name, None):
            await indexer.stop(forget=forget)

    def note_reload(self, refused: VragdError | None) -> None:
        """The configuration was loaded again; why that changed nothing, if it was `refused`."""
        self.reload_refused, self.n_reloads = refused, self.n_reloads + 1
        self.stirs.stir()

    def drop(self, name: str) -> None:
        """Nothing is left of a store."""
        if standing := self.standings.pop(name, None):
            standing.become(State.GONE)

    def beside(self, kind: type[B]) -> B:
        """What serves these stores besides, one of each kind: made when it is first asked for, closed with them."""
        if kind not in self._beside:
            self._beside[kind] = kind()
        found: B = self._beside[kind]
        return found

    # -- which -------------------------------------------------------------------------------------

    @property
    def failed(self) -> dict[str, VragdError]:
        """The stores that could not be opened, and why."""
        found = self.standings.items()
        return {name: one.error for name, one in found if one.state is State.FAILED and one.error is not None}

    @property
    def coming(self) -> set[str]:
        """The stores that were stopped and are being started again."""
        return {name for name, one in self.standings.items() if one.state in COMES_BACK}

    def chosen(self, names: Sequence[str]) -> list[Indexer]:
        """The stores of these names, or all when none is named. Raises UnknownStore, or why one is not open."""
        if names:
            return [self.indexer(name) for name in dict.fromkeys(names)]
        if not self.indexers and self.coming:
            raise Overloaded("the stores are being started again", hint="try again in a moment")
        if not self.indexers and self.failed:
            raise next(iter(self.failed.values()))
        if not self.indexers:
            raise UnknownStore("there is no store yet", hint="vragd init ~/path/to/your/vault")
        return list(self.indexers.values())

    def indexer(self, name: str) -> Indexer:
        """The store of this name, which runs. Raises UnknownStore, and why it could not be opened."""
        if found := self.indexers.get(name):
            return found
        if error := self.failed.get(name):
            raise error
        if name in self.coming:
            raise Overloaded(f"store {name!r} is being started again", hint="try again in a moment")
        entry = self.registry.known(name)  # raises, naming those there are
        if entry.damaged:
            hint = f"put the file back; or vragd store delete {name}, and make it anew"
            raise UnknownStore(f"the settings of store {name!r} are lost: {entry.damaged}", hint=hint)
        raise UnknownStore(f"store {name!r} has data but no settings", hint=f"vragd store delete {name}")

    async def at_rest(self, names: Sequence[str], timeout_s: float) -> None:
        """Wait for the end of a change under way that has taken away a store of these names; of any, if none is."""
        if self.changing.locked() and (self.coming & set(names) if names else self.coming):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s), self.changing:
                    return

    # -- sync --------------------------------------------------------------------------------------

    async def sync(self, names: Sequence[str], path: str | None, *, confirm_deletes: bool = False) -> dict[str, int]:
        """Look at the disk now: everything, or what is at `path`. Tickets by store, for `settled`."""
        tickets: dict[str, int] = {}
        spot = None if path is None else await self.outside.run(Spot.of, path)
        for indexer in self.chosen(names):
            for keeper in indexer.keepers.values():
                inside = "" if spot is None else await keeper.where(spot)
                if inside is None:
                    continue
                tickets[indexer.store.name] = await keeper.ask(
                    inside,
                    folder=spot is None or spot.is_dir,
                    confirm_deletes=confirm_deletes and (spot is not None or keeper.unsure),
                )
        if path is not None and not tickets:
            raise UsageError(f"{path} is in no source", hint="vragd status lists the sources")
        return tickets

    async def catch_up(self, names: Sequence[str], timeout_s: float) -> bool:
        """Whether what has changed in the sources that are watched is searchable; waits up to `timeout_s`."""
        tickets = {
            indexer.store.name: await keeper.ask()
            for indexer in self.chosen(names)
            for keeper in indexer.keepers.values()
            if keeper.source.watch
        }
        return await self.settled(tickets, timeout_s)

    async def settled(self, tickets: Mapping[str, int], timeout_s: float) -> bool:
        """Whether everything known to be dirty at these tickets is searchable; waits up to `timeout_s`."""
        deadline = self.clock.steady() + timeout_s
        for name, ticket in tickets.items():
            if not await self.indexer(name).settled(ticket, max(0.0, deadline - self.clock.steady())):
                return False
        return True

    def each(self, what: str) -> None:
        """
        Begin a job on every store: `rescan`, `retry`, `checkpoint`, `replicas`, `others`, `tend`, `sweep`.

        Where the last one of the kind still goes on, none: a store that hangs holds up no other.
        """
        for indexer in self.indexers.values():
            self._begin(what, indexer)

    def beat(self) -> None:
        """A heartbeat of every store: see that its sources are there, and begin what is due by now."""
        for name, indexer in self.indexers.items():
            try:
                indexer.beat()
            except Exception as error:
                log.warning("schedule.job_failed", job="heartbeat", store=name, **error_fields(error))
            if indexer.retries.due:
                self._begin("retry", indexer)

    @property
    def is_calm(self) -> bool:
        """Whether a heartbeat has nothing to do unless a look at a source tells what no event did."""
        return not self.failed and all(indexer.is_calm for indexer in self.indexers.values())

    def _begin(self, what: str, indexer: Indexer) -> None:
        key = what, indexer.store.name
        if (before := self._jobs.get(key)) is None or before.done():
            self._jobs[key] = asyncio.get_running_loop().create_task(self._job(what, indexer))

    @property
    def n_jobs(self) -> int:
        """How many jobs go on."""
        return sum(not job.done() for job in self._jobs.values())

    async def _job(self, what: str, indexer: Indexer) -> None:
        try:
            match what:
                case "rescan":
                    indexer.rescan()
                case "retry":
                    await indexer.retry_failed()
                case "checkpoint":
                    await indexer.writer.run(indexer.store.flush)
                case "replicas":
                    await indexer.feeding.tend()
                case "others":
                    await indexer.feeding.look_for_others()
                case "tend":
                    await indexer.tend(self.aside)
                case "sweep":
                    await indexer.writer.run(indexer.store.sweep_words)
        except Exception as error:
            if not indexer.standing.ends:
                log.warning("schedule.job_failed", job=what, store=indexer.store.name, **error_fields(error))
