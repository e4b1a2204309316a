"""How far the work of a store is: how long what is left will take, and what its log says of what was done."""

from __future__ import annotations

from collections import Counter

import structlog

from vragd.sync.round import Report
from vragd.system.clock import Clock

log = structlog.get_logger()

TOLD_EVERY_S = 60.0
"""How often the log is told of work that goes on; when it is done, at once."""
SURE_AFTER_S = 1.0
"""Nobody can tell how long the rest takes before so much time was spent on it."""


class Progress:
    """Of the store `name`. On the event loop."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name, self._clock = name, clock
        self._most, self._since = 0, 0.0
        self._done, self._began = Counter[str](), 0.0

    def look(self, pending: int) -> None:
        """Note that so many paths are left now."""
        now = self._clock.steady()
        if pending > self._most or not pending:
            self._most, self._since = pending, now
        if self._done and (not pending or now - self._began >= TOLD_EVERY_S):
            still = {"n_pending": pending} if pending else {}
            log.info("sync.notes_applied", store=self._name, **self._done, **still)
            self._done.clear()

    def left_s(self, pending: int) -> float | None:
        """For how many seconds `pending` paths will last, by how long the others took; None while nobody can tell."""
        done, took_s = self._most - pending, self._clock.steady() - self._since
        return took_s * pending / done if pending and done > 0 and took_s > SURE_AFTER_S else None

    def applied(self, report: Report, took_s: float) -> None:
        """Note what a round did: each is for who looks for a fault, their sum for who runs the daemon."""
        if not (report.n_changed or report.n_removed or report.n_embedded):
            return
        fields, duration_ms = report.log_fields(), round(took_s * 1000)
        log.debug("sync.round_applied", store=self._name, duration_ms=duration_ms, **fields)
        if not self._done:
            self._began = self._clock.steady()
        fields.pop("generation")
        self._done.update({"n_rounds": 1, "duration_ms": duration_ms, **{name: n or 0 for name, n in fields.items()}})
