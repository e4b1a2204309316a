"""Lanes: named threads, and a cancellation that waits for the work."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from vragd.errors import Overloaded
from vragd.system.alive import progress
from vragd.system.lanes import Beside, Lane

DEADLINE_S = 20.0


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane("writer")
    yield made
    made.close()


class Work:
    """Something that runs until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.go, self.done = threading.Event(), threading.Event(), threading.Event()
        self._error = error

    def __call__(self) -> str:
        self.begun.set()
        assert self.go.wait(DEADLINE_S)
        self.done.set()
        if self._error:
            raise self._error
        return "result"


async def begun(work: Work) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not work.begun.is_set():
            await asyncio.sleep(0)


def test_work_runs_on_the_named_thread_and_its_result_comes_back(lane: Lane) -> None:
    def add(a: int, *, b: int) -> tuple[str, int]:
        return threading.current_thread().name, a + b

    name, total = asyncio.run(lane.run(add, 1, b=2))
    assert name.startswith("writer")
    assert total == 3


def test_an_exception_of_the_work_is_the_callers(lane: Lane) -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(lane.run(fail))


def test_one_thread_does_one_thing_after_another_in_order(lane: Lane) -> None:
    seen: list[tuple[int, str]] = []

    async def all_at_once() -> None:
        await asyncio.gather(
            *(lane.run(lambda i=i: seen.append((i, threading.current_thread().name))) for i in range(50))
        )

    asyncio.run(all_at_once())
    assert [i for i, _ in seen] == list(range(50))
    assert len({name for _, name in seen}) == 1


def test_context_variables_reach_the_work_and_do_not_leak_back(lane: Lane) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def main() -> tuple[str, str]:
        variable.set("caller")
        seen = await lane.run(variable.get)
        await lane.run(variable.set, "work")
        return seen, variable.get()

    assert asyncio.run(main()) == ("caller", "caller")


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("error", [None, ValueError("the cancellation wins")])
def test_a_cancelled_await_waits_for_the_work_however_often_it_is_cancelled(
    lane: Lane, times: int, error: Exception | None
) -> None:
    work = Work(error)

    async def main() -> None:
        task = asyncio.create_task(lane.run(work))
        await begun(work)
        for _ in range(times):
            task.cancel()
            for _ in range(20):  # every chance to give up
                await asyncio.sleep(0)
            assert not task.done()
        work.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.done.is_set()

    asyncio.run(main())


def test_a_timeout_waits_for_the_work_too(lane: Lane) -> None:
    work = Work()

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, work.go.set)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await lane.run(work)
        assert work.done.is_set()

    asyncio.run(main())


def test_close_finishes_what_runs_and_says_to_who_waits_that_it_is_over() -> None:
    lane = Lane("writer")
    running, waiting = Work(), Work()

    async def main() -> None:
        first = asyncio.create_task(lane.run(running))
        await begun(running)
        second = asyncio.create_task(lane.run(waiting))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.05, running.go.set)
        await asyncio.to_thread(lane.close)
        assert await first == "result"
        with pytest.raises(Overloaded, match="stopped"):  # nobody cancelled it
            await second
        with pytest.raises(Overloaded, match="stopped"):
            await lane.run(waiting)

    asyncio.run(main())
    assert not waiting.begun.is_set()


@pytest.mark.slow
def test_what_is_silent_is_left_alone_and_what_goes_on_is_waited_for() -> None:
    lane, hangs, goes_on = Lane("replica", only_reads=True), Work(), threading.Event()

    def moves() -> str:
        until = time.monotonic() + 2.5
        while time.monotonic() < until and not goes_on.wait(0.01):
            progress()
        return "moved"

    async def main() -> None:
        assert await lane.run_unless_silent(2, moves) == "moved"
        with pytest.raises(ZeroDivisionError):
            await lane.run_unless_silent(2, lambda: 1 / 0)
        for _ in range(2):  # the second waits behind it
            with pytest.raises(TimeoutError):
                await lane.run_unless_silent(0.05, hangs)
        assert hangs.begun.is_set()
        assert not hangs.go.is_set()
        hangs.go.set()
        lane.close()

    asyncio.run(main())


def test_no_more_than_so_many_wait() -> None:
    lane, work = Lane("writer", most_waiting=2), Work()

    async def main() -> None:
        first = asyncio.create_task(lane.run(work))
        await begun(work)
        second = [asyncio.create_task(lane.run(lambda: 1)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="too much waits"):
            await lane.run(lambda: 1)
        work.go.set()
        assert [await task for task in (first, *second)] == ["result", 1, 1]
        assert await lane.run(lambda: 2) == 2

    asyncio.run(main())
    lane.close()


def test_a_process_ends_although_a_lane_that_only_reads_hangs() -> None:
    code = """
import asyncio, threading
from vragd.system.alive import progress
from vragd.system.lanes import Beside, Lane

async def main():
    lane, begun = Lane("scan", only_reads=True), threading.Event()
    work = asyncio.create_task(lane.run(lambda: (begun.set(), threading.Event().wait())))
    while not begun.is_set():
        await asyncio.sleep(0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    lane.close()

asyncio.run(main())
raise SystemExit(75)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=DEADLINE_S, check=False).returncode == 75


def test_where_no_thread_can_be_made_that_is_said_and_later_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = Lane("writer")

    def none(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched, pytest.raises(Overloaded, match="no thread"):
        patched.setattr(threading.Thread, "start", none)
        asyncio.run(lane.run(lambda: 1))
    assert asyncio.run(lane.run(lambda: 1)) == 1
    lane.close()


def test_several_threads_work_at_once() -> None:
    lane = Lane("readers", threads=3)
    barrier = threading.Barrier(3, timeout=DEADLINE_S)

    async def main() -> None:
        await asyncio.gather(*(lane.run(barrier.wait) for _ in range(3)))

    asyncio.run(main())
    lane.close()


def test_a_call_beside_a_lane_keeps_the_one_that_waits_for_it_alive(lane: Lane) -> None:
    moving, moved = threading.Event(), threading.Event()

    def work() -> str:
        assert moving.wait(DEADLINE_S)
        progress()
        assert moved.wait(DEADLINE_S)
        return "made"

    async def wait() -> str:
        begun = threading.Event()
        one = Beside("beside", work)
        waiting = asyncio.create_task(lane.run(lambda: (begun.set(), one.result())[1]))
        async with asyncio.timeout(DEADLINE_S):
            while not begun.is_set():
                await asyncio.sleep(0)
            while lane.silent_s() < 0.05:
                await asyncio.sleep(0)
            assert not one.done
            moving.set()
            while lane.silent_s() >= 0.05:
                await asyncio.sleep(0)
            moved.set()
            return await waiting

    assert asyncio.run(wait()) == "made"


def test_what_a_call_beside_raises_is_raised_where_its_result_is_asked_for() -> None:
    def fail() -> None:
        raise KeyError("x")

    one = Beside("beside", fail)
    with pytest.raises(KeyError):
        one.result()
    assert one.done
