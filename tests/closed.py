"""Vaults that are in part closed to assistants; asked through the bridge, in this process."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.ollama import FakeOllama
from vragd.backends.memory.settings import MemoryBackend
from vragd.backends.settings import BackendSettings
from vragd.catalog import titles
from vragd.client import Client, error_of
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.mcp.bridge import Bridge
from vragd.mcp.resources import Resources
from vragd.mcp.text import Fence
from vragd.mcp.versions import Refused
from vragd.server.routes import dispatch
from vragd.stores.indexer import Indexer
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores
from vragd.terms.settings import McpSettings

WRITTEN_AT = 1_700_000_000


@dataclass(frozen=True)
class Vault:
    """Files by path, of a folder; `mcp` as in the configuration."""

    files: Mapping[str, str]
    mcp: bool | McpSettings = True


class InProcess(Client):
    """The routes of stores that run here, as a client has them."""

    def __init__(self, stores: Stores, runner: asyncio.Runner) -> None:
        super().__init__("/nowhere")
        self.stores, self.runner = stores, runner

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        return self.runner.run(self.answer(method, target, body))

    async def answer(self, method: str, target: str, body: Any = None) -> Any:
        """As `request`, on the loop."""
        raw = b"" if body is None else json.dumps(body).encode()
        reply = await dispatch(Questions(self.stores), self.stores, method, target, raw)
        answer = json.loads(reply.body)
        if reply.status != 200:
            raise error_of(**answer["error"])
        return answer

    def sync(self) -> None:
        """Whatever changed on the disk is indexed."""
        assert self.request("POST", "/v1/sync", {"wait_s": 25})["done"]
        self.runner.run(until(lambda: all(map(_has_titles, self.stores.indexers.values())), 25))

    def call(self, tool: str, **arguments: Any) -> str:
        """All that the bridge answers, as JSON."""
        return json.dumps(Bridge(lambda: self, Fence("0a0b0c0d")).call(tool, arguments), ensure_ascii=False)

    def resource(self, uri: str | None = None) -> str:
        """All that is answered to who reads it, or without one to who has resources listed."""
        bridge = Resources(lambda: self, Fence("0a0b0c0d"))
        try:
            found = bridge.listed(None) if uri is None else bridge.read(uri)
        except Refused as error:
            found = error.told()
        return json.dumps(found, ensure_ascii=False)

    def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What it answers, where that is no mistake."""
        result = json.loads(self.call(tool, **arguments))
        assert not result["isError"], result
        structure: dict[str, Any] = result["structuredContent"]
        return structure


def _has_titles(indexer: Indexer) -> bool:
    """Whether every title has a vector: they are embedded when nothing else is to be done."""
    store = indexer.store
    with store.reader.snapshot() as now:
        return store.space is not None and not titles.missing(now.db, store.space.id, 1)


async def until(true: Callable[[], bool], s: float) -> None:
    """Returns as soon as it is."""
    async with asyncio.timeout(s):
        while not true():
            await asyncio.sleep(0.01)


def write(root: Path, files: Mapping[str, str]) -> None:
    """Each with a time of its own, the same in any folder."""
    for path, text in sorted(files.items()):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        os.utime(root / path, (WRITTEN_AT, WRITTEN_AT + zlib.crc32(path.encode()) % 1_000_000))


@contextmanager
def running(
    home: Path, stores: Mapping[str, Mapping[str, Vault]], fake: FakeOllama, backend: BackendSettings | None = None,
    *, begun: bool = False,
) -> Iterator[InProcess]:  # fmt: skip
    """These stores, each with the vaults of its sources by name, all indexed; or `begun`: as a start leaves them."""
    embedder = OllamaEmbedder(type="ollama", model="fake-embed", url=fake.url)
    settings = dict[str, StoreSettings]()
    for store, vaults in stores.items():
        for name, vault in vaults.items():
            (home / name).mkdir(parents=True, exist_ok=True)
            write(home / name, vault.files)
        sources = tuple(SourceSettings(path=home / name, mcp=vault.mcp) for name, vault in vaults.items())
        made = backend or MemoryBackend(type="memory")
        settings[store] = StoreSettings(sources=sources, embedder=embedder, backend=made)
    watching = WatchSettings(settle_ms=10_000)  # what is hinted at waits for so long
    config = Config(stores=settings, limits=LimitSettings(min_free_mib=0), watch=watching)
    (home / "data").mkdir(mode=0o700, exist_ok=True)
    with asyncio.Runner() as runner:
        made_stores = Stores(Loaded(config, None, home / "data", home / "s"), watch=begun)
        runner.run(made_stores.start())
        try:
            daemon = InProcess(made_stores, runner)
            if not begun:
                daemon.sync()
            yield daemon
        finally:
            runner.run(made_stores.stop())


def everything(names: Sequence[str], questions: Sequence[str], filters: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Calls of every tool."""
    yield "status", {}
    for question in questions:
        yield "search", {"query": question}
        yield "search", {"query": question, "limit": 1}
    for name in names:
        yield "get_note", {"note": name}
        yield "links", {"note": name}
        yield "related_notes", {"note": name, "limit": 3}
    for filter_ in filters:
        yield "search", {"query": "", "filter": filter_}
        yield "recent_notes", {"filter": filter_, "limit": 2}
        yield "tags_and_properties", {"filter": filter_}
    yield "recent_notes", {}
    yield "recent_notes", {"limit": 2, "cursor": "2"}
    yield "tags_and_properties", {}
    yield "tags_and_properties", {"property": "status"}
