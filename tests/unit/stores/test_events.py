"""What is told to somebody who looks on: all of it at first, then what changes, and nothing while nothing does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.server.watching import lines
from vragd.stores.events import Event, changes
from vragd.stores.state import State
from vragd.stores.stores import Stores
from vragd.sync.pace import Pace
from vragd.system.lanes import Lane

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
        stores = Stores(Loaded(config, None, tmp_path / "data", tmp_path / "s"), watch=True, pace=Pace(hangs_s=0.5))
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


class Counting(Lane):
    """A lane that knows how often it was asked for anything."""

    n = 0

    async def run(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.n += 1
        return await super().run(fn, *args, **kwargs)


def test_the_catalog_is_not_asked_for_while_nothing_changes(run: Callable[[Check], None], tmp_path: Path) -> None:
    async def check(stores: Stores) -> None:
        stores.aside.close()
        asked = stores.aside = Counting("aside")
        events = watching(stores, silent_s=0.05)
        assert [(await anext(events)).kind for _ in range(2)] == ["progress", "states"]
        n = asked.n
        for _ in range(5):
            stores.beat()
            assert (await anext(events)).kind == "", "a heartbeat of what is well is no change"
        assert asked.n == n
        (tmp_path / "v/a.md").write_text("A heron.")
        await stores.sync((), None)
        await until(events, "progress", notes=1, pending=0)
        assert asked.n > n
        await events.aclose()

    run(check)


def test_how_a_store_stands_and_a_configuration_loaded_again_are_told_though_nobody_looks(
    run: Callable[[Check], None],
) -> None:
    async def check(stores: Stores) -> None:
        events = watching(stores)
        await until(events, "states")
        for state in (State.RESTARTING, State.OPENING, State.RUNNING):
            stores.standings["notes"].become(state)
            event = await until(events, "states")
            assert event.data["stores"][0]["state"] == state.value
        with stores.stirs.heard() as stirred:
            stores.note_reload(None)
            assert stirred.is_set()
            assert stores.n_reloads == 1
        await events.aclose()

    run(check)


def test_a_source_whose_file_system_hangs_is_told_of_by_the_heartbeats(run: Callable[[Check], None]) -> None:
    go = threading.Event()

    async def check(stores: Stores) -> None:
        (keeper,) = stores.indexers["notes"].keepers.values()
        hanging = asyncio.create_task(keeper.lane.run(go.wait, 20))
        events = watching(stores)
        await until(events, "states")
        told = asyncio.create_task(until(events, "states"))
        while not told.done():
            stores.beat()
            await asyncio.sleep(0.01)
        assert "source_offline" in told.result().data["degraded"]
        go.set()
        await hanging
        await events.aclose()

    try:
        run(check)
    finally:
        go.set()
