"""Holds back deletions that only a scan suggests, when they are suspiciously many."""

from __future__ import annotations

from dataclasses import dataclass

from vragd.sync.difference import Difference
from vragd.sync.pace import PACE, Pace


@dataclass(frozen=True, slots=True)
class Held:
    """Notes that are missing without being believed so, and when they were first (monotonic)."""

    paths: frozenset[str] = frozenset()
    since: float = 0.0


NOTHING = Held()


def guarded(
    held: Held, difference: Difference, n_known: int, n_found: int, share: float, now: float, pace: Pace = PACE,
    *, is_other: bool = False,
) -> Held | None:  # fmt: skip
    """
    What is held back after a full scan, given what was before; None if its missing notes may be deleted.

    A vault that is empty, or misses more than `share` of its notes, may be a mount that failed or a sync client that
    has not finished. Many missing notes are believed when a scan a minute later misses the same; a vault without a
    single note is believed only when somebody says so. In the directory that is known a few may always go; where it
    `is_other`, they are as suspicious as many.
    """
    n_gone = len(difference.missing) - difference.n_moved
    is_empty = n_found == 0 and n_known > 0 and n_gone > 0
    if not (is_empty or n_gone > max(0 if is_other else pace.guard_at_least, share * n_known)):
        return None
    missing = frozenset(difference.missing)
    if missing != held.paths:
        return Held(missing, now)
    return held if is_empty or now - held.since < pace.guard_confirm_s else None
