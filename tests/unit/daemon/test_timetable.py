"""What is done again and again is done whatever becomes of the clock; what is of the calendar, when its time comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.clock import FakeClock
from vragd.config.crontab import parse
from vragd.daemon.timetable import Timetable, next_after

BERLIN = ZoneInfo("Europe/Berlin")
DAY_S = 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def run(check: Callable[[FakeClock, Timetable], Awaitable[None]], wall: str = "2026-06-10T12:00") -> None:
    async def main() -> None:
        clock = FakeClock(wall=at(wall))
        table = Timetable(clock, BERLIN)
        try:
            await check(clock, table)
        finally:
            await table.stop()

    asyncio.run(main())


class Done:
    """Counts how often it was done."""

    def __init__(self) -> None:
        self.n = 0
        self.fail = False

    async def __call__(self) -> None:
        self.n += 1
        if self.fail:
            raise RuntimeError("a bug")


@pytest.mark.parametrize("step_s", [-365 * DAY_S, -3_600.0, -30.0, 3_600.0, 365 * DAY_S])
def test_a_clock_that_is_set_holds_up_nothing_and_makes_nothing_up(step_s: float) -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        work = Done()
        table.every("heartbeat", 2.0, work)
        await clock.turn()
        await clock.advance(2.0)
        clock.set_wall(clock.wall() + step_s)
        await clock.turn()
        assert work.n == 1
        for n in range(2, 12):
            await clock.advance(2.0)
            assert work.n == n

    run(check)


def test_after_a_day_asleep_each_work_is_done_once() -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        beat, tend, nightly = Done(), Done(), Done()
        table.every("heartbeat", 2.0, beat)
        table.every("tend", 3_600.0, tend)
        table.calendar("sweep", parse("*/10 * * * *"), nightly)
        await clock.turn()
        await clock.advance(DAY_S, asleep=True)
        assert (beat.n, tend.n, nightly.n) == (1, 1, 1)
        await clock.advance(2.0)
        assert (beat.n, tend.n, nightly.n) == (2, 1, 1)

    run(check)


class Rings(FakeClock):
    """Counts how often it rang."""

    n = 0

    def ring(self, seconds: float, call: Callable[[], None], *, slack_s: float = 0.0) -> Callable[[], None]:
        def rings() -> None:
            self.n += 1
            call()

        return super().ring(seconds, rings, slack_s=slack_s)


def test_the_process_wakes_for_the_heartbeat_and_for_nothing_in_between() -> None:
    async def main() -> None:
        clock, beat, rare = Rings(wall=at("2026-06-10T12:00")), Done(), Done()
        table = Timetable(clock, BERLIN)
        table.every("heartbeat", 2.0, beat)
        for name in ("checkpoint", "others", "tend"):
            table.every(name, 300.0, rare)
        table.calendar("sweep", parse("30 3 * * *"), rare)
        for _ in range(600):
            await clock.advance(1.0)
        assert (beat.n, rare.n, clock.n) == (300, 6, 300)
        await table.stop()
        await clock.advance(DAY_S)
        assert clock.n == 300, "what was stopped wakes nobody"

    asyncio.run(main())


def test_work_that_fails_is_done_again_and_work_that_lasts_is_not_begun_twice() -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        failing, go, begun = Done(), asyncio.Event(), []
        failing.fail = True

        async def lasts() -> None:
            begun.append(clock.steady())
            await go.wait()

        table.every("failing", 1.0, failing)
        table.every("lasts", 1.0, lasts)
        await clock.turn()
        for _ in range(5):
            await clock.advance(1.0)
        assert (failing.n, len(begun)) == (5, 1)
        go.set()
        await clock.turn()
        await clock.advance(1.0)
        assert len(begun) == 2

    run(check)


def test_what_gets_another_time_forgets_the_one_before() -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        work = Done()
        table.every("rescan", 10.0, work)
        table.calendar("verify", parse("* * * * *"), work)
        await clock.turn()
        table.every("rescan", 100.0, work)
        table.calendar("verify", None, work)
        await clock.turn()
        await clock.advance(99.0)
        assert work.n == 0
        await clock.advance(1.0)
        assert work.n == 1

    run(check)


def test_what_is_asked_for_again_as_it_is_keeps_its_time_and_goes_on() -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        rescan, nightly, go, ended = Done(), Done(), asyncio.Event(), list[float]()

        async def lasts() -> None:
            await go.wait()
            ended.append(clock.steady())

        def take() -> None:  # as each reload does
            table.every("rescan", 10.0, rescan)
            table.calendar("nightly", parse("1 12 * * *"), nightly)
            table.calendar("verify", parse("0,30 * * * *"), lasts)

        take()
        await clock.turn()
        for _ in range(4):
            await clock.advance(7.0)
            take()
        assert rescan.n == 2, "loading again more often than that puts it off no further"
        clock.pass_(40.0)
        take()  # before anybody looked at the clock
        await clock.turn()
        assert nightly.n == 1
        for _ in range(180):
            await clock.advance(10.0)
        take()
        go.set()
        await clock.turn()
        assert len(ended) == 1, "what goes on is not ended"

    run(check)


def test_work_that_is_cancelled_by_what_it_waited_for_is_done_again() -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        begun = list[float]()

        async def cancelled() -> None:
            begun.append(clock.steady())
            raise asyncio.CancelledError

        table.every("verify", 1.0, cancelled)
        for _ in range(4):
            await clock.advance(1.0)
        assert len(begun) == 4

    run(check)


def test_the_calendar_follows_a_clock_that_is_put_right() -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        work = Done()
        table.calendar("verify", parse("0 3 * * *"), work)  # a year ahead, as the machine starts
        await clock.turn()
        clock.set_wall(at("2026-06-10T02:59"))
        for _ in range(10):
            await clock.advance(10.0)
        assert work.n == 1, "at three of the right day, not in a year"
        clock.set_wall(at("2026-06-10T02:59:30"))
        for _ in range(6):
            await clock.advance(10.0)
        assert work.n == 1, "a clock put back by a minute does not bring three o'clock twice"

    run(check, "2027-06-10T12:00")


def test_a_year_forward_costs_one_look() -> None:
    async def check(clock: FakeClock, table: Timetable) -> None:
        work = Done()
        table.calendar("verify", parse("* * * * *"), work)
        await clock.turn()
        clock.set_wall(clock.wall() + 365 * DAY_S)
        await clock.advance(60.0)
        assert work.n == 1

    run(check)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("0 3 * * *", "2026-06-10T03:00", "2026-06-11T03:00"),
        ("*/15 * * * *", "2026-06-10T03:00", "2026-06-10T03:15"),
        ("0 0 * * 0", "2026-06-10T12:00", "2026-06-14T00:00"),
        ("0 0 * * 7", "2026-06-10T12:00", "2026-06-14T00:00"),
        ("0 0 * * sun", "2026-06-10T12:00", "2026-06-14T00:00"),
        ("0 0 * * 1", "2026-06-10T12:00", "2026-06-15T00:00"),
        ("0 0 * * Mon-Fri", "2026-06-12T12:00", "2026-06-15T00:00"),
        ("0 0 * * 5-7", "2026-06-13T12:00", "2026-06-14T00:00"),
        ("0 0 13 * fri", "2026-06-10T12:00", "2026-06-12T00:00"),
        ("0 0 13 * fri", "2026-06-12T12:00", "2026-06-13T00:00"),
        ("0 0 */2 * fri", "2026-06-10T12:00", "2026-06-19T00:00"),
        ("0 12 1 JAN,jul *", "2026-06-10T12:00", "2026-07-01T12:00"),
        ("@weekly", "2026-06-10T12:00", "2026-06-14T00:00"),
        ("@daily", "2026-06-10T12:00", "2026-06-11T00:00"),
        ("@yearly", "2026-06-10T12:00", "2027-01-01T00:00"),
        ("0 0 29 2 *", "2026-06-10T12:00", "2028-02-29T00:00"),
        ("30 2 * * *", "2026-10-24T12:00", "2026-10-25T02:30"),
        ("30 2 * * *", "2026-10-25T02:30", "2026-10-26T02:30"),
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-29T03:30"),
        ("59 23 31 12 *", "2026-12-31T23:58:59.9", "2026-12-31T23:59"),
    ],
)
def test_a_crontab_means_what_crontab_says(expression: str, after: str, due: str) -> None:
    assert next_after(parse(expression), at(after), BERLIN) == at(due)


def test_what_is_due_each_hour_is_due_in_the_hour_that_comes_twice_too() -> None:
    moment, found = at("2026-10-25T00:30"), []
    for _ in range(4):
        next_due = next_after(parse("0 * * * *"), moment, BERLIN)
        assert next_due is not None
        moment = next_due
        found.append(datetime.fromtimestamp(moment, BERLIN).hour)
    assert found == [1, 2, 2, 3]


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *",
     "*/0 * * * *", "5-1 * * * *", "1- * * * *", "@reboot", "@never", "0 0 30 2 *", "0 0 31 apr,jun *", "-1 * * * *",
     "1,,2 * * * *", "* * * mon *", "٣ * * * *"],
)  # fmt: skip
def test_what_is_no_crontab_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_the_days_of_the_week_are_counted_once() -> None:
    assert parse("0 0 * * */2").weekdays == {0, 2, 4, 6}
    assert parse("0 0 * * 0-7").weekdays == set(range(7))
    assert parse("0 0 * * sat-sun").weekdays == {6, 0}
