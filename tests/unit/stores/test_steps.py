"""A step that failed is made again: soon, where what was in its way passes."""

from __future__ import annotations

import asyncio

import pytest

from vragd.errors import CatalogLocked
from vragd.stores.loops import BROKEN_RETRY_S, TRANSIENT_RETRY_S, Loops
from vragd.system.clock import Clock


class Told(Clock):
    """Writes down how long it was to wait, and waits no longer than it takes others to go on."""

    def __init__(self) -> None:
        self.waits: list[float | None] = []

    async def wait(self, event: asyncio.Event, seconds: float | None, *, slack_s: float = 0.0) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("error", "wait_s"), [(CatalogLocked("locked"), TRANSIENT_RETRY_S), (OSError(), BROKEN_RETRY_S)]
)
def test_what_passes_is_tried_again_soon_and_a_bug_later(error: Exception, wait_s: float) -> None:
    async def check() -> None:
        clock, again = Told(), asyncio.Event()
        loops, outcomes = Loops("notes", clock), iter([error])

        async def once() -> float | None:
            for one in outcomes:
                raise one
            again.set()
            await asyncio.Event().wait()
            return None

        loops.begin("apply", once)
        await asyncio.wait_for(again.wait(), 10)
        await loops.stop()
        assert clock.waits == [wait_s]

    asyncio.run(check())
