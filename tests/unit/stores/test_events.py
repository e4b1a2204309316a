"""What is told to somebody who looks on: all of it at first, then what changes, and nothing while nothing does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.server.watching import lines
from vragd.stores.events import Event, changes
from vragd.stores.stores import Stores

Check = Callable[[Stores], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Check], None]:
    vault = tmp_path / "v"
    vault.mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    settings = StoreSettings(sources=(SourceSettings(path=vault),), backend=MemoryBackend(type="memory"))
    config = Config(
        stores={"notes": settings}, limits=LimitSettings(min_free_mib=0), watch=WatchSettings(mode="poll", poll_s=3600)
    )

    async def main(check: Check) -> None:
        stores = Stores(Loaded(config, None, tmp_path / "data", tmp_path / "s"), watch=True)
        await stores.start()
        try:
            assert await stores.settled(await stores.sync((), None), 30)
            await asyncio.wait_for(check(stores), 30)
        finally:
            await stores.stop()

    return lambda check: asyncio.run(main(check))


def watching(stores: Stores, **named: float) -> AsyncGenerator[Event, None]:
    return cast(AsyncGenerator[Event, None], changes(stores, **{"every_s": 0.01, "silent_s": 1e9} | named))


async def until(events: AsyncGenerator[Event, None], kind: str, **wanted: Any) -> Event:
    """The next event that has these."""
    async for event in events:
        if event.kind == kind and all(event.data[name] == value for name, value in wanted.items()):
            return event
    raise AssertionError("the stream ended")


def test_both_kinds_at_first_and_progress_with_every_note(run: Callable[[Check], None], tmp_path: Path) -> None:
    async def check(stores: Stores) -> None:
        events = watching(stores)
        first, second = await anext(events), await anext(events)
        assert [first[:2], second[:2]] == [(1, "progress"), (2, "states")]
        assert (first.data["notes"], first.data["pending"]) == (0, 0)
        (store,) = second.data["stores"]
        assert (store["name"], store["state"], store["trouble"], store["sources"]) == (
            "notes", "running", None, [{"name": "v", "state": "ok"}],
        )  # fmt: skip
        (tmp_path / "v/a.md").write_text("A heron.")
        await stores.sync((), None)
        event = await until(events, "progress", notes=1, pending=0)
        assert event.data["generation"] > first.data["generation"]
        await events.aclose()

    run(check)


def test_a_folder_that_goes_away_and_comes_back_is_told(run: Callable[[Check], None], tmp_path: Path) -> None:
    async def check(stores: Stores) -> None:
        events = watching(stores)
        (tmp_path / "v").rename(tmp_path / "away")
        await stores.indexers["notes"].heartbeat(20)
        event = await until(events, "states")
        while event.data["stores"][0]["sources"][0]["state"] != "offline":
            event = await until(events, "states")
        assert "source_offline" in event.data["degraded"]
        (tmp_path / "away").rename(tmp_path / "v")
        await stores.indexers["notes"].heartbeat(20)
        await until(events, "states", degraded=[])
        await events.aclose()

    run(check)


def test_while_nothing_happens_there_is_only_a_sign_of_life(run: Callable[[Check], None]) -> None:
    async def check(stores: Stores) -> None:
        events = watching(stores, every_s=0.01, silent_s=0.05)
        assert [(await anext(events)).kind for _ in range(6)] == ["progress", "states", "", "", "", ""]
        told = lines(watching(stores, every_s=0.01, silent_s=0.05))
        sent = [await anext(told) for _ in range(3)]
        assert sent[0].startswith(b"id: 1\nevent: progress\ndata: {") and sent[0].endswith(b"}\n\n")
        assert sent[2] == b": still here\n\n"
        for one in (events, told):
            await one.aclose()

    run(check)
