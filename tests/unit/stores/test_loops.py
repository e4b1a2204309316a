"""One store's loops: every source by itself, nothing queued is lost, nobody is told "done" too early."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ollama import FakeOllama
from tests.workers import Home, N, eventually, idle, keeper_of, paths, titles_wait
from vragd.config.settings import SourceSettings, WatchSettings
from vragd.errors import BackendUnavailable
from vragd.sync.pace import Pace
from vragd.vault.root import Root
from vragd.vault.source import Source


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with FakeOllama() as ollama:
        yield Home(tmp_path, ollama)


# -- a source that hangs -------------------------------------------------------------------------------


class Hanging:
    """The file system below one path does not answer until it is let go."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.go, self.asked = path, threading.Event(), threading.Event()
        real_init, real_health = Root.__init__, Root.health

        def hang(path: Path) -> None:
            if path == self.path and not self.go.is_set():
                self.asked.set()
                self.go.wait(60)

        def init(root: Root, path: Path) -> None:
            hang(path)
            real_init(root, path)

        def health(root: Root) -> Any:
            hang(root.path)
            return real_health(root)

        monkeypatch.setattr(Root, "__init__", init)
        monkeypatch.setattr(Root, "health", health)


def test_a_source_that_hangs_delays_neither_the_start_nor_the_others_nor_the_end(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, fine = home.folder("hung"), home.folder("fine")
    hanging = Hanging(hung, monkeypatch)

    async def check() -> None:
        async with home.worker(SourceSettings(path=hung), SourceSettings(path=fine)) as worker:
            await eventually(hanging.asked.is_set, "the source to hang")
            assert "initial_scan" in worker.degraded()
            await eventually(lambda: len(paths(worker, fine)) == N, "the other source to be indexed")
            (fine / "new.md").write_text("saved meanwhile")
            await eventually(lambda: "new.md" in paths(worker, fine), "a note saved in the other source")
            worker.beat()
            worker.beat()
            assert await keeper_of(worker, fine).ask() > 0
            assert "initial_scan" in worker.degraded()
        assert not hanging.go.is_set(), "it ended while the source still hung"
        hanging.go.set()

    asyncio.run(check())


def test_a_source_that_hung_is_indexed_when_it_answers(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = home.folder("hung")
    hanging = Hanging(hung, monkeypatch)

    async def check() -> None:
        async with home.worker(SourceSettings(path=hung)) as worker:
            await eventually(hanging.asked.is_set, "the source to hang")
            hanging.go.set()
            await eventually(lambda: len(paths(worker, hung)) == N and idle(worker), "the notes")

    asyncio.run(check())


def test_a_source_that_hangs_later_is_said_to_be_offline(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.folder("folder")

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), pace=Pace(hangs_s=0.1)) as worker:
            await eventually(lambda: len(paths(worker, folder)) == N and idle(worker), "the notes")
            hanging = Hanging(folder, monkeypatch)
            worker.beat()
            await eventually(lambda: "source_offline" in worker.degraded(), "the source to be missed")
            hanging.go.set()
            await eventually(lambda: idle(worker), "the source to be back")

    asyncio.run(check())


# -- sources that are indexed on demand ----------------------------------------------------------------


def test_what_a_one_shot_index_began_the_next_process_finishes(home: Home) -> None:
    folder = home.folder("folder")
    source = SourceSettings(path=folder, watch=False)
    home.ollama.hang = True

    async def check() -> None:
        async with home.worker(source) as worker:
            await keeper_of(worker, folder).ask()
            assert paths(worker, folder) == set()
            home.ollama.release()
        home.ollama.hang = False
        async with home.worker(source) as worker:
            await eventually(lambda: len(paths(worker, folder)) == N, "the notes")

    asyncio.run(check())


def test_a_source_on_demand_that_nobody_asked_for_is_left_alone(home: Home) -> None:
    folder, other = home.folder("folder"), home.folder("other")

    async def check() -> None:
        sources = SourceSettings(path=folder, watch=False), SourceSettings(path=other)
        async with home.worker(*sources) as worker:
            await eventually(lambda: len(paths(worker, other)) == N and idle(worker), "the watched source")
            assert paths(worker, folder) == set()
            assert keeper_of(worker, folder).scanned_at is None

    asyncio.run(check())


def test_a_ticket_of_a_worker_before_this_one_is_not_settled_before_its_work_is_done(home: Home) -> None:
    folder = home.folder("folder")
    source = SourceSettings(path=folder, watch=False)

    async def check() -> None:
        async with home.worker(source) as worker:
            ticket = await keeper_of(worker, folder).ask()
            assert not await worker.settled(ticket, 0)
        async with home.worker(source) as worker:
            assert not await worker.settled(ticket, 0)
            assert await worker.settled(ticket, 30)
            assert len(paths(worker, folder)) == N

    asyncio.run(check())


def test_another_model_moves_the_notes_of_sources_on_demand_too(home: Home) -> None:
    folder = home.folder("folder")

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder, watch=False)) as worker:
            assert await worker.settled(await keeper_of(worker, folder).ask(), 30)
            before, scanned_at = worker.store.space, keeper_of(worker, folder).scanned_at
            home.ollama.dimension, home.ollama.digest = 48, "f" * 64
            worker.look_again()
            await eventually(lambda: worker.store.space != before, "the other space")
            await eventually(lambda: idle(worker), "all to move over")
            assert len(await worker.writer.run(worker.store.catalog.live_keys, worker.store.space.id)) == N
            assert keeper_of(worker, folder).scanned_at == scanned_at, "nobody asked for a scan"

    asyncio.run(check())


