"""Rules of Obsidian that change under a store that runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ollama import FakeOllama
from tests.workers import Home, N, eventually, keeper_of, paths
from vragd.config.settings import SourceSettings


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with FakeOllama() as ollama:
        yield Home(tmp_path, ollama)


def test_new_rules_are_gone_by_while_nothing_can_be_written(home: Home) -> None:
    folder, go = home.folder("vault"), threading.Event()

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), watch=False) as worker:
            keeper = keeper_of(worker, folder)
            await keeper.ask()
            await eventually(lambda: len(paths(worker, folder)) == N, "the source to be indexed")
            before, began = keeper.scanned_at, threading.Event()
            stuck = asyncio.create_task(worker.writer.run(lambda: (began.set(), go.wait(60))))
            await eventually(began.is_set, "nothing to be written any more")
            (folder / ".obsidian").mkdir()
            (folder / ".obsidian/app.json").write_text('{"userIgnoreFilters": ["n1.md"]}')
            look = asyncio.create_task(keeper.check())
            await eventually(worker.dirty.pending, "a scan to be asked for, which finds what is excluded now")
            assert not go.is_set()
            go.set()
            await asyncio.gather(stuck, look)
            await eventually(lambda: "n1.md" not in paths(worker, folder), "the excluded note to go")
            await eventually(lambda: keeper.scanned_at != before, "that scan to end")

    try:
        asyncio.run(check())
    finally:
        go.set()
