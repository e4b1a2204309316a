"""A daemon's duties go on whatever becomes of the clock: set back, set forward, a day asleep. Nothing waits here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.clock import FakeClock
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import (
    Config,
    LimitSettings,
    ScheduleSettings,
    SourceSettings,
    StoreSettings,
    WatchSettings,
)
from vragd.daemon.duties import Duties
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores

DAY_S = 86_400.0


class Kept:
    """A store on a vault that is polled, its daemon's duties, and the clock of both."""

    def __init__(self, place: Path, watch: WatchSettings) -> None:
        self.clock, self.vault = FakeClock(), place / "vault"
        self.vault.mkdir()
        (place / "data").mkdir(mode=0o700)
        source = SourceSettings(path=self.vault)
        store = StoreSettings(sources=(source,), backend=MemoryBackend(type="memory"))
        config = Config(stores={"notes": store}, watch=watch, limits=LimitSettings(min_free_mib=0))
        self.loaded = Loaded(config, None, place / "data", place / "s")
        self.stores: Stores
        self.n_beats = 0

    @property
    def indexer(self) -> Indexer:
        return self.stores.indexer("notes")

    def run(self, check: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            self.stores = Stores(self.loaded, watch=True, clock=self.clock)
            await self.stores.start()
            duties = Duties(self.stores, self._stands)
            duties.begin(self.loaded.config.watch)
            try:
                await self.until(lambda: self.scanned_at() is not None, "the first scan")
                await check()
            finally:
                await duties.stop()
                await self.stores.stop()

        asyncio.run(main())

    def _stands(self) -> bool:
        self.n_beats += 1
        return True

    async def beats_in(self, seconds: int) -> int:
        """How many heartbeats come in so many seconds."""
        before = self.n_beats
        for _ in range(seconds):
            await self.clock.advance(1.0)
            await asyncio.sleep(0.01)
        return self.n_beats - before

    def scanned_at(self) -> float | None:
        (keeper,) = self.indexer.keepers.values()
        return keeper.scanned_at

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Let seconds pass until `condition` holds; threads have theirs in between."""
        for _ in range(600):
            if condition():
                return
            await self.clock.advance(1.0)
            await asyncio.sleep(0.01)
        raise AssertionError(f"in vain: {what}")


@pytest.mark.parametrize("step_s", [-DAY_S, -30.0, 3_600.0, 365 * DAY_S])
def test_a_vault_is_polled_and_missed_whatever_becomes_of_the_clock(tmp_path: Path, step_s: float) -> None:
    kept = Kept(tmp_path, WatchSettings(mode="poll", poll_s=5.0))

    async def check() -> None:
        kept.clock.set_wall(kept.clock.wall() + step_s)
        scanned_at = kept.scanned_at()
        await kept.until(lambda: kept.scanned_at() != scanned_at, "the next look")
        assert kept.clock.steady() - (scanned_at or 0) < 60
        (source,) = kept.indexer.store.sources.values()
        kept.vault.rename(tmp_path / "away")
        await kept.until(lambda: source.state == "offline", "the vault to be missed")
        (tmp_path / "away").rename(kept.vault)
        await kept.until(lambda: source.state == "ok", "the vault to be back")

    kept.run(check)


def test_a_machine_that_slept_a_day_looks_at_everything_when_it_wakes(tmp_path: Path) -> None:
    kept = Kept(tmp_path, WatchSettings(rescan_minutes=100_000.0))

    async def check() -> None:
        scanned_at = kept.scanned_at()
        for _ in range(20):
            await kept.clock.advance(1.0)
            await asyncio.sleep(0.01)
        assert kept.scanned_at() == scanned_at
        await kept.clock.advance(DAY_S, asleep=True)
        await kept.until(lambda: kept.scanned_at() != scanned_at, "a scan")

    kept.run(check)


def test_a_rescan_on_the_calendar_comes_when_its_time_is_slept_through(tmp_path: Path) -> None:
    schedule = ScheduleSettings(rescan="0 3 * * *")
    kept = Kept(tmp_path, WatchSettings(rescan_minutes=100_000.0, schedule=schedule))

    async def check() -> None:
        scanned_at = kept.scanned_at()
        await kept.clock.advance(DAY_S)
        await kept.until(lambda: kept.scanned_at() != scanned_at, "a scan")

    kept.run(check)


def test_what_is_calm_has_a_heartbeat_every_five_seconds_later_every_ten_and_what_stirs_has_one_within_two(
    tmp_path: Path,
) -> None:
    kept = Kept(tmp_path, WatchSettings(rescan_minutes=100_000.0))

    async def check() -> None:
        await kept.until(lambda: kept.stores.is_calm, "calm")
        await kept.beats_in(10)
        assert await kept.beats_in(15) == 3
        await kept.beats_in(30)
        assert await kept.beats_in(60) == 6
        (vault,) = kept.indexer.store.sources.values()
        kept.vault.rename(tmp_path / "away")
        await kept.until(lambda: vault.state == "offline", "the vault to be missed")
        assert not kept.stores.is_calm
        await kept.beats_in(6)
        assert await kept.beats_in(60) == 30, "one that is away is looked for"
        (tmp_path / "away").rename(kept.vault)
        await kept.until(lambda: kept.stores.is_calm, "calm again")
        await kept.beats_in(10)
        before, began = kept.n_beats, kept.clock.steady()
        await kept.until(lambda: kept.n_beats > before, "a heartbeat")
        kept.stores.stirs.stir()
        assert await kept.beats_in(2) == 1
        assert kept.clock.steady() - began < 8

    kept.run(check)


def test_a_vault_that_is_polled_is_never_calm(tmp_path: Path) -> None:
    kept = Kept(tmp_path, WatchSettings(mode="poll", poll_s=30.0, rescan_minutes=100_000.0))

    async def check() -> None:
        await kept.beats_in(10)
        assert await kept.beats_in(60) == 30

    kept.run(check)