# -- scans that come to nothing ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_scan_that_fails_is_made_again_and_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.folder("folder")

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), watch=False) as worker:
            await eventually(lambda: keeper_of(worker, folder).source.state == "ok", "the source")
            real, failures = worker.store.reader.stamps, [BackendUnavailable("busy"), RuntimeError("a bug")]

            def stamps(*args: Any) -> Any:
                if failures:
                    raise failures.pop()
                return real(*args)

            monkeypatch.setattr(worker.store.reader, "stamps", stamps)
            assert await worker.settled(await keeper_of(worker, folder).ask(), 30)
            assert failures == []
            assert len(paths(worker, folder)) == N

    asyncio.run(check())


def test_a_scan_that_met_the_source_away_for_a_moment_is_made_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home.folder("folder")

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), watch=False) as worker:
            keeper = keeper_of(worker, folder)
            await eventually(lambda: keeper.source.state == "ok", "the source")
            real, blips = Source.healthy, [1]
            monkeypatch.setattr(Source, "healthy", lambda source: not (blips and blips.pop()) and real(source))
            assert await worker.settled(await keeper.ask(), 30)
            assert len(paths(worker, folder)) == N

    asyncio.run(check())


def test_a_source_seen_away_for_a_moment_is_connected_and_scanned_again(home: Home) -> None:
    folder = home.folder("folder")

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder)) as worker:
            keeper = keeper_of(worker, folder)
            await eventually(lambda: len(paths(worker, folder)) == N and idle(worker), "the notes")
            folder.rename(home.place / "away")
            assert not keeper.source.healthy()  # as a round that deletes finds out
            (home.place / "away").rename(folder)
            assert keeper.source.state == "offline"
            scanned_at = keeper.scanned_at
            await keeper.check()
            assert keeper.source.state == "ok"
            await eventually(lambda: keeper.scanned_at != scanned_at and idle(worker), "a scan")

    asyncio.run(check())


@pytest.mark.slow
def test_nobody_waits_for_ever_for_a_file_that_is_written_without_end(home: Home) -> None:
    folder, stop = home.folder("folder", 2), threading.Event()

    def write() -> None:
        with (folder / "log.md").open("w") as log:
            while not stop.is_set():
                log.seek(0)
                log.write("the same line, once more\n")
                log.flush()

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder)) as worker:
            writing = asyncio.create_task(asyncio.to_thread(write))
            try:
                await eventually((folder / "log.md").exists, "the file")
                assert await worker.settled(await keeper_of(worker, folder).ask(), 30)
                assert paths(worker, folder) >= {"n0.md", "n1.md"}
                await eventually(lambda: "log.md" in [path for _, path in worker.dirty.pending_paths()], "it to wait")
            finally:
                stop.set()
                await writing
            await eventually(
                lambda: "log.md" in paths(worker, folder) and idle(worker), "the file, now that it is quiet"
            )

    asyncio.run(check())


# -- outages -------------------------------------------------------------------------------------------


def test_a_note_that_was_emptied_is_believed_although_another_cannot_be_embedded(home: Home) -> None:
    """A round that ends in an outage forgets nothing of what it put off."""
    folder = home.folder("folder", 5)

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), pace=Pace(empty_hold_s=0.3)) as worker:
            await eventually(lambda: len(paths(worker, folder)) == 5 and idle(worker), "the notes")
            home.ollama.stop()
            (folder / "new.md").write_text("a text that nobody can embed now")
            (folder / "n0.md").write_text("")
            await eventually(lambda: worker.trouble is not None, "the outage")
            found = lambda: {hit.path for hit in worker.store.reader.keyword("folder 0", 10)}  # noqa: E731
            await eventually(lambda: "n0.md" not in found(), "its text to go")
            home.ollama.start()
            await eventually(lambda: "new.md" in paths(worker, folder) and idle(worker), "the other one")

    asyncio.run(check())


