"""What becomes of a store when a change of it meets a disk that fails, a lock, or a stop."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clock import FakeClock
from tests.fakes.qdrant import FakeQdrant
from tests.workers import eventually
from vragd.backends.memory.backend import MemoryBackend as Memory
from vragd.backends.memory.settings import MemoryBackend
from vragd.backends.qdrant.settings import QdrantBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.errors import (
    CatalogLocked,
    ConfigError,
    DataDirError,
    DiskFull,
    NewerFormat,
    Overloaded,
    UnknownStore,
    VragdError,
)
from vragd.stores.changes import create_store, delete_store, index_once
from vragd.stores.healing import FIRST_S, LAST_S, Healer
from vragd.stores.indexer import Indexer
from vragd.stores.reload import reload
from vragd.stores.state import State
from vragd.stores.stores import Stores

MEMORY = StoreSettings(backend=MemoryBackend(type="memory"))


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


class Home:
    """Stores without sources, run as often as they are wanted."""

    def __init__(self, place: Path) -> None:
        self.place, self.clock = place, FakeClock()
        self.root = place / "data" / "stores"
        (place / "data").mkdir(mode=0o700)

    def loaded(self, **stores: StoreSettings) -> Loaded:
        config = Config(stores=stores, watch=WatchSettings(), limits=LimitSettings(min_free_mib=0))
        return Loaded(config, None, self.place / "data", self.place / "socket")

    def run(self, check: Callable[[Stores], Coroutine[Any, Any, None]], **configured: StoreSettings) -> None:
        async def main() -> None:
            stores = Stores(self.loaded(**configured), watch=False, clock=self.clock)
            try:
                await stores.start()
                await check(stores)
            finally:
                await stores.stop()

        asyncio.run(main())

    @contextmanager
    def locked(self, name: str) -> Iterator[Callable[[], None]]:
        """Another process holds the lock of a store's catalog, as a backup does, until it is let go."""
        command = [sys.executable, "-c", HOLD, str(self.root / name / "catalog.db")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            yield lambda: other.communicate() and None


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def full_at_close(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def close(backend: Memory) -> None:
        raise DiskFull("no space left while writing the index")

    with monkeypatch.context() as patched:
        patched.setattr(Memory, "close", close)
        yield


def test_a_store_whose_last_flush_meets_a_full_disk_gets_its_other_settings(home: Home, full_at_close: None) -> None:
    async def check(stores: Stores) -> None:
        await create_store(stores, "abc", MEMORY)
        await create_store(stores, "abc", MEMORY.model_copy(update={"metric": "dot"}), replace=True)
        assert stores.indexer("abc").store.settings.metric == "dot"
        assert stores.standings["abc"].state is State.RUNNING

    with pytest.raises(DiskFull):  # of the stop at the end, which is said too
        home.run(check)


def test_a_store_that_could_not_be_made_leaves_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a bug")

    async def check(stores: Stores) -> None:
        with monkeypatch.context() as patched, pytest.raises(RuntimeError):
            patched.setattr("vragd.stores.stores.open_store", fails)
            await create_store(stores, "abc", MEMORY)
        assert (stores.failed, stores.registry.entries()) == ({}, {})
        with pytest.raises(UnknownStore):
            stores.indexer("abc")
        await create_store(stores, "abc", MEMORY)

    home.run(check)


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_deleted_store_whose_files_could_not_all_go_does_not_come_back(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def rmtree(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(number, "the disk fails")

    async def check(stores: Stores) -> None:
        await create_store(stores, "abc", MEMORY)
        with monkeypatch.context() as patched:
            patched.setattr("vragd.stores.registry.shutil.rmtree", rmtree)
            assert await delete_store(stores, "abc") == ("command", ())
        await reload(stores, home.loaded())
        assert (stores.indexers, stores.standings, stores.registry.entries()) == ({}, {}, {})
        await create_store(stores, "abc", MEMORY)
        await delete_store(stores, "abc")
        stores.registry.sweep()
        assert list(home.root.iterdir()) == []

    home.run(check)


class Ending:
    """An indexer whose end, once it has closed everything, fails; its backend has forgotten nothing."""

    def __init__(self, indexer: Indexer, error: Exception) -> None:
        self._indexer, self._error = indexer, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._indexer, name)

    async def stop(self, *, forget: bool = False) -> None:
        await self._indexer.stop()
        raise self._error


def test_a_store_whose_deletion_meets_a_bug_runs_and_can_be_deleted(home: Home) -> None:
    async def check(stores: Stores) -> None:
        await create_store(stores, "abc", MEMORY)
        ending: Any = Ending(stores.indexer("abc"), RuntimeError("a bug"))
        stores.indexers["abc"] = ending
        with pytest.raises(VragdError, match=r"the store is kept: .*RuntimeError"):
            await delete_store(stores, "abc")
        assert stores.indexer("abc").standing.state is State.RUNNING
        assert await delete_store(stores, "abc") == ("command", ())
        assert stores.registry.entries() == {}

    home.run(check)


def test_a_full_disk_deletes_no_store_whose_vectors_are_still_elsewhere(home: Home) -> None:
    async def check(stores: Stores) -> None:
        for name, keep_remote in (("kept", False), ("left", True)):
            await create_store(stores, name, there)
            ending: Any = Ending(stores.indexer(name), DiskFull("no space left while writing catalog.db"))
            stores.indexers[name] = ending
            if not keep_remote:
                with pytest.raises(DiskFull, match="the store is kept") as caught:
                    await delete_store(stores, name)
                assert "--keep-remote" in caught.value.hint
                assert stores.indexer(name).standing.state is State.RUNNING
            else:
                assert await delete_store(stores, name, keep_remote=True) == ("command", there.places)
        assert set(stores.registry.entries()) == {"kept"}

    with FakeQdrant() as node:
        backend = QdrantBackend.model_validate({"type": "qdrant", "host": node.host, "scheme": "http"})
        there = MEMORY.model_copy(update={"backend": backend})
        home.run(check)


def test_a_store_whose_folder_cannot_be_moved_is_kept_and_runs(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(path: Path, to: Path) -> None:
        raise OSError(errno.EROFS, "read only")

    async def check(stores: Stores) -> None:
        await create_store(stores, "abc", MEMORY)
        with monkeypatch.context() as patched, pytest.raises(DataDirError):
            patched.setattr(Path, "rename", rename)
            await delete_store(stores, "abc")
        assert stores.indexer("abc").standing.state is State.RUNNING

    home.run(check)


def test_a_store_whose_catalog_was_locked_at_the_start_is_opened_when_it_is_free(home: Home) -> None:
    async def nothing(stores: Stores) -> None:
        assert set(stores.indexers) == {"abc"}

    home.run(nothing, abc=MEMORY)
    more = MEMORY.model_copy(update={"sources": (SourceSettings(path=home.place, watch=False),)})  # to be put down

    async def check(stores: Stores) -> None:
        assert isinstance(stores.failed["abc"], CatalogLocked), "and the start went on"
        healer = Healer(stores)

        async def looks(n: int) -> None:
            for _ in range(n):
                healer.look()
                task = healer.task
                await home.clock.advance(1.0)
                await asyncio.gather(*([task] if task else []))

        await looks(3)
        with pytest.raises(CatalogLocked):
            stores.indexer("abc")
        let_go()
        for _ in range(12):
            await looks(1)
        assert stores.indexer("abc").standing.state is State.RUNNING
        assert stores.failed == {}

    with home.locked("abc") as let_go:
        home.run(check, abc=more)


def test_a_store_of_a_newer_vragd_is_not_tried_again(home: Home) -> None:
    async def check(stores: Stores) -> None:
        standing = stores.standings["abc"]
        await stores.stop_store("abc", State.RESTARTING)
        standing.become(State.OPENING)
        standing.become(State.FAILED, error=NewerFormat("of tomorrow"))
        healer = Healer(stores)
        for _ in range(10):
            healer.look()
            await home.clock.advance(LAST_S)
        assert isinstance(stores.failed["abc"], NewerFormat)
        assert FIRST_S < LAST_S

    home.run(check, abc=MEMORY)


def test_a_place_that_hangs_stops_neither_a_change_for_ever_nor_the_end(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, go = home.place / "mount", threading.Event()
    hung.mkdir()

    def hangs(name: str, settings: StoreSettings, *, replace: bool = False) -> None:
        go.wait(60)

    async def check(stores: Stores) -> None:
        monkeypatch.setattr(stores.registry, "check", hangs)
        ticks = 0

        async def pulse() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        beating = asyncio.create_task(pulse())
        making = asyncio.create_task(create_store(stores, "other", MEMORY))
        await eventually(lambda: ticks > 5, "the loop to go on")
        await home.clock.advance(11.0)
        with pytest.raises(Overloaded, match="does not answer"):
            await making
        assert not stores.changing.locked()
        beating.cancel()

    home.run(check, abc=MEMORY.model_copy(update={"sources": (SourceSettings(path=hung, watch=False),)}))
    assert not go.is_set(), "it ended while the look still hung"
    go.set()


@pytest.mark.parametrize("name", ["new", "abc"])
def test_a_place_that_cannot_be_a_source_is_refused_before_anything_is_looked_for_in_it(home: Home, name: str) -> None:
    async def check(stores: Stores) -> None:
        await create_store(stores, "abc", MEMORY)
        with pytest.raises(ConfigError, match=r"the data directory .* is inside"):  # not that nothing was found there
            await index_once(stores, name, str(home.place), ["**/*.md"])
        with pytest.raises(ConfigError, match="the root of the file system"):
            await index_once(stores, name, "/", ["**/no such note.md"])

    home.run(check)
