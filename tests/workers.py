"""An indexer in this process, on folders of notes and a stand-in for Ollama."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes.ollama import FakeOllama
from tests.harness import until
from vragd.backends.memory.settings import MemoryBackend
from vragd.catalog.titles import missing
from vragd.config.settings import LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.registry import create_embedder
from vragd.store.opening import open_store
from vragd.stores.indexer import Indexer
from vragd.stores.starting import start
from vragd.stores.state import Standing, State
from vragd.stores.watched import Keeper
from vragd.sync.pace import PACE, Pace
from vragd.system.clock import SYSTEM, Clock

N = 30  # above what the delete guard lets pass at once


class Home:
    """Folders of notes, and a worker on them as often as one is started."""

    def __init__(self, place: Path, ollama: FakeOllama) -> None:
        self.place, self.ollama = place, ollama

    def folder(self, name: str, n: int = N) -> Path:
        folder = self.place / name
        folder.mkdir()
        for i in range(n):
            (folder / f"n{i}.md").write_text(f"{name} {i}")
        return folder

    @asynccontextmanager
    async def worker(
        self, *sources: SourceSettings, watch: bool = True, clock: Clock = SYSTEM, pace: Pace = PACE
    ) -> AsyncIterator[Indexer]:
        settings = OllamaEmbedder(type="ollama", model="fake-embed", url=self.ollama.url, batch_size=4)
        embedder = create_embedder("ollama", settings)
        standing = Standing("abc", clock)
        worker = await start(
            standing,
            lambda: open_store(
                "abc",
                StoreSettings(sources=sources, embedder=settings, backend=MemoryBackend(type="memory")),
                self.place / "store",
                LimitSettings(min_free_mib=0),
                lambda: embedder,
                stop=lambda: standing.ends,
                clock=clock,
                pace=pace,
            ),
            WatchSettings(settle_ms=20),
            watch=watch,
            clock=clock,
        )
        try:
            yield worker
        finally:
            standing.become(State.AWAY)
            await worker.stop()
            embedder.close()


async def eventually(condition: Callable[[], object], what: str) -> None:
    await asyncio.get_running_loop().run_in_executor(None, until, condition, what)


def keeper_of(worker: Indexer, path: Path) -> Keeper:
    return next(keeper for keeper in worker.keepers.values() if keeper.source.path == path)


def paths(worker: Indexer, path: Path) -> set[str]:
    return set(worker.store.reader.known(keeper_of(worker, path).source.id))


def idle(worker: Indexer) -> bool:
    return not worker.dirty.pending() and not worker.degraded()


def titles_wait(worker: Indexer) -> bool:
    """Whether there are titles to be embedded, which is done while there is nothing else to do."""
    space = worker.store.space
    with worker.store.reader.snapshot() as now:
        return space is None or bool(missing(now.db, space.id, 1))
