"""What status tells of a store's model: where it sends text, and that it does badly with the notes there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai import FakeOpenAI, tokens_of
from tests.unit.search.test_tongue import ENGLISH, FRENCH
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.embed.settings import EmbedderSettings
from vragd.server.routes import dispatch
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores
from vragd.terms.settings import default_embedder

Get = Callable[[str], Awaitable[Any]]


@asynccontextmanager
async def running(home: Path, embedder: EmbedderSettings) -> AsyncIterator[tuple[Stores, Get]]:
    """The stores of a home, all indexed, and what its GET routes answer."""
    (home / "data").mkdir(mode=0o700)
    given = StoreSettings(
        sources=(SourceSettings(path=home / "v"),), backend=MemoryBackend(type="memory"), embedder=embedder
    )
    config = Config(
        stores={"one": given}, limits=LimitSettings(min_free_mib=0), watch=WatchSettings(mode="poll", poll_s=3600)
    )
    stores = Stores(Loaded(config, None, home / "data", home / "s"), watch=True)
    await stores.start()
    try:
        assert await stores.settled(await stores.sync((), None), 30)

        async def get(what: str) -> Any:
            return json.loads((await dispatch(Questions(stores), stores, "GET", f"/v1/{what}", b"")).body)

        yield stores, get
    finally:
        await stores.stop()


async def told(home: Path, embedder: EmbedderSettings, *asked: str) -> list[Any]:
    async with running(home, embedder) as (_, get):
        return [await get(what) for what in asked]


@pytest.mark.parametrize(("n_french", "share"), [(12, 0.67), (6, None)])
def test_most_notes_in_another_language_are_told_to_people(tmp_path: Path, n_french: int, share: float | None) -> None:
    (tmp_path / "v").mkdir()
    for i in range(18):
        (tmp_path / f"v/{i}.md").write_text(f"{FRENCH if i < n_french else ENGLISH} {i}\n")
    status, assistants = asyncio.run(told(tmp_path, default_embedder(), "status", "status?audience=assistant"))
    assert [one["stores"][0]["foreign"] for one in (status, assistants)] == [share, None]
    assert status["stores"][0]["sends_to"] is None


async def once_all_is_counted(home: Path, embedder: EmbedderSettings, server: FakeOpenAI) -> tuple[Any, Any]:
    """What status and its own route tell of the store; while a request goes on, what it may take at most is counted."""
    async with running(home, embedder) as (_, get), asyncio.timeout(30):
        while True:
            (row,) = (await get("status"))["stores"]
            if 0 < row["sent"]["tokens"] <= sum(map(tokens_of, server.embedded_texts)):
                return row, await get("stores/one")
            await asyncio.sleep(0.01)


def test_a_host_that_gets_text_is_named_and_a_model_of_many_languages_is_not_said_to_do_badly(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for i in range(12):
        (tmp_path / f"v/{i}.md").write_text(FRENCH)
    with FakeOpenAI() as server:
        # an address of no machine, which the system connects to itself
        url = server.base.replace("127.0.0.1", "0.0.0.0")
        settings = OpenAIEmbedder(type="openai", model="fake-embed", url=url, allow_remote=True)
        row, info = asyncio.run(once_all_is_counted(tmp_path, settings, server))
    assert (row["foreign"], row["sends_to"]) == (None, "0.0.0.0")
    n_bytes = len(FRENCH.encode())
    counted = {"host": "0.0.0.0", "texts": 1, "n_bytes": n_bytes, "tokens": n_bytes // 4}
    assert info["sending"] == counted | {"cost": None, "most_tokens": None, "limit_key": "monthly_tokens"}
    assert (row["sent"]["cost"], row["sent"]["most_tokens"]) == (None, None)


@pytest.mark.slow  # it waits as long as it leaves a server alone
@pytest.mark.parametrize(("fault", "code"), [("gone", "embedder_unavailable"), ("key", "embedder_refused")])
def test_what_waits_for_a_model_is_pending_with_what_it_waits_for_and_goes_on_by_itself(
    tmp_path: Path, fault: str, code: str
) -> None:
    asyncio.run(_wait_for_a_model(tmp_path, fault, code))


async def _wait_for_a_model(home: Path, fault: str, code: str) -> None:
    (home / "v").mkdir()
    (home / "v/old.md").write_text("a pangolin\n")

    async def until(found: Callable[[Any], bool], what: str) -> Any:
        async with asyncio.timeout(60):
            while not found(told := await get(what)):
                await asyncio.sleep(0.05)
            return told

    with FakeOpenAI() as server:
        settings = OpenAIEmbedder(type="openai", model="fake-embed", url=server.base)
        async with running(home, settings) as (stores, get):
            if fault == "gone":
                server.stop()
            else:
                server.key = "another"
            (home / "v/new.md").write_text("a quokka\n")
            await stores.sync((), None)
            status = await until(lambda told: code in told["degraded"], "status")
            trouble = status["stores"][0]["trouble"]
            assert (trouble["code"], bool(trouble["hint"])) == (code, True)
            rows = {row["path"]: row for row in (await get("files?state=pending"))["files"]}  # of fresh ones too
            assert rows.keys() <= {"new.md", "old.md"}
            said = rows["new.md"]["state"], rows["new.md"]["n_chunks"], rows["new.md"]["reason"]
            assert said == ("pending", 1, f"by_words: {trouble['message']}")
            server.__enter__()
            server.key = ""
            await until(lambda told: not told["degraded"] and not told["pending"], "status")
            rows = (await get("files"))["files"]
            assert {row["path"]: (row["state"], row["reason"]) for row in rows} == {
                "old.md": ("indexed", None), "new.md": ("indexed", None)
            }  # fmt: skip
