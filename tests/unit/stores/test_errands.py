"""Work that is begun beside ends with its owner, whoever still asks for some."""

from __future__ import annotations

import asyncio
from functools import partial

from vragd.stores.errands import Errands


def test_what_another_thread_asks_for_after_the_end_is_not_begun() -> None:
    async def main() -> None:
        begun, failed = list[str](), list[BaseException | None]()

        async def work(name: str) -> None:
            begun.append(name)
            raise RuntimeError("a bug")

        errands = Errands(failed.append)
        await asyncio.to_thread(errands.begin_soon, partial(work, "before"))
        while not failed:
            await asyncio.sleep(0)
        await errands.stop()
        await asyncio.to_thread(errands.begin_soon, partial(work, "after"))
        await asyncio.to_thread(errands.soon, partial(begun.append, "after"))
        await asyncio.sleep(0)
        assert (begun, [type(error) for error in failed]) == (["before"], [RuntimeError])

    asyncio.run(main())