# -- a root that is replaced ---------------------------------------------------------------------------


@pytest.mark.slow
def test_an_unmount_while_notes_are_queued_deletes_nothing(home: Home) -> None:
    folder = home.folder("folder")

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder)) as worker:
            keeper = keeper_of(worker, folder)
            await eventually(lambda: len(paths(worker, folder)) == N and idle(worker), "the notes")
            await eventually(lambda: not titles_wait(worker), "their titles: nobody else is to hang in what follows")
            home.ollama.digest = "b" * 64  # all are dirty, and move over as the embedder allows
            home.ollama.hang = True
            worker.look_again()
            for i in range(N):
                (folder / f"n{i}.md").write_text(f"changed {i}")
            await eventually(lambda: worker.dirty.pending() >= N, "all to be queued")
            folder.rename(home.place / "away")
            folder.mkdir()
            await keeper.check()
            home.ollama.release()
            home.ollama.hang = False
            await eventually(lambda: "deletes_held" in worker.degraded(), "the guard")
            worker.dirty.hint(keeper.source.id, "n1.md", settle=False)
            worker.dirty.hint(keeper.source.id, "sub", folder=True, settle=False)
            tried = lambda: [waiting for waiting in worker.dirty._hinted.values() if waiting.tries]  # noqa: E731
            await eventually(tried, "the path to be looked at")
            await eventually(lambda: worker.dirty.next_folder_in(keeper.source.id) is None, "the folder too")
            assert len(paths(worker, folder)) == N
            folder.rmdir()
            (home.place / "away").rename(folder)
            (folder / "n2.md").unlink()
            await keeper.check()
            await eventually(lambda: len(paths(worker, folder)) == N - 1 and idle(worker), "trust")

    asyncio.run(check())


def test_confirmed_deletes_are_those_of_one_source_and_one_scan(home: Home) -> None:
    gone, away = home.folder("gone"), home.folder("away")
    (away / ".obsidian").mkdir()

    async def check() -> None:
        async with home.worker(SourceSettings(path=gone), SourceSettings(path=away)) as worker:
            first, second = keeper_of(worker, gone), keeper_of(worker, away)
            everything = lambda: len(paths(worker, gone)) == len(paths(worker, away)) == N and idle(worker)  # noqa: E731
            await eventually(everything, "the notes")
            assert not first.unsure
            for i in range(N):
                (gone / f"n{i}.md").unlink()
            worker.dirty.forget_source(first.source.id)  # as if nobody had seen it
            away.rename(home.place / "unplugged")
            away.mkdir()
            await second.check()
            assert second.unsure
            ticket = await first.ask(confirm_deletes=True)
            assert await worker.settled(ticket, 30)
            assert paths(worker, gone) == set()
            assert len(paths(worker, away)) == N
            assert second.source.state == "root_changed"

            for i in range(N):
                (gone / f"n{i}.md").write_text(f"again {i}")
            await worker.settled(await first.ask(), 30)
            shutil.rmtree(gone)
            gone.mkdir()
            await first.check()
            await eventually(lambda: "deletes_held" in worker.degraded(), "the guard")
            assert len(paths(worker, gone)) == N
            assert first.unsure

            assert await worker.settled(await second.ask(confirm_deletes=True), 30)
            assert paths(worker, away) == set()
            assert len(paths(worker, gone)) == N

    asyncio.run(check())


def test_a_watch_that_is_cancelled_while_it_is_armed_leaves_no_inotify_instance(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def instances() -> int:
        links = (os.path.realpath(entry.path) for entry in os.scandir("/proc/self/fd"))
        return sum("inotify" in link for link in links)

    folder = home.folder("folder", 1)
    go, begun, real = threading.Event(), threading.Event(), os.path.realpath

    def realpath(path: Any) -> str:
        if threading.current_thread().name.startswith("scan-"):
            begun.set()
            go.wait(30)
        return real(path)

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder)) as worker:
            keeper = keeper_of(worker, folder)
            await eventually(lambda: keeper.watching == "events" and idle(worker), "the watch")
            with monkeypatch.context() as patched:
                patched.setattr("vragd.vault.root.os.path.realpath", realpath)
                keeper.watch.polling, keeper.watch._settings = False, WatchSettings(settle_ms=20)
                patched.setattr(Source, "sees_events", lambda source: True)
                arming = asyncio.create_task(keeper.watch.arm())
                await eventually(begun.is_set, "the watch to be armed")
                arming.cancel()
                await asyncio.gather(arming, return_exceptions=True)
                go.set()
                await keeper.lane.run(lambda: None)
            await eventually(lambda: instances() == before, "every instance to be closed")

    before = instances()
    asyncio.run(check())
