"""Ask the daemon several questions at once: python search_async.py QUESTION…"""

from __future__ import annotations

import asyncio
import sys

from vragd import AsyncClient


async def main(questions: list[str]) -> None:
    """The best note for each."""
    client = AsyncClient()
    answers = await asyncio.gather(*(client.search(question, top_k=1) for question in questions))
    for question, answer in zip(questions, answers, strict=True):
        print(f"{question}: {answer.hits[0].path if answer.hits else 'nothing'}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
