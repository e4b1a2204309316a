"""How long the rest of the work takes, and what the log says of it: the sum of many rounds, not each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from tests.clock import FakeClock
from vragd.stores.progress import SURE_AFTER_S, TOLD_EVERY_S, Progress
from vragd.sync.round import Report


@pytest.fixture(autouse=True)
def all_is_logged() -> Iterator[None]:
    """Whatever a command of a test before had the log leave out."""
    kept = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    yield
    structlog.configure(**kept)


ROUND = Report(n_changed=2, n_embedded=5, n_put=4, generation=7)


def test_how_long_the_rest_takes_is_told_by_what_was_done_since_there_was_most() -> None:
    clock = FakeClock()
    progress = Progress("notes", clock)
    progress.look(50)
    clock.pass_(60)
    progress.look(100)
    assert progress.left_s(100) is None, "nothing was done yet"
    clock.pass_(SURE_AFTER_S / 2)
    assert progress.left_s(90) is None, "too soon to tell"
    clock.pass_(20 - SURE_AFTER_S / 2)
    assert progress.left_s(60) == 30.0
    progress.look(60)
    progress.look(61)
    clock.pass_(20)
    assert progress.left_s(20) == 10.0, "a note that is saved meanwhile changes nothing"
    progress.look(0)
    assert progress.left_s(0) is None
    progress.look(1)
    assert progress.left_s(1) is None, "what comes later is counted anew"


def test_the_log_says_once_what_many_rounds_did_and_each_only_to_who_looks_for_a_fault() -> None:
    clock = FakeClock()
    progress = Progress("notes", clock)
    with capture_logs() as said:
        for _ in range(3):
            progress.applied(ROUND, 0.5)
            progress.look(9)
        progress.applied(Report(), 0.5)
        progress.look(0)
        progress.look(0)
    assert [one["event"] for one in said if one["log_level"] == "debug"] == ["sync.round_applied"] * 3
    (told,) = [one for one in said if one["log_level"] == "info"]
    assert told == {
        "event": "sync.notes_applied", "log_level": "info", "store": "notes", "n_rounds": 3, "duration_ms": 1500,
        "n_changed": 6, "n_removed": 0, "n_failed": 0, "n_embedded": 15, "n_put": 12, "n_deleted": 0,
    }  # fmt: skip


def test_of_work_that_goes_on_for_long_the_log_is_told_now_and_then() -> None:
    clock = FakeClock()
    progress = Progress("notes", clock)
    with capture_logs() as said:
        for _ in range(3):
            progress.applied(ROUND, 0.5)
            progress.look(9)
            clock.pass_(TOLD_EVERY_S / 2)
            progress.look(8)
    told = [one for one in said if one["log_level"] == "info"]
    assert [(one["n_rounds"], one["n_pending"]) for one in told] == [(2, 8)]
