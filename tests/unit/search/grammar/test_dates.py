"""Dates as typed -> moments: calendars, zones, clocks that are moved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.depth import examples
from vragd.search.grammar.dates import Left, at_wall, bounds, day_or_time, interval, moved, when
from vragd.search.grammar.tree import And, Not, When

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 27, 21, 5, 30, tzinfo=BERLIN)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "start", "end"),
    [
        ("2026", "2025-12-31T23:00", "2026-12-31T23:00"),
        ("2026-04", "2026-03-31T22:00", "2026-04-30T22:00"),
        ("2026-12", "2026-11-30T23:00", "2026-12-31T23:00"),
        ("2026-04-09", "2026-04-08T22:00", "2026-04-09T22:00"),
        ("2024-02-29", "2024-02-28T23:00", "2024-02-29T23:00"),
        ("2026-04-09T12:30", "2026-04-09T10:30", "2026-04-09T10:31"),
        ("2026-04-09 12:30", "2026-04-09T10:30", "2026-04-09T10:31"),
        ("2026-04-09T12:30:15", "2026-04-09T10:30:15", "2026-04-09T10:30:16"),
        ("today", "2026-11-26T23:00", "2026-11-27T23:00"),
        ("Yesterday", "2026-11-25T23:00", "2026-11-26T23:00"),
        ("tomorrow", "2026-11-27T23:00", "2026-11-28T23:00"),
        ("7d", "2026-11-20T20:05:30", "2026-11-27T20:05:30"),
        ("2w", "2026-11-13T20:05:30", "2026-11-27T20:05:30"),
        ("3M", "2026-08-27T19:05:30", "2026-11-27T20:05:30"),
        ("1y", "2025-11-27T20:05:30", "2026-11-27T20:05:30"),
        ("40d", "2026-10-18T19:05:30", "2026-11-27T20:05:30"),
    ],
)
def test_a_date_is_a_stretch_of_time_in_the_zone_of_now(spec: str, start: str, end: str) -> None:
    assert interval(spec, NOW) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("spec", "zone", "hours"),
    [
        ("2026-03-29", BERLIN, 23),
        ("2026-10-25", BERLIN, 25),
        ("2026-03-08", NEW_YORK, 23),
        ("2018-11-04", ZoneInfo("America/Sao_Paulo"), 23),  # has no midnight
        ("2026-11-01", ZoneInfo("America/Havana"), 25),  # has two
        ("2011-12-30", ZoneInfo("Pacific/Apia"), 0),  # was left out
        ("2026-04-05", ZoneInfo("Australia/Lord_Howe"), 24.5),
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(spec: str, zone: ZoneInfo, hours: float) -> None:
    start, end = interval(spec, NOW.astimezone(zone))
    assert end - start == timedelta(hours=hours)


def test_a_minute_that_comes_twice_is_both_and_one_that_is_left_out_is_the_next() -> None:
    assert interval("2026-10-25T02:30", NOW) == (utc("2026-10-25T00:30"), utc("2026-10-25T01:31"))
    assert interval("2026-03-29T02:30", NOW) == (utc("2026-03-29T01:30"), utc("2026-03-29T01:31"))
    assert interval("2026-10-25T01:59", NOW) == (utc("2026-10-24T23:59"), utc("2026-10-25T00:00"))


def test_days_ago_begin_at_the_same_time_of_day_and_months_ago_end_with_the_month() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=BERLIN)
    assert interval("7d", now)[0] == utc("2026-03-24T11:00")
    assert interval("1m", now)[0] == utc("2026-02-28T11:00")
    assert interval("1y", datetime(2024, 2, 29, tzinfo=UTC))[0] == utc("2023-02-28T00:00")


def test_the_ends_of_the_calendar_are_no_failure() -> None:
    for zone in (UTC, BERLIN, NEW_YORK, None):
        now = NOW.replace(tzinfo=zone)
        for spec in ("0001", "9999", "9999-12", "9999-12-31", "9999-12-31T23:59", "9999y", "9999m"):
            start, end = interval(spec, now)
            assert start < end
    assert interval("tomorrow", datetime(9999, 12, 31, 12, tzinfo=UTC))[0].year == 9999


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_now_without_a_zone_is_in_that_of_the_machine(in_berlin: None) -> None:
    now = NOW.replace(tzinfo=None)
    for spec in ("2026-04-09", "2026-10-25", "today", "40d", "2026-10-25T02:30"):
        assert interval(spec, now) == interval(spec, NOW)


def test_a_fixed_offset_holds_all_year() -> None:
    assert interval("2026-04-09", NOW.replace(tzinfo=timezone(timedelta(hours=1))))[0] == utc("2026-04-08T23:00")


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "soon",
        "26",
        "2026-4",
        "2026-13",
        "2026-00",
        "2026-02-30",
        "2026-04-09T25:00",
        "2026-04-09T12",
        "0000",
        "0d",
        "7",
        "7 d",
        "-7d",
        "d",
        "12345d",
        "٢٠٢٦",
        "2026-04-09Z",
        "2026/04/09",
        " 2026",
        "2026\n",
        ">2026",
    ],
)
def test_what_is_no_date_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="no"):
        interval(spec, NOW)


# -- operators -------------------------------------------------------------------------------------


def between(operator: str, value: str) -> tuple[datetime | None, datetime | None]:
    return bounds(when(operator, value), NOW)


def test_after_begins_where_the_date_begins_and_before_ends_there() -> None:
    begin, end = interval("2026-04", NOW)
    assert between("after", "2026-04") == (begin, None)
    assert between("before", "2026-04") == (None, begin)
    assert between("on", "2026-04") == (begin, end)
    assert between("after", "7d") == (interval("7d", NOW)[0], None)
    assert between("before", "7d") == (None, interval("7d", NOW)[0])


@pytest.mark.parametrize("operator", ["on", "created", "modified"])
def test_ranges_have_both_ends_and_signs_say_which_side(operator: str) -> None:
    first, second = interval("2026-01", NOW), interval("2026-03", NOW)
    assert between(operator, "2026-01..2026-03") == (first[0], second[1])
    assert between(operator, "2026-01..") == between(operator, ">=2026-01") == (first[0], None)
    assert between(operator, "..2026-03") == between(operator, "<=2026-03") == (None, second[1])
    assert between(operator, ">2026-01") == (first[1], None)
    assert between(operator, "<2026-03") == (None, second[0])
    assert between(operator, "14d..7d") == (interval("14d", NOW)[0], NOW)


def test_the_field_is_the_operators() -> None:
    assert when("after", "2026") == When("date", "2026", "")
    assert when("created", "2026").field == "created"
    assert when("modified", "2026").field == "modified"


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("after", ">2026"),
        ("after", "2026.."),
        ("before", "..2026"),
        ("on", ".."),
        ("on", ""),
        ("on", ">"),
        ("on", "<<2026"),
        ("on", ">7d"),
        ("on", "2026...2027"),
        ("on", "2026..2027..2028"),
        ("created", ">=1w"),
    ],
)
def test_what_an_operator_does_not_take_is_refused(operator: str, value: str) -> None:
    with pytest.raises(ValueError, match="no"):
        when(operator, value)


def test_dates_beside_each_other_leave_something_or_nothing() -> None:
    after, before = when("after", "2026-04"), when("before", "2026-05")
    for one, other in ((after, before), (before, after)):
        assert not Left(NOW).none_after(And((one, other)))
    assert Left(NOW).none_after(And((before, when("after", "2026-05"))))
    assert not Left(NOW).none_after(And((before, when("modified", "2026-05")))), "these are two dates of a note"
    assert not Left(NOW).none_after(And((before, Not(before)))), "only what dates say themselves is looked at"
    left = Left(NOW)
    assert [left.none_after(one) for one in (after, before, when("on", "2026-04-09"), when("on", "2026-04-10"))] == [
        False, False, False, True,
    ]  # fmt: skip


def test_what_depends_on_when_it_is_asked_leaves_nothing_only_then() -> None:
    made = when("on", "2027..today")
    assert Left(NOW).none_after(made)
    assert not Left(NOW.replace(year=2027)).none_after(made)
    assert not Left(None).none_after(made)
    assert Left(None).none_after(when("on", "tomorrow..yesterday"))


def test_a_day_that_clocks_leave_out_is_a_day() -> None:
    assert not Left(NOW.astimezone(ZoneInfo("Pacific/Apia"))).none_after(when("on", "2011-12-30"))


@given(st.integers(0, 3_000_000_000), st.sampled_from([UTC, BERLIN, NEW_YORK]))
@examples(80, 2_000)
def test_days_meet_without_a_gap(seconds: int, zone: tzinfo) -> None:
    now = datetime.fromtimestamp(seconds, zone)
    assert interval("yesterday", now)[1] == interval("today", now)[0]
    assert interval("today", now)[1] == interval("tomorrow", now)[0]
    assert interval(f"{now:%Y-%m-%d}", now) == interval("today", now)
    assert interval("today", now)[0] <= now.astimezone(UTC) < interval("today", now)[1]


# -- moments that are moved, as expressions have them ------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "count", "unit", "then"),
    [
        ("2026-11-27T20:05", -7, "d", "2026-11-20T20:05"),
        ("2026-10-26T11:00", -2, "d", "2026-10-24T10:00"),  # clocks went back in between: the time of day stays
        ("2026-10-26T11:00", -48, "h", "2026-10-24T11:00"),
        ("2026-10-26T11:00", -1, "w", "2026-10-19T10:00"),
        ("2026-01-31T09:00", 1, "M", "2026-02-28T09:00"),
        ("2024-02-29T09:00", 1, "y", "2025-02-28T09:00"),
        ("2026-01-31T09:00", 90, "m", "2026-01-31T10:30"),
        ("2026-01-31T09:00", -30, "s", "2026-01-31T08:59:30"),
        ("2026-01-31T09:00", 0, "d", "2026-01-31T09:00"),
    ],
)
def test_a_moment_is_moved_by_clocks_and_calendars(moment: str, count: int, unit: str, then: str) -> None:
    assert moved(utc(moment), count, unit, BERLIN) == utc(then)


@given(
    st.datetimes(timezones=st.just(UTC)), st.integers(-999_999_999, 999_999_999), st.sampled_from("yMwdhms"),
    st.sampled_from([BERLIN, NEW_YORK, UTC, None]),
)  # fmt: skip
@examples(80, 200)
def test_no_moment_is_moved_further_than_the_calendar_goes(
    moment: datetime, count: int, unit: str, zone: tzinfo | None
) -> None:
    then = moved(moment, count, unit, zone)
    assert then.tzinfo is not None
    assert moved(then, -count, unit, zone).tzinfo is not None
    assert (then >= moment - timedelta(days=1)) if count >= 0 else (then <= moment + timedelta(days=1))


def test_a_text_is_a_day_or_a_time_of_one_or_none() -> None:
    assert day_or_time("2026-01-02") == datetime(2026, 1, 2)  # noqa: DTZ001
    assert day_or_time("2026-01-02 14:30") == day_or_time("2026-01-02T14:30:00.000") == datetime(2026, 1, 2, 14, 30)  # noqa: DTZ001
    assert day_or_time("2026-01-02T14:30:15Z") == utc("2026-01-02T14:30:15")
    assert day_or_time("2026-01-02T14:30+01:00") == utc("2026-01-02T13:30")
    for text in ("2026", "2026-01", "2026-02-30", "2026-1-2", "today", "7d", "", "2026-01-02T25:00", "٢٠٢٦-01-02"):
        assert day_or_time(text) is None
    assert at_wall(datetime(2026, 7, 1), BERLIN) == utc("2026-06-30T22:00")  # noqa: DTZ001
