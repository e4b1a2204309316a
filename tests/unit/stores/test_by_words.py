"""Stores whose embedder is away, as they run: every note is found by its words, and what is missing is said."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ollama import FakeOllama
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.server.routes import dispatch
from vragd.stores.indexer import TRIED_FIRST
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores

MANY = 100
Ask = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def running(home: Path, fake: FakeOllama, url: str = "") -> AsyncIterator[tuple[Stores, Ask]]:
    embedder = OllamaEmbedder(type="ollama", model="fake-embed", url=url or fake.url, batch_size=32)
    given = StoreSettings(
        sources=(SourceSettings(path=home / "v"),), backend=MemoryBackend(type="memory"), embedder=embedder
    )
    config = Config(
        stores={"one": given}, limits=LimitSettings(min_free_mib=0), watch=WatchSettings(mode="poll", poll_s=3600)
    )
    (home / "data").mkdir(mode=0o700, exist_ok=True)
    stores = Stores(Loaded(config, None, home / "data", home / "s"), watch=True)
    await stores.start()

    async def ask(method: str, what: str, **body: Any) -> Any:
        reply = await dispatch(Questions(stores), stores, method, f"/v1/{what}", json.dumps(body).encode())
        return json.loads(reply.body)

    try:
        yield stores, ask
    finally:
        await stores.stop()


async def until(condition: Callable[[], Awaitable[object]], within_s: float) -> float:
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def store(ask: Ask) -> Any:
    (row,) = (await ask("GET", "status"))["stores"]
    return row


def absent() -> FakeOllama:
    fake = FakeOllama()
    with fake:
        pass  # it has its port now, and nobody listens there
    return fake


@pytest.mark.slow
def test_a_new_vault_is_searched_by_words_at_once_and_whole_when_the_server_is_there(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for i in range(MANY):
        (tmp_path / f"v/n{i}.md").write_text(f"A note about subject{i}.\n")
    asyncio.run(_whole(tmp_path, absent()))


async def _whole(home: Path, fake: FakeOllama) -> None:
    async with running(home, fake) as (stores, ask):

        async def all_found() -> bool:
            return bool((await store(ask))["states"] == {"pending": MANY})

        await until(all_found, 20)
        row = await store(ask)
        assert (row["notes"], row["pending"], row["trouble"]["code"]) == (MANY, MANY, "embedder_unavailable")
        answer = await ask("POST", "query", text=f"subject{MANY - 1}")
        assert [hit["path"] for hit in answer["hits"]] == [f"n{MANY - 1}.md"]
        assert {"embedder_unavailable", "semantic_unavailable"} <= set(answer["degraded"])
        files = (await ask("GET", "files?state=pending"))["files"]
        assert len(files) == MANY, "each once"
        assert {(file["state"], file["retry_at"]) for file in files} == {("pending", None)}
        assert all(file["reason"].startswith("by_words: Ollama does not answer at") for file in files)
        assert (await ask("GET", "files?state=failed"))["files"] == []
        assert not await stores.settled(await stores.sync((), None), 0.2), "which promises vectors, too"
        assert "semantic_unavailable" in (await ask("POST", "similar", note="n1.md"))["degraded"]
        assert (await ask("GET", "map"))["pictures"][0]["state"] == "empty"
        generation = row["generation"]
        await stores.settled(await stores.sync((), None), 1.0)  # every note is looked at, and none is written
        assert (await store(ask))["generation"] == generation
        with fake:
            stores.indexer("one").look_again()

            async def whole() -> bool:
                row = await store(ask)
                return bool(not row["pending"] and not row["degraded"])

            await until(whole, 60)
            row = await store(ask)
            assert (row["states"], row["embeddings"]) == ({"indexed": MANY}, MANY)
            assert (await ask("POST", "verify"))["ok"]
            assert len(fake.embedded_texts) == len(set(fake.embedded_texts))
    async with running(home, fake) as (stores, ask):
        (home / "v/new.md").write_text("A note about quokkas.\n")
        (home / "v/n0.md").unlink()
        await stores.sync((), None)

        async def new_found() -> bool:
            return bool((await store(ask))["states"] == {"pending": 1, "indexed": MANY - 1})

        await until(new_found, 20)
        answer = await ask("POST", "query", text="quokkas")
        assert [hit["path"] for hit in answer["hits"]] == ["new.md"]
        row = await store(ask)
        assert row["pending"] == 1, "and no more of those that are as they were"
        assert row["embeddings"] == MANY
        with fake:
            stores.indexer("one").look_again()

            async def healed() -> bool:
                return bool((await store(ask))["states"] == {"indexed": MANY})

            await until(healed, 60)


@pytest.mark.slow
def test_where_those_that_are_tried_first_need_no_embedder_the_others_wait_no_longer_than_that(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v/old.md").write_text("A note about herons.\n")
    asyncio.run(_tried(tmp_path, absent()))


async def _tried(home: Path, fake: FakeOllama) -> None:
    async with running(home, fake) as (stores, ask):

        async def states() -> Any:
            return (await store(ask))["states"]

        async def all_found() -> bool:
            return bool(await states() == {"indexed": 1, "pending": TRIED_FIRST + 4})

        with fake:
            stores.indexer("one").look_again()
            assert await stores.settled(await stores.sync((), None), 60)
        for i in range(TRIED_FIRST + 4):
            (home / f"v/n{i}.md").write_text(f"A note about subject{i}.\n")
        await stores.sync((), None)
        await until(all_found, 20)
        dirty = stores.indexer("one").dirty
        for _, path in dirty.pending_paths()[:TRIED_FIRST]:
            (home / "v" / path).unlink()  # nobody tells: it is looked for once an hour
        assert (await store(ask))["trouble"]["code"] == "embedder_unavailable"
        with fake:
            stores.indexer("one").look_again()

            async def whole() -> bool:
                row = await store(ask)
                return bool(row["states"] == {"indexed": 5} and not row["trouble"] and not dirty.n_parked())

            await until(whole, 60)


def test_a_model_that_may_not_be_asked_keeps_no_note_from_being_found_by_its_words(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v/old.md").write_text("A note about herons.\n")

    async def check() -> None:
        async with running(tmp_path, absent(), "http://embedder.invalid:11434") as (_, ask):

            async def found() -> Any:
                return (await ask("POST", "query", text="herons"))["hits"]

            await until(found, 20)
            row = await store(ask)
            assert (row["trouble"]["code"], row["trouble"]["hint"]) == (
                "embedder_refused",
                "if that is what you want, set allow_remote: true",
            )
            assert (row["sends_to"], row["states"]) == (None, {"pending": 1})

    asyncio.run(check())
