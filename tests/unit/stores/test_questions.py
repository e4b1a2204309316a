"""Questions: nobody has more than half of the places, and nobody waits for what only others need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from vragd.config.load import Loaded
from vragd.config.settings import Config
from vragd.errors import Overloaded
from vragd.stores.questions import HALF, PLACES, Questions
from vragd.stores.stores import Stores

LOUD, QUIET = 100, 200


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[Callable[[Questions], Awaitable[None]]], None]:
    def run(check: Callable[[Questions], Awaitable[None]]) -> None:
        async def main() -> None:
            stores = Stores(Loaded(Config(), None, tmp_path / "data", tmp_path / "s"), watch=False)
            try:
                await check(Questions(stores))
            finally:
                await stores.stop()

        asyncio.run(main())

    return run


class Asking:
    """Questions that hold their place until they are let go."""

    def __init__(self, questions: Questions) -> None:
        self.questions, self.held = questions, 0
        self._go = asyncio.Event()

    async def one(self, peer: int) -> None:
        async with self.questions.place(peer):
            self.held += 1
            await self._go.wait()
            self.held -= 1

    def many(self, n: int, peer: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.one(peer)) for _ in range(n)]

    async def let_go(self, tasks: list[asyncio.Task[None]]) -> list[BaseException | None]:
        self._go.set()
        return list(await asyncio.gather(*tasks, return_exceptions=True))


async def turn() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_process_that_asks_without_end_leaves_half_of_the_places(
    ask: Callable[[Callable[[Questions], Awaitable[None]]], None],
) -> None:
    async def check(questions: Questions) -> None:
        asking = Asking(questions)
        loud = asking.many(HALF + 5, LOUD)
        await turn()
        assert asking.held == HALF
        quiet = asking.many(HALF, QUIET)
        await turn()
        assert asking.held == PLACES, "who asks little has a place at once"
        with pytest.raises(Overloaded, match="too many queries at once"):
            await asking.one(300)
        assert await asking.let_go(loud + quiet) == [None] * (HALF + 5 + HALF), "and who asked much has answers too"

    ask(check)


def test_a_process_has_only_so_many_that_wait(ask: Callable[[Callable[[Questions], Awaitable[None]]], None]) -> None:
    async def check(questions: Questions) -> None:
        asking = Asking(questions)
        loud = asking.many(2 * HALF + 1, LOUD)
        await turn()
        refused = [task for task in loud if task.done()]
        assert len(refused) == 1
        assert isinstance(refused[0].exception(), Overloaded)
        await asking.let_go(loud)

    ask(check)


def test_whoever_cannot_be_told_from_others_has_all_places(
    ask: Callable[[Callable[[Questions], Awaitable[None]]], None],
) -> None:
    async def check(questions: Questions) -> None:
        asking = Asking(questions)
        tasks = asking.many(PLACES, 0)
        await turn()
        assert asking.held == PLACES
        await asking.let_go(tasks)

    ask(check)


def test_those_who_left_are_forgotten(ask: Callable[[Callable[[Questions], Awaitable[None]]], None]) -> None:
    async def check(questions: Questions) -> None:
        for peer in range(1, 1_000):
            async with questions.place(peer):
                pass
        assert questions.n_known == 0

    ask(check)
