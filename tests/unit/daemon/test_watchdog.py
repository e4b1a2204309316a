"""What counts as hanging: a lane without progress, a watch that stays dead; not what is slow or waits for a disk."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.harness import until
from vragd.config import load
from vragd.daemon.watchdog import STUCK_S, Pulse, bound_s
from vragd.stores.loops import Loops
from vragd.stores.stores import Stores
from vragd.system.alive import progress
from vragd.system.clock import Clock
from vragd.system.lanes import Lane


async def eventually(condition: Callable[[], object], what: str) -> None:
    await asyncio.get_running_loop().run_in_executor(None, until, condition, what)


def test_a_loop_whose_long_call_has_just_ended_is_not_hanging_before_it_can_go_on() -> None:
    go, lane, bound = threading.Event(), Lane("writer"), 1.0

    async def check() -> None:
        loops = Loops("notes", Clock())

        async def once() -> None:
            await lane.run(go.wait, 20)
            await asyncio.Event().wait()  # hangs indeed, and on no lane

        def is_over() -> bool:
            return list(loops.overdue(bound)) == [("apply", False)]

        loops.begin("apply", once)
        await eventually(is_over, "the call to last")
        go.set()
        until(lambda: not lane.busy, "its end, while the event loop does nothing")
        assert not is_over()
        await eventually(is_over, "what hangs without a lane to be seen")
        await loops.stop()

    try:
        asyncio.run(check())
    finally:
        go.set()
        lane.close()


def test_a_call_that_says_nothing_grows_stuck_and_one_word_of_it_ends_that() -> None:
    go, said, lane = threading.Event(), threading.Event(), Lane("writer")

    def work() -> None:
        go.wait(20)
        go.clear()
        progress()
        said.set()
        go.wait(20)

    async def check() -> None:
        assert (lane.busy, lane.stuck_s()) == (False, 0.0)
        call = asyncio.create_task(lane.run(work))
        await eventually(lambda: lane.stuck_s() > 0.2, "the call to be silent for long")
        go.set()
        await eventually(said.is_set, "a sign of life")
        assert lane.busy
        assert lane.stuck_s() < 0.2
        go.set()
        await call
        assert (lane.busy, lane.stuck_s()) == (False, 0.0)

    try:
        asyncio.run(check())
    finally:
        lane.close()


def test_the_threads_of_a_lane_are_told_apart() -> None:
    release, lane = threading.Event(), Lane("reader", 2)

    async def check() -> None:
        silent = asyncio.create_task(lane.run(release.wait, 20))
        await eventually(lambda: lane.stuck_s() > 0.1, "one thread to be silent")
        await lane.run(progress)
        assert lane.stuck_s() > 0.1, "another thread's sign of life is not its own"
        release.set()
        await silent

    try:
        asyncio.run(check())
    finally:
        lane.close()


def test_progress_on_a_thread_of_nobody_does_nothing() -> None:
    progress()


def in_uninterruptible_sleep(fifo: Path) -> None:
    """
    Return when `fifo` is opened for writing; sleep in state D until then, as behind a mount that hangs.

    posix_spawn suspends its caller so until the child has opened its files.
    """
    libc = ctypes.CDLL(None)
    actions, pid = ctypes.create_string_buffer(256), ctypes.c_int()
    libc.posix_spawn_file_actions_init(actions)
    libc.posix_spawn_file_actions_addopen(actions, 0, os.fsencode(fifo), os.O_RDONLY, 0)
    argv = (ctypes.c_char_p * 2)(b"true", None)
    assert libc.posix_spawn(ctypes.byref(pid), b"/bin/true", actions, None, argv, None) == 0
    os.waitpid(pid.value, 0)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the state of a thread is known on Linux only")
def test_a_lane_that_waits_for_a_disk_is_busy_but_not_stuck(tmp_path: Path) -> None:
    fifo, lane = tmp_path / "fifo", Lane("scan")
    os.mkfifo(fifo)

    def states() -> list[str]:
        stats = [path.read_text() for path in Path("/proc/self/task").glob("*/stat")]
        return [stat.rpartition(") ")[2][0] for stat in stats]

    async def check() -> None:
        call = asyncio.create_task(lane.run(in_uninterruptible_sleep, fifo))
        await eventually(lambda: "D" in states(), "the thread to sleep")
        started = time.monotonic()
        await eventually(lambda: time.monotonic() - started > 0.2, "a while")
        assert lane.busy
        assert lane.stuck_s() == 0.0
        with fifo.open("w"):
            await call

    try:
        asyncio.run(check())
    finally:
        lane.close()


@pytest.fixture
def loaded(tmp_path: Path) -> load.Loaded:
    vault = tmp_path / "Vault"
    vault.mkdir()
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"stores": {"notes": {"sources": [{"path": str(vault)}]}}}))
    return load.load(file, data_dir=str(tmp_path / "data"), socket=str(tmp_path / "run" / "s"))


def test_a_watch_that_stays_dead_and_a_socket_that_does_not_answer_are_named(loaded: load.Loaded) -> None:
    async def check() -> None:
        stores = Stores(loaded, watch=True)
        pulse = Pulse(stores, stuck_s=0.2)
        await stores.start()
        try:
            worker = stores.indexers["notes"]
            (keeper,) = worker.keepers.values()
            await worker.settled(worker.rescan(), 20)
            assert await pulse.faults() == ["socket"], "nobody serves one here"
            assert keeper.watch.watcher is not None
            keeper.watch.watcher.stop()
            await eventually(lambda: keeper.unwatched, "the watch to die")
            assert await pulse.faults() == ["socket"], "the next heartbeat may yet mend it"
            started = time.monotonic()
            await eventually(lambda: time.monotonic() - started > 0.3, "the bound to pass")
            assert await pulse.faults() == ["notes/watch", "socket"]
            await worker.heartbeat(20)
            assert await pulse.faults() == ["socket"]
            worker.loops.tasks["apply"].cancel()
            await asyncio.gather(worker.loops.tasks["apply"], return_exceptions=True)
            assert await pulse.faults() == ["notes/apply_loop", "socket"]
        finally:
            pulse.close()
            await stores.stop()

    asyncio.run(check())


def test_the_bound_leaves_room_for_the_timeouts_of_the_settings() -> None:
    assert bound_s() == STUCK_S
    assert bound_s(600.0, 10.0) > STUCK_S + 600.0
