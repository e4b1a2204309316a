"""When embedder and backend are asked who they are."""

from __future__ import annotations

from tests.clock import FakeClock
from vragd.stores.patience import PAUSE_LAST_S, Patience


def test_what_is_out_is_asked_later_and_later_and_whoever_wants_it_at_once() -> None:
    clock = FakeClock()
    patience = Patience(clock)
    assert (patience.answered, patience.asks_now) == (False, True)
    waits: list[float] = []
    for _ in range(8):
        patience.ask_later()
        assert not patience.asks_now
        waits.append(patience.asks_in_s)
        clock.pass_(waits[-1])
        assert patience.asks_now
    assert 0.75 <= waits[0] <= 1.25
    assert waits[-1] >= 0.75 * PAUSE_LAST_S
    assert max(waits) <= 1.25 * PAUSE_LAST_S
    patience.ask_later()
    patience.ask()
    assert patience.asks_now
    patience.note_answer()
    assert (patience.answered, patience.asks_now, patience.older_than(10.0)) == (True, False, False)
    clock.pass_(11.0)
    assert patience.older_than(10.0)
    patience.note_success()
    assert patience.pause_s() <= 1.25
