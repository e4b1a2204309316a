"""A store stands in one state at a time, and not every state follows every other."""

from __future__ import annotations

import pytest

from tests.clock import FakeClock
from vragd.errors import DataDirError, DiskFull, EmbedderUnavailable
from vragd.stores.state import COMES_BACK, Standing, State


def test_a_store_is_opened_runs_is_restarted_and_deleted() -> None:
    standing = Standing("abc", FakeClock())
    for state in (State.RUNNING, State.RESTARTING, State.OPENING, State.RUNNING, State.DELETING, State.GONE):
        standing.become(state)
        assert standing.state is state


@pytest.mark.parametrize(
    ("before", "state"),
    [
        ((), State.GONE),
        ((State.RUNNING,), State.OPENING),
        ((State.RUNNING,), State.GONE),
        ((State.RUNNING, State.RESTARTING), State.RUNNING),
        ((State.RUNNING, State.DELETING), State.RUNNING),
        ((State.RUNNING, State.DELETING, State.GONE), State.OPENING),
    ],
)
def test_a_state_that_cannot_follow_is_refused(before: tuple[State, ...], state: State) -> None:
    standing = Standing("abc", FakeClock())
    for step in before:
        standing.become(step)
    with pytest.raises(AssertionError, match="cannot become"):
        standing.become(state)


def test_a_store_in_trouble_runs_and_says_since_when() -> None:
    clock = FakeClock()
    standing = Standing("abc", clock)
    standing.become(State.RUNNING)
    clock.pass_(10)
    standing.become(State.RUNNING, error=EmbedderUnavailable("out"))
    clock.pass_(5)
    standing.become(State.RUNNING, error=DiskFull("full"))
    assert (standing.for_s, standing.ends) == (5.0, False), "since the first trouble, whatever came to it"
    clock.set_wall(0)
    standing.become(State.RUNNING)
    assert (standing.error, standing.for_s) == (None, 0.0)


def test_what_stops_ends_and_what_is_on_its_way_comes_back() -> None:
    standing = Standing("abc", FakeClock())
    assert not standing.ends
    standing.become(State.FAILED, error=DataDirError("no"))
    assert isinstance(standing.error, DataDirError)
    for state in set(State) - {State.OPENING, State.RUNNING}:
        other = Standing("abc", FakeClock())
        other.state = state
        assert other.ends
    assert State.RUNNING not in COMES_BACK
    assert State.DELETING not in COMES_BACK
