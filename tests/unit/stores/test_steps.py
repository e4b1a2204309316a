"""A step that failed is made again: soon, where what was in its way passes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.catalogs import beside
from tests.fakes.ollama import FakeOllama
from tests.workers import Home, eventually, idle, paths
from vragd.config.settings import SourceSettings
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


@pytest.mark.slow
def test_a_note_that_is_saved_while_another_program_writes_in_the_catalog_is_found_when_that_ends(
    tmp_path: Path,
) -> None:
    async def check(home: Home) -> None:
        folder = home.folder("folder", 3)
        async with home.worker(SourceSettings(path=folder)) as worker:
            await eventually(lambda: idle(worker) and len(paths(worker, folder)) == 3, "the notes")
            with capture_logs() as said, beside(worker.store.catalog.path, write=True) as other:
                other.execute("begin immediate")
                (folder / "later.md").write_text("a quokka")
                failed = lambda: [line for line in said if line["event"] == "worker.step_failed"]  # noqa: E731
                await eventually(failed, "a step to be refused")
                assert worker.dirty.pending(), "it is said to be pending"
                assert worker.store.reader.keyword("folder", 5), "and what was indexed is found"
                other.execute("rollback")
                let_go = asyncio.get_running_loop().time()
                await eventually(lambda: worker.store.reader.keyword("quokka", 5), "the note")
                assert asyncio.get_running_loop().time() - let_go < BROKEN_RETRY_S / 2

    with FakeOllama() as ollama:
        asyncio.run(check(Home(tmp_path, ollama)))
