"""The catalog is asked for failed notes when one is due, when it was written, and when the clock went back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.clock import FakeClock
from vragd.stores.retries import AGAIN_S, AT_LEAST_EVERY_S, Retries

DAY_S = 86_400.0
NOTE = (1, "bad.md")


async def says(due: list[tuple[int, str]], moment: float | None) -> tuple[list[tuple[int, str]], float | None]:
    return due, moment


async def fails() -> tuple[list[tuple[int, str]], float | None]:
    raise OSError("the disk")


def run(check: Callable[[FakeClock, Retries], Awaitable[None]]) -> None:
    clock = FakeClock()
    asyncio.run(check(clock, Retries(clock)))


def test_a_catalog_without_a_failed_note_is_left_alone_until_it_is_written() -> None:
    async def check(clock: FakeClock, retries: Retries) -> None:
        assert retries.due, "what an earlier process left"
        assert await retries.ask(says([], None)) == []
        clock.pass_(AT_LEAST_EVERY_S - 1)
        assert not retries.due
        retries.doubt()
        assert retries.due
        await retries.ask(says([], None))
        clock.pass_(AT_LEAST_EVERY_S)
        assert retries.due, "now and then all the same"

    run(check)


@pytest.mark.parametrize("is_asleep", [False, True])
def test_a_failed_note_is_asked_for_when_its_time_has_come(is_asleep: bool) -> None:
    async def check(clock: FakeClock, retries: Retries) -> None:
        await retries.ask(says([], clock.wall() + 20))
        clock.pass_(19)
        assert not retries.due
        clock.pass_(DAY_S if is_asleep else 1, asleep=is_asleep)
        assert retries.due
        assert await retries.ask(says([NOTE], clock.wall())) == [NOTE]
        assert not retries.due
        clock.pass_(AGAIN_S)
        assert retries.due, "one that is due stays so until it was tried"

    run(check)


@pytest.mark.parametrize("step_s", [-DAY_S, -1.0, DAY_S])
def test_a_clock_that_is_set_is_no_reason_to_wait(step_s: float) -> None:
    async def check(clock: FakeClock, retries: Retries) -> None:
        await retries.ask(says([], clock.wall() + 100))
        clock.pass_(AGAIN_S)
        assert not retries.due
        clock.set_wall(clock.wall() - AGAIN_S + step_s)
        assert retries.due

    run(check)


def test_what_is_written_while_it_is_asked_and_what_could_not_be_asked_is_asked_again() -> None:
    async def check(clock: FakeClock, retries: Retries) -> None:
        async def meanwhile() -> tuple[list[tuple[int, str]], float | None]:
            retries.doubt()
            return [], None

        await retries.ask(meanwhile())
        clock.pass_(AGAIN_S)
        assert retries.due
        with pytest.raises(OSError, match="the disk"):
            await retries.ask(fails())
        assert not retries.due
        clock.pass_(AGAIN_S)
        assert retries.due

    run(check)
