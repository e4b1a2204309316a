"""Housekeeping of a store: what takes long is read beside, and what is saved meanwhile does not wait for it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from tests.fakes.ollama import FakeOllama
from tests.workers import Home, N, eventually, idle, paths
from vragd.config.settings import SourceSettings
from vragd.system.lanes import Lane


def test_what_is_unused_is_looked_for_beside_the_writer(tmp_path: Path) -> None:
    async def check(home: Home) -> None:
        folder = home.folder("folder")
        async with home.worker(SourceSettings(path=folder)) as worker:
            await eventually(lambda: len(paths(worker, folder)) == N and idle(worker), "the notes")
            aside, go = Lane("aside", only_reads=True), threading.Event()
            before = asyncio.create_task(aside.run(go.wait, 60))
            tending = asyncio.create_task(worker.tend(aside))
            (folder / "new.md").write_text("saved meanwhile")
            await eventually(lambda: "new.md" in paths(worker, folder) and idle(worker), "a note saved meanwhile")
            assert not tending.done(), "it has not looked yet, and nobody waited for that"
            go.set()
            await before
            await tending
            aside.close()

    with FakeOllama() as ollama:
        asyncio.run(check(Home(tmp_path, ollama)))
