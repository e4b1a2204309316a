"""
That something changed which somebody who looks on may want to know. On the event loop.

Whoever changes what `stores.events` tells of says so here; nothing is asked as long as nobody does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stirs:
    """Those of all stores together. What changed is not said: whoever hears of it looks."""

    def __init__(self) -> None:
        self._heard: list[asyncio.Event] = []
        self.on_stir: Callable[[], None] = unheard
        """What the daemon does at once. Not raising."""

    def stir(self) -> None:
        """Something changed, or may have. Costs next to nothing while nobody looks on."""
        for event in self._heard:
            event.set()
        self.on_stir()

    @contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """What is set by each stir, for as long as the block runs; whoever waits for it clears it."""
        event = asyncio.Event()
        self._heard.append(event)
        try:
            yield event
        finally:
            self._heard.remove(event)


def unheard() -> None:
    """A stir of what belongs to no stores."""
