"""Events of files that are no notes: looked at together, and scanned where they are too many."""

from __future__ import annotations

import asyncio

from vragd.errors import DiskFull
from vragd.stores.attached import MOST, Attachments


class Looking:
    """Attachments whose looks are written down; a moment is over when it is said to be."""

    def __init__(self) -> None:
        self.looked: list[list[str]] = []
        self.n_scans = 0
        self.moments: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.fails = False
        self.made = Attachments(self._look, self._scan, self._sleep, self._begin)

    async def _look(self, paths: list[str]) -> None:
        if self.fails:
            raise DiskFull("full")
        self.looked.append(paths)

    def _scan(self) -> None:
        self.n_scans += 1

    async def _sleep(self, _: float) -> None:
        self.moments.append(asyncio.Event())
        await self.moments[-1].wait()

    def _begin(self) -> None:
        self.tasks.append(asyncio.create_task(self.made.run()))

    async def moment(self) -> None:
        """Let the next wait end, and what follows it happen."""
        for _ in range(5):
            await asyncio.sleep(0)
        self.moments[-1].set()
        for _ in range(5):
            await asyncio.sleep(0)


def test_what_is_hinted_within_a_moment_is_looked_at_together_and_once() -> None:
    async def check() -> None:
        looking = Looking()
        for path in ("b.png", "a.png", "b.png"):
            looking.made.hint(path)
        await looking.moment()
        assert looking.looked == [["a.png", "b.png"]]
        looking.made.hint("c.png")
        await looking.moment()
        assert looking.looked[1:] == [["c.png"]]
        await looking.moment()
        assert [task.done() for task in looking.tasks] == [True]
        looking.made.hint("d.png")
        await looking.moment()
        assert looking.looked[2:] == [["d.png"]]
        looking.tasks[-1].cancel()

    asyncio.run(check())


def test_too_many_are_one_scan_and_what_fails_is_left_to_one() -> None:
    async def check() -> None:
        looking = Looking()
        for i in range(10 * MOST):
            looking.made.hint(f"{i}.png")
        await looking.moment()
        assert (looking.looked, looking.n_scans) == ([], 1)
        looking.fails = True
        looking.made.hint("a.png")
        await looking.moment()
        assert looking.n_scans == 2
        looking.tasks[-1].cancel()

    asyncio.run(check())
