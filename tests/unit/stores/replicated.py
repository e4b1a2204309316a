"""A home with a store that has replicas, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.lucene import FakeNode
from tests.fakes.ollama import FakeOllama
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, StoreSettings, WatchSettings
from vragd.stores.questions import Questions
from vragd.stores.reports import overview
from vragd.stores.stores import Stores
from vragd.sync.pace import PACE, Pace
from vragd.system.clock import SYSTEM, Clock

MEMORY = {"type": "memory"}


class Home:
    """A vault, its store of these settings, and a node that stands in for OpenSearch."""

    def __init__(self, place: Path, ollama: FakeOllama, node: FakeNode) -> None:
        self.place, self.ollama, self.node = place, ollama, node
        self.vault = place / "vault"
        self.vault.mkdir()
        (place / "data").mkdir(mode=0o700)
        self.remote = {"type": "opensearch", "url": f"http://{node.host}", "timeout_s": 5, "query_timeout_s": 1}
        for name in ("heron", "bittern", "crane"):
            self.write(name)

    def write(self, name: str) -> None:
        (self.vault / f"{name}.md").write_text(f"# {name}\n\nWhat is known of the {name}.\n")

    def kept(self) -> set[str]:
        return {key for index in self.node.indices for key in self.node.keys(index)}

    def loaded(self, **settings: Any) -> Loaded:
        embedder = {"type": "ollama", "model": "fake-embed", "url": self.ollama.url}
        given = {"sources": [{"path": str(self.vault)}], "embedder": embedder, "backend": MEMORY, **settings}
        store = StoreSettings.model_validate(given)
        config = Config(
            stores={"notes": store}, limits=LimitSettings(min_free_mib=0), watch=WatchSettings(settle_ms=10)
        )
        return Loaded(config, None, self.place / "data", self.place / "socket")

    @asynccontextmanager
    async def running(self, clock: Clock = SYSTEM, pace: Pace = PACE, **settings: Any) -> AsyncIterator[Stores]:
        stores = Stores(self.loaded(**settings), watch=False, clock=clock, pace=pace)
        try:
            await stores.start()
            assert await self.synced(stores)
            yield stores
        finally:
            await stores.stop()

    async def synced(self, stores: Stores) -> bool:
        return await stores.settled(await stores.sync([], None), 30)


def homes(place: Path) -> Iterator[Home]:
    """One home, for a fixture."""
    with FakeOllama() as ollama, FakeNode("opensearch") as node:
        yield Home(place, ollama, node)
        if node.hangs:
            node.hangs.set()


def run(check: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(check())


async def told(stores: Stores) -> dict[str, Any]:
    status = await overview(stores, whole=True)
    found: dict[str, Any] = status["stores"][0]
    return found


async def comes(stores: Stores, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The status of the store, once it is so."""
    async with asyncio.timeout(30):
        while not condition(row := await told(stores)):
            await asyncio.sleep(0.02)
    return row


def is_current(row: dict[str, Any]) -> bool:
    return all(not one["n_behind"] and one["trouble"] is None for one in row["replicas"]) and bool(row["chunks"])


def live(stores: Stores) -> set[str]:
    store = stores.indexer("notes").store
    assert store.space is not None
    with store.reader.snapshot() as now:
        return {key for (key,) in now.db.execute("select key from chunk where embedded")}


async def ask(stores: Stores, text: str, **more: Any) -> dict[str, Any]:
    return await Questions(stores).query([], text=text, top_k=5, mode="vector", weak=True, **more)
