"""How much of a store's work is done at a time, and how long is waited before what looks wrong is believed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds and counts of one store. A user has no reason to choose others; a test that cannot wait has."""

    round_s: float = 0.5
    """How long a round embeds before the writer lane looks at the queue again."""
    patience_s: float = 0.7
    """How long an embedder's server is waited for while a note that was saved waits for the writer lane."""
    patience_last_s: float = 5.0
    """The same while anything else waits, such as what a scan found: a slow server embeds a bulk without a pause."""
    refused_for_s: float = 4.0
    """How long a refused text is not tried again: below the first retry of a note, which asks again."""
    empty_hold_s: float = 5.0
    """How long a note that was not empty and now is, is given to be written."""
    guard_at_least: int = 20
    """A scan that misses more notes than this, and than the configured share, is believed when a later one agrees."""
    guard_confirm_s: float = 60.0
    fill_slice: int = 500
    """Vectors put at a time into a new target: what a request of the remote backends there are holds."""
    hangs_s: float = 15.0
    """After how long without an answer a source's file system is said to hang."""
    forgets_s: float = 60.0
    """After how long without an answer a replica that is to forget a store is given up."""


PACE = Pace()
