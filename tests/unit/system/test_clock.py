"""The one seam for time: the system's clock, and the one tests set."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from tests.clock import FakeClock
from vragd.system.clock import Clock


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux counts sleep there")
def test_the_steady_clock_counts_sleep_on_linux() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= Clock().steady() <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has namespaces of time")
def test_a_day_asleep_is_one_to_the_steady_clock_and_none_to_the_other() -> None:
    """Where the system's clock that counts sleep is a day ahead: without that, one that never slept has both alike."""
    code = "from vragd.system.clock import Clock; print(Clock().steady() - Clock().awake())"
    apart = ["unshare", "-UrT", "--fork", "--boottime", "86400"]
    if (tried := subprocess.run([*apart, "true"], capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"this machine forbids namespaces of time: {tried.stderr}")
    command = [sys.executable, "-c", code]
    here, there = (
        float(subprocess.run([*where, *command], capture_output=True, text=True, check=True).stdout)
        for where in ([], apart)
    )
    assert abs(there - here - 86_400) < 1


@pytest.mark.skipif(sys.platform != "darwin", reason="macOS counts sleep there")
def test_the_steady_clock_counts_sleep_on_macos() -> None:
    before = time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    assert before <= Clock().steady() <= time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


def test_a_wait_ends_with_its_event_or_its_time() -> None:
    async def check() -> None:
        clock, event = Clock(), asyncio.Event()
        await clock.wait(event, 0.01)
        assert not event.is_set()
        asyncio.get_running_loop().call_soon(event.set)
        await clock.wait(event, None)
        await clock.wait(event, 100)

    asyncio.run(check())


def test_a_wait_that_slept_with_the_machine_ends_when_it_wakes() -> None:
    class Asleep(Clock):
        """The machine sleeps a day between one look and the next."""

        look_again_s, looks = 0.01, 0

        def steady(self) -> float:
            self.looks += 1
            return super().steady() + (86_400 if self.looks > 2 else 0)

    async def check() -> None:
        clock = Asleep()
        async with asyncio.timeout(60):
            await clock.sleep(3_600)

    asyncio.run(check())


def test_who_may_be_late_is_woken_with_who_may_not() -> None:
    class Looked(Clock):
        """Counts how often it is looked at."""

        n = 0

        def steady(self) -> float:
            self.n += 1
            return super().steady()

    async def check() -> None:
        clock, woken = Looked(), list[str]()

        async def sleep(name: str, seconds: float, slack_s: float) -> None:
            await clock.sleep(seconds, slack_s=slack_s)
            woken.append(name)

        tasks = [asyncio.create_task(sleep(f"late {n}", 0.001, 60.0)) for n in range(5)]
        await asyncio.gather(*tasks, asyncio.create_task(sleep("punctual", 0.05, 0.0)))
        assert sorted(woken) == [*(f"late {n}" for n in range(5)), "punctual"]
        assert clock.n <= 6 + 2, "one look for all of them"

    asyncio.run(check())


def test_an_alarm_rings_once_after_a_night_asleep_and_never_when_it_was_called_off() -> None:
    class Asleep(Clock):
        """Sleeps a day when it is told to."""

        look_again_s, ahead_s = 0.01, 0.0

        def steady(self) -> float:
            return super().steady() + self.ahead_s

    async def check() -> None:
        clock, rung, off = Asleep(), asyncio.Event(), list[int]()
        clock.ring(3_600.0, rung.set)
        call_off = clock.ring(3_600.0, lambda: off.append(1))
        call_off()
        await clock.sleep(0.03)
        assert not rung.is_set()
        clock.ahead_s = 86_400.0
        await asyncio.wait_for(rung.wait(), 60)
        assert not off

    asyncio.run(check())


def test_the_clock_of_tests_wakes_who_is_due_and_nobody_else() -> None:
    async def check() -> None:
        clock, woken = FakeClock(), []

        async def sleep(seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(seconds)

        tasks = [asyncio.create_task(sleep(seconds)) for seconds in (10.0, 20.0)]
        await clock.turn()
        clock.set_wall(clock.wall() + 1_000_000)
        await clock.turn()
        assert woken == []
        await clock.advance(10)
        assert woken == [10.0]
        await clock.advance(86_400)
        assert woken == [10.0, 20.0]
        await asyncio.gather(*tasks)

    asyncio.run(check())


def test_a_wait_that_fails_when_it_ends_or_calls_another_off_leaves_none_to_wait_for_ever() -> None:
    async def check() -> None:
        clock, rung, failed = Clock(), list[str](), list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda _, what: failed.append(what["exception"]))

        def fails() -> None:
            raise RuntimeError("a bug")

        def calls_off() -> None:
            rung.append("first")
            forget()

        clock.ring(0.0, fails)
        clock.ring(0.0, calls_off)
        forget = clock.ring(0.0, lambda: rung.append("called off"))
        async with asyncio.timeout(60):
            await clock.sleep(0.001)
            await clock.sleep(0.001)
        assert (rung, [type(error) for error in failed]) == (["first"], [RuntimeError])

    asyncio.run(check())
