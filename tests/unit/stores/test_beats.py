"""A heartbeat of a source that is well says what is new, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.harness import until
from vragd.errors import Overloaded
from vragd.stores.beats import Beats
from vragd.sync.proof.proof import Look
from vragd.system.lanes import Lane

MOUNTED: Mapping[str, str] = {"Photos": "ext4"}


@dataclass
class Seen:
    """A source, and what the event loop hears of it."""

    look: Callable[[], Look | None]
    lane: Lane = field(default_factory=lambda: Lane("scan", only_reads=True))
    heard: list[Any] = field(default_factory=list)
    n_looks: int = 0

    def __post_init__(self) -> None:
        self.beats = Beats(self.lane, self._look, lambda call: call(), self.heard.append, self.heard.append)

    def _look(self) -> Look | None:
        self.n_looks += 1
        return self.look()

    def beat(self) -> None:
        self.beats.begin(MOUNTED)
        until(lambda: not self.beats.goes_on, "the look to end")


@pytest.fixture
def seen() -> Iterator[Seen]:
    found = Seen(lambda: Look(MOUNTED, False, False))
    yield found
    found.lane.close()


def test_what_is_as_it_was_is_looked_at_and_not_told(seen: Seen) -> None:
    for _ in range(3):
        seen.beat()
    assert (seen.n_looks, seen.heard) == (3, [])


@pytest.mark.parametrize(
    "news", [None, Look({}, False, False), Look(MOUNTED, True, False), Look(MOUNTED, False, True)],
    ids=["away", "unmounted", "other rules", "to be remembered"],
)  # fmt: skip
def test_what_is_new_is_told_as_it_was_seen(seen: Seen, news: Look | None) -> None:
    seen.look = lambda: news
    seen.beat()
    assert seen.heard == [news]


def test_a_look_that_fails_is_told_and_one_that_hangs_goes_on(seen: Seen) -> None:
    error, go = ValueError("a bug"), threading.Event()

    def fails() -> Look | None:
        raise error

    seen.look = fails
    seen.beat()
    assert seen.heard == [error]

    def hangs() -> Look | None:
        go.wait(20)
        return None

    seen.look = hangs
    seen.beats.begin(MOUNTED)
    until(lambda: seen.n_looks == 2, "the look to hang")
    assert seen.beats.goes_on
    assert seen.lane.busy
    go.set()
    until(lambda: not seen.beats.goes_on, "its end")
    assert seen.heard == [error, None]


def test_a_look_that_cannot_begin_is_told_and_keeps_no_other_source_from_its_own(seen: Seen) -> None:
    seen.lane.close()
    seen.beats.begin(MOUNTED)
    assert [type(error) for error in seen.heard] == [Overloaded]
    assert not seen.beats.goes_on


def test_of_a_look_that_outlasts_a_heartbeat_the_end_is_told_whatever_it_saw(seen: Seen) -> None:
    go, as_it_was = threading.Event(), Look(MOUNTED, False, False)

    def hangs() -> Look | None:
        go.wait(20)
        return as_it_was

    seen.look = hangs
    seen.beats.begin(MOUNTED)
    assert seen.beats.is_late(), "and whoever looks on was told so"
    go.set()
    until(lambda: seen.heard == [as_it_was], "that it answers again")
    until(lambda: not seen.beats.goes_on, "its end")
    assert not seen.beats.is_late()
    seen.beat()
    assert seen.heard == [as_it_was]
