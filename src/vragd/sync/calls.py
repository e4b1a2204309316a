"""Calls to a server that embeds: what may last is left alone when somebody is in a hurry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from vragd.sync.pace import PACE, Pace
from vragd.system.lanes import Beside

T = TypeVar("T")

LOOKS_EVERY_S = 0.05


class Late(Exception):
    """A call has lasted and somebody is in a hurry: it goes on, and whoever waited for it does without."""


class Calls:
    """
    Those of one store. `beside`: it is a server that is asked, and each call has a thread of its own.

    `hurried` is asked whether somebody waits for what is written next, `awaited` whether for the lane at all, `found`
    whether what a scan found waits, nothing of which is found yet; `ended` is called when a call has ended that was
    left for them, on its thread. On the writer lane, but for `late`.
    """

    def __init__(self, pace: Pace = PACE, *, beside: bool = False) -> None:
        self._pace, self.beside = pace, beside
        self.hurried: Callable[[], bool] = lambda: False
        self.awaited: Callable[[], bool] = lambda: False
        self.found: Callable[[], bool] = lambda: False
        self.ended: Callable[[], None] = lambda: None
        self._left: list[Beside[Any]] = []
        self._kept: dict[str, Beside[Any]] = {}

    @property
    def late(self) -> bool:
        """Whether a call that was left has not ended yet: the server is better asked nothing else. Any thread."""
        return any(not call.done for call in self._left)

    def run(self, work: Callable[[], T], keep: str = "", *, yields: bool = False) -> T:
        """
        What the server says, or raises. Raises Late; if it `yields`, as soon for whoever waits for the lane.

        What was left is the answer to whoever asks the same next, by the name to `keep` it under: one that takes its
        time each time is no reason to ask for ever.
        """
        if not self.beside:
            return work()
        kept: Beside[T] | None = self._kept.pop(keep, None)
        call = kept or Beside("embedder-asked", work)
        try:
            self.wait(call, yields=yields)
        except Late:
            if keep:
                self._kept[keep] = call
            raise
        return call.result()

    def wait(self, call: Beside[Any], *, yields: bool = False) -> None:
        """Until it has ended. Raises Late."""
        while not call.ends_in(LOOKS_EVERY_S):
            if self._is_to_leave(call.age_s, yields=yields):
                self._left = [*(left for left in self._left if not left.done), call]
                call.when_done(self.ended)
                raise Late

    def _is_to_leave(self, age_s: float, *, yields: bool) -> bool:
        if age_s > self._pace.patience_last_s and (self.awaited() or self.found()):
            return True
        return age_s > self._pace.patience_s and (self.hurried() or (yields and self.awaited()))
