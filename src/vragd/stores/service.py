"""
All stores, running: what the socket offers, as methods. The daemon serves them; a command without a
daemon calls the same methods in its own process.

Lives on the event loop; blocking work goes to lanes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Never

import structlog

from vragd.backends.settings import BackendSettings
from vragd.config.load import Loaded
from vragd.config.settings import StoreSettings
from vragd.embed.pool import Embedders
from vragd.errors import (
    BackendUnavailable,
    DataDirError,
    DiskFull,
    EmbedderUnavailable,
    Overloaded,
    UnknownStore,
    UsageError,
    VragdError,
)
from vragd.search.ask import Answer, Place, Question, Target, ask, check, merge
from vragd.store.store import Store
from vragd.store.verify import Problem, compare_backend, compare_vault, mend_backend
from vragd.stores.loops import Worker
from vragd.stores.registry import Registry, with_once
from vragd.system.files import private_dir
from vragd.system.lanes import Lane, progress
from vragd.system.log import error_fields
from vragd.vault.ignore import Rules
from vragd.vault.root import Spot
from vragd.vault.scan import scan

log = structlog.get_logger()

QUERY_THREADS = 4
MAX_WAITING_QUERIES = 16
REST_S = 10.0  # how long a question waits for a store that is being started again


class Service:
    """Runs from `start` to `stop`. `watch=False` looks at the disk only when asked to."""

    def __init__(self, loaded: Loaded, *, watch: bool) -> None:
        self.loaded = loaded
        self.registry = Registry(loaded)
        self.workers: dict[str, Worker] = {}
        self.failed: dict[str, VragdError] = {}  # stores that could not be opened, and why
        self.started_at = time.monotonic()
        self.stopping = False
        self._watch = watch
        self._embedders = Embedders()
        self.readers = Lane("reader", QUERY_THREADS)
        self._n_queries = 0
        self.changing = asyncio.Lock()
        self.away: set[str] = set()  # stores that were stopped and are being started again

    # -- lifecycle ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open every store and begin; one that cannot be opened is `failed`. Raises if that is true of all."""
        private_dir(self.registry.root)
        self.registry.sweep()
        entries = self.registry.entries().values()
        for entry in entries:
            if entry.settings is not None:
                self._embedders.expect(entry.settings.embedder)
        for entry in entries:
            if entry.settings is not None:
                try:
                    await self.start_store(entry.name, entry.settings)
                except Exception as error:  # one store's fault is not the others'
                    log.error("store.start_failed", store=entry.name, **error_fields(error))
        if self.failed and not self.workers:
            raise next(iter(self.failed.values()))

    async def start_store(self, name: str, settings: StoreSettings) -> Worker:
        def stop() -> bool:
            progress()  # whoever asks whether to go on does not hang
            return self.stopping or store.closing

        store = Store(
            name,
            settings,
            self.registry.folder(name),
            self.loaded.config.limits,
            lambda: self._embedders.get(settings.embedder),
            stop=stop,
            recorded=self._embedders.recorded,
        )
        worker = Worker(store, self.loaded.config.watch, watch=self._watch)
        try:
            await worker.start()
        except Exception as error:
            fault = VragdError("a fault in vragd", hint="see its log")
            self.failed[name] = error if isinstance(error, VragdError) else fault
            with suppress(Exception):
                await worker.stop()
            raise
        finally:
            self.away.discard(name)
        self.failed.pop(name, None)
        self.workers[name] = worker
        if settings.backend.shared:
            self.registry.remember_remote(name, settings.backend.where())
        return worker

    async def stop(self) -> None:
        """End every store's work and close it. Raises the first error of a last flush, after all are closed."""
        self.stopping = True
        await asyncio.to_thread(self._embedders.close)
        results = await asyncio.gather(*(worker.stop() for worker in self.workers.values()), return_exceptions=True)
        self.readers.close()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    # -- queries -----------------------------------------------------------------------------------

    async def query(self, question: Question, stores: Sequence[str]) -> dict[str, Any]:
        """The answer of one store, several, or all (none named)."""
        check(question)
        await self.at_rest(stores, REST_S)
        workers = self.chosen(stores)
        labels = {source.label for worker in workers for source in worker.store.sources.values()}
        if unknown := question.sources - labels:
            raise UsageError(
                f"there is no source {sorted(unknown)[0]!r}", hint=f"one of: {', '.join(sorted(labels)) or 'none yet'}"
            )
        if self._n_queries >= QUERY_THREADS + MAX_WAITING_QUERIES:
            raise Overloaded("too many queries at once", hint="try again in a moment")
        self._n_queries += 1
        try:
            found = await asyncio.gather(*(self._ask(worker, question) for worker in workers))
        finally:
            self._n_queries -= 1
        answers = [answer for _, answer in found]
        degraded = [reason for worker in workers for reason in worker.degraded()]
        degraded += [reason for answer in answers for reason in answer.degraded]
        degraded += ["store_restarting"] if self.away and not stores else []
        return {
            "hits": merge(found, question.top_k),
            "generation": sum(answer.generation for answer in answers),
            "pending": sum(worker.dirty.pending() for worker in workers),
            "degraded": list(dict.fromkeys(degraded)),
        }

    async def _ask(self, worker: Worker, question: Question) -> tuple[str, Answer]:
        """A store's answer, and the fingerprint of the space it is from."""
        while True:
            target = self._target(worker)
            try:
                answer = await self.readers.run(ask, target, question)
            except BackendUnavailable:
                if not worker.store.closing:
                    raise
                await self.at_rest([worker.store.name], REST_S)  # it is being started again
                worker = self.worker(worker.store.name)
                continue
            if "semantic_unavailable" not in answer.degraded:
                break
            if (now := worker.store.answering) is None or now.space == target.space:
                worker.doubt()
                break
            # the space was switched meanwhile, and the old one is gone: the new one knows
        return target.space.fingerprint if target.space else "", answer

    async def at_rest(self, names: Sequence[str], timeout_s: float) -> None:
        """Wait for the end of a change under way that has taken away a store of these names; of any, if none is."""
        if self.changing.locked() and (self.away & set(names) if names else self.away):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s), self.changing:
                    return

    def chosen(self, names: Sequence[str]) -> list[Worker]:
        """The stores of these names, or all when none is named. Raises UnknownStore."""
        if not names:
            if not self.workers and self.away:
                raise Overloaded("the stores are being started again", hint="try again in a moment")
            if not self.workers:
                raise UnknownStore("there is no store yet", hint="vragd init ~/path/to/your/vault")
            return list(self.workers.values())
        return [self.worker(name) for name in dict.fromkeys(names)]

    def worker(self, name: str) -> Worker:
        """The store of this name. Raises UnknownStore."""
        if name not in self.workers:
            if error := self.failed.get(name):
                raise error
            if name in self.away:
                raise Overloaded(f"store {name!r} is being started again", hint="try again in a moment")
            self.registry.known(name)  # raises, naming those there are
            raise UnknownStore(f"store {name!r} has data but no settings", hint=f"vragd store delete {name}")
        return self.workers[name]

    @staticmethod
    def _target(worker: Worker) -> Target:
        store, answering = worker.store, worker.store.answering
        places = {source.label: Place(source.uid, source.path, source.in_obsidian) for source in store.sources.values()}
        return Target(
            store.name,
            store.reader,
            store.backend,
            answering.space if answering else None,
            answering.embed_query if answering else _nobody,
            places,
        )

    # -- sync --------------------------------------------------------------------------------------

    async def sync(self, stores: Sequence[str], path: str | None, *, confirm_deletes: bool = False) -> dict[str, int]:
        """Look at the disk now: everything, or what is at `path`. Tickets by store, for `settled`."""
        tickets: dict[str, int] = {}
        spot = None if path is None else await asyncio.to_thread(Spot.of, path)  # it may be on a mount that hangs
        for worker in self.chosen(stores):
            for keeper in worker.keepers.values():
                inside = "" if spot is None else await keeper.where(spot)
                if inside is None:
                    continue
                tickets[worker.store.name] = await keeper.ask(
                    inside,
                    folder=spot is None or spot.is_dir,
                    confirm_deletes=confirm_deletes and (spot is not None or keeper.unsure),
                )
        if path is not None and not tickets:
            raise UsageError(f"{path} is in no source", hint="vragd status lists the sources")
        return tickets

    async def settled(self, tickets: Mapping[str, int], timeout_s: float) -> bool:
        """Whether everything known to be dirty at these tickets is searchable; waits up to `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        for name, ticket in tickets.items():
            if not await self.worker(name).settled(ticket, max(0.0, deadline - time.monotonic())):
                return False
        return True

    # -- stores ------------------------------------------------------------------------------------

    async def create_store(self, name: str, settings: StoreSettings, *, replace: bool = False) -> None:
        """Make a store, or with `replace` give one made by a command other settings; it runs at once."""
        async with self.changing:
            await self._create(name, settings, replace=replace)

    async def _create(self, name: str, settings: StoreSettings, *, replace: bool) -> None:
        entry = self.registry.create(name, settings, replace=replace)
        assert entry.settings is not None
        try:
            await self.stop_store(name)
            await self.start_store(name, entry.settings)
        except VragdError:
            if not replace:
                self.registry.delete(name)
            raise

    async def index(
        self, name: str, path: str, include: Sequence[str], backend: BackendSettings | None = None
    ) -> dict[str, int]:
        """
        Index what matches `include` below `path`, once; tickets for `settled`.

        The store is made if there is none, with `backend` if that is given; one made by a command moves
        to it, and gets the place as a source that is not watched. Of a store in the configuration only
        what its own sources hold can be indexed, and its backend is changed there.
        """
        async with self.changing:  # two at a time would each widen what the other does not know of
            entry = self.registry.entries().get(name)
            if entry is None or entry.origin != "config":
                settings = entry.settings if entry and entry.settings else StoreSettings()
                chosen = settings.model_copy(update={"backend": settings.backend.merged(backend)})
                wider = with_once(chosen, Path(path), include)
                if wider != settings:
                    if not (await self.readers.run(scan, Path(path), Rules(include, ()))).notes:
                        raise UsageError(
                            f"nothing below {path} matches {' '.join(include)!r}",
                            hint="a quoted pattern, such as '**/*.md'",
                        )
                    await self._create(name, wider, replace=entry is not None)
            elif backend is not None and entry.settings is not None and entry.settings.backend != backend:
                raise UsageError(
                    f"store {name!r} is in the configuration with backend {entry.settings.backend.type}",
                    hint="change its backend there, or use another store name",
                )
        return await self.sync([name], path)

    async def delete_store(self, name: str, *, keep_remote: bool = False) -> str:
        """
        Forget a store and all that is kept of it; its origin. The vault is not touched.

        What it put into a remote backend goes first, and with it the index if nobody else feeds it; when
        that cannot be reached nothing is deleted. `keep_remote` leaves it there.
        """
        async with self.changing:
            entry = self.registry.known(name)
            if name not in self.workers and not keep_remote and (where := self.registry.remote(name)):
                raise UsageError(
                    f"store {name!r} has vectors in {where} and does not run: nothing was deleted",
                    hint="put it into the configuration again and delete it then, or add --keep-remote",
                )
            try:
                await self.stop_store(name, forget=not keep_remote)
            except (DiskFull, DataDirError) as error:  # of a last flush, and deleting is what makes room
                log.warning("store.flush_failed", store=name, **error_fields(error))
            except VragdError as error:
                assert entry.settings is not None
                await self.start_store(name, entry.settings)
                hint = "vragd store delete --keep-remote leaves there what cannot be deleted now"
                raise type(error)(f"the store is kept: {error.message}", hint=hint) from error
            self.away.discard(name)
            self.registry.delete(name)
        log.info("store.files_deleted", store=name)
        return entry.origin

    async def stop_store(self, name: str, *, forget: bool = False) -> None:
        """End the work of a store, if it runs; with `forget`, have its backend forget it."""
        self.failed.pop(name, None)
        if running := self.workers.pop(name, None):
            self.away.add(name)
            running.store.closing = True
            await running.stop(forget=forget)

    # -- verify ------------------------------------------------------------------------------------

    async def verify(self, stores: Sequence[str], *, repair: bool) -> dict[str, Any]:
        """Compare vault, catalog and backend of each store; with `repair` mend, and compare again."""
        results = []
        for worker in self.chosen(stores):
            problems = await self._problems(worker)
            n_mended = 0
            if repair and problems:
                await self._mend(worker, problems)
                left = await self._problems(worker)
                n_mended, problems = max(0, len(problems) - len(left)), left
            results.append({"store": worker.store.name, "problems": problems, "n_mended": n_mended})
        return {"stores": results, "ok": not any(result["problems"] for result in results)}

    async def _problems(self, worker: Worker) -> list[Problem]:
        await worker.heartbeat()  # a process that just began has yet to connect its sources
        await worker.settled(worker.dirty.ticket(), 10.0)
        problems: list[Problem] = []
        for source in worker.store.sources.values():
            pending = frozenset(path for source_id, path in worker.dirty.pending_paths() if source_id == source.id)
            problems += await self.readers.run(compare_vault, worker.store, source, pending)
        return problems + await worker.writer.run(compare_backend, worker.store)

    async def _mend(self, worker: Worker, problems: list[Problem]) -> None:
        log.warning("verify.mending_started", store=worker.store.name, n_problems=len(problems))
        await worker.writer.run(mend_backend, worker.store, problems)
        if worker.store.damage is not None:
            worker.beat()
            await worker.settled(worker.dirty.ticket(), 600.0)  # replaced then; the scans that follow come later
        await worker.retry_failed()
        by_label = {source.label: source.id for source in worker.store.sources.values()}
        # not as hints: too many of those become a scan, which trusts the stamps that are in doubt here
        worker.dirty.add((by_label[problem.source], problem.path) for problem in problems if problem.path)
        await worker.settled(worker.dirty.ticket(), 600.0)

    # -- jobs --------------------------------------------------------------------------------------

    async def each(self, what: str) -> None:
        """A scheduled job on every store: `heartbeat`, `rescan`, `retry`, `checkpoint`, `tend`."""
        for worker in list(self.workers.values()):
            try:
                match what:
                    case "heartbeat":
                        worker.beat()
                    case "rescan":
                        worker.rescan()
                    case "retry":
                        await worker.retry_failed()
                    case "checkpoint":
                        await worker.writer.run(worker.store.flush)
                    case "tend":
                        await worker.writer.run(worker.store.tend)
            except Exception as error:  # the others' turn comes all the same
                if not worker.store.closing:
                    log.warning("schedule.job_failed", job=what, store=worker.store.name, **error_fields(error))


def _nobody(_: str) -> Never:
    raise EmbedderUnavailable("the embedder was not reached yet")
