"""
A call that may last says `progress()` now and then, so that what is long can be told from what hangs.

Loads no event loop: who uses a backend alone has none.
"""

from __future__ import annotations

import threading
from typing import Protocol

STEPS = 500  # of SQLite: an instruction each, or a page that is checked

_here = threading.local()  # .owner: whose thread this is


class Owner(Protocol):
    """Whoever waits for what runs on a thread of his."""

    def move(self) -> None:
        """What runs there is alive. From that thread, often."""


def owned(owner: Owner | None) -> Owner | None:
    """Have `progress` on this thread tell `owner` from now on; whom it told before."""
    before: Owner | None = getattr(_here, "owner", None)
    _here.owner = owner
    return before


def progress() -> None:
    """Say that the call on this thread is alive. Cheap; does nothing where nobody waits for it."""
    owner: Owner | None = getattr(_here, "owner", None)
    if owner is not None:
        owner.move()


def goes_on() -> bool:
    """`progress`, for SQLite to call after every so many `STEPS`; false: it is to go on."""
    progress()
    return False
