"""When a store's embedder and backend are asked who they are, and how long is waited for what is out."""

from __future__ import annotations

import random

from vragd.stores.loops import Loops
from vragd.stores.state import Standing
from vragd.sync.calls import Calls
from vragd.sync.queue import DirtyPaths
from vragd.system.clock import Clock
from vragd.system.lanes import Lane

PAUSE_FIRST_S, PAUSE_LAST_S = 1.0, 15.0
ASKED_AGAIN_S = 600.0  # how often the model's digest and a remote index are looked at while all is well
DOUBT_AGAIN_S = 15.0


class Patience:
    """
    What did not answer is asked again after a second, and then after twice as long each time, about 15 s at most.

    On the event loop.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered_at: float | None = None  # steady
        self._not_before = 0.0
        self._pause_s = PAUSE_FIRST_S

    @property
    def answered(self) -> bool:
        """Whether they said who they are, and nothing has put that in doubt since."""
        return self._answered_at is not None

    @property
    def asks_now(self) -> bool:
        """Whether they are to be asked, and it is time."""
        return not self.answered and not self.asks_in_s

    @property
    def asks_in_s(self) -> float:
        """Seconds until it is."""
        return max(0.0, self._not_before - self._clock.steady())

    def older_than(self, seconds: float) -> bool:
        """Whether they said so, and longer ago than that."""
        return self._answered_at is not None and self._clock.steady() - self._answered_at > seconds

    def ask(self) -> None:
        """They are to be asked now."""
        self._answered_at, self._not_before = None, 0.0

    def ask_later(self) -> None:
        """They are to be asked when the next pause is over."""
        self._answered_at, self._not_before = None, self._clock.steady() + self.pause_s()

    def note_answer(self) -> None:
        """They said who they are."""
        self._answered_at = self._clock.steady()

    def note_success(self) -> None:
        """What was out works: the next pause is a short one."""
        self._pause_s = PAUSE_FIRST_S

    def pause_s(self) -> float:
        """How long to wait now, in seconds; longer each time."""
        pause_s = self._pause_s * random.uniform(0.75, 1.25)  # noqa: S311
        self._pause_s = min(PAUSE_LAST_S, self._pause_s * 2)
        return pause_s


class Asking:
    """
    Who is in a hurry while the server that embeds for a store takes its time (see `Calls`), and what waits for it then.

    On the event loop, which is woken when it has answered after all.
    """

    def __init__(self, standing: Standing, calls: Calls, dirty: DirtyPaths, loops: Loops, writer: Lane) -> None:
        self._calls, self._dirty = calls, dirty
        self._is_round_of_saved = self._parked = False
        self._calls.hurried = lambda: standing.ends or self._is_round_of_saved or dirty.is_saved_due()
        self._calls.awaited, self._calls.found = lambda: writer.awaited, dirty.is_any_due
        self._calls.ended = loops.wake_from_any_thread

    @property
    def lasts(self) -> bool:
        """Whether it has not answered yet what nobody waits for any longer: it is asked nothing else."""
        return self._calls.late

    def note_parked(self) -> None:
        """Notes are parked until it has answered."""
        self._parked = True

    def has_ended(self) -> bool:
        """Whether it has, once for those that were parked before."""
        if not self._parked or self.lasts:
            return False
        self._parked = False
        return True

    def begin_round(self) -> None:
        """The next paths that are taken are a round: whoever saved a note waits for it, if that is among them."""
        self._is_round_of_saved = self._dirty.is_saved_due()
