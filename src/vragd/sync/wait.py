"""How a dirty path waits, and for how long after it was tried in vain."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

# What fails is tried again after twice the time, up to so long; after so many tries nobody is kept waiting for it.
BACK_OFF_LAST_S, SCAN_BACK_OFF_LAST_S = 5.0, 60.0
TRIES_WAITED_FOR = 4


@dataclass(slots=True)
class Waiting:
    """A place that waits to be looked at; times are of the queue's clock."""

    due: float
    latest: float
    ticket: int
    not_before: float = 0.0  # a hint does not bring it forward: it was tried, in vain
    empty_from: float | None = None  # when an empty file is believed
    tries: int = 0
    saved: bool = False  # came as a hint: goes before what scans found, each time
    ahead: bool = False  # of what scans found, to be looked at before all that may take long
    by_words: bool = False  # found by its words by now: nobody waits for the rest

    @property
    def is_parked(self) -> bool:
        """Whether it waits for something else than time, until it is released."""
        return self.due == math.inf

    def save(self) -> None:
        """It was just saved, or asked for."""
        self.saved, self.by_words = True, False

    def park(self) -> None:
        """Let it wait until it is released, or hinted again."""
        self.due, self.not_before, self.empty_from, self.tries = math.inf, 0.0, None, 0
        self.by_words = True

    def put_off(self, now: float, delay_s: float, settle_max_s: float, *, patient: bool) -> None:
        """Have it tried again after `delay_s`, and each time after twice as long; 0 for what goes on."""
        self.tries = self.tries + 1 if delay_s > 0 else 0
        wait_s = back_off(delay_s, self.tries, BACK_OFF_LAST_S)
        waited_for = 0 < self.tries < TRIES_WAITED_FOR  # it has had its time to settle
        self.due, self.latest = now + wait_s, now + max(wait_s, 0 if waited_for else settle_max_s)
        if patient or now >= (self.empty_from or self.due):
            self.not_before = self.due
        else:  # empty: to be looked at again as soon as a hint says that it was written
            self.due = self.empty_from = self.empty_from or self.due

    def merge(self, other: Waiting) -> None:
        """Take over what must not be forgotten of an earlier wait for the same place."""
        self.ticket = min(self.ticket, other.ticket)
        self.not_before = max(self.not_before, other.not_before)
        self.due = max(self.due, self.not_before)
        self.tries = max(self.tries, other.tries)
        times = [at for at in (self.empty_from, other.empty_from) if at is not None]
        self.empty_from = min(times) if times else None


def back_off(first_s: float, tries: int, last_s: float) -> float:
    """Seconds until the next try after so many in vain, first and last after so many."""
    return min(first_s * 2.0 ** min(max(tries - 1, 0), 16), max(first_s, last_s))


def any_unfound(those: Iterable[Waiting], now: float) -> bool:
    """Whether one of them is due, and found by nothing of it yet."""
    return any(waiting.due <= now and not waiting.by_words for waiting in those)


def common(paths: list[str]) -> str:
    """The innermost folder that all of `paths` are in."""
    parts = [path.split("/") for path in paths]
    low, high = min(parts), max(parts)
    n = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return "/".join(low[:n])
