"""What a scan of a running daemon finds withdrawn is hidden at once, whatever waits for the embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.ollama import FakeOllama
from tests.workers import Home, eventually, idle, keeper_of, titles_wait
from vragd.config.settings import SourceSettings
from vragd.stores.indexer import Indexer
from vragd.sync.pace import Pace

PATIENT = Pace(patience_s=600.0, patience_last_s=600.0)  # a round lasts until its server has answered
OUT, CLOSED = "---\nvragd: false\n---\nx", "---\nai: false\n---\nx"


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    with FakeOllama() as fake:
        yield fake
        fake.release()


@pytest.fixture
def home(tmp_path: Path, ollama: FakeOllama) -> Home:
    return Home(tmp_path, ollama)


def hidden(worker: Indexer, folder: Path, *names: str) -> set[str]:
    hides = keeper_of(worker, folder).source.hides
    return {name for name in names if hides is not None and hides(name)}


@pytest.mark.slow
def test_what_is_withdrawn_while_a_round_waits_for_its_server_is_hidden_until_it_is_gone(
    home: Home, ollama: FakeOllama
) -> None:
    folder = home.folder("vault", 8)
    names = [f"n{i}.md" for i in range(8)]

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), pace=PATIENT, watch=False) as worker:
            keeper = keeper_of(worker, folder)
            worker.rescan()
            await eventually(lambda: idle(worker) and len(worker.store.reader.known(1)) == 8, "the index")
            await eventually(lambda: not titles_wait(worker), "its titles")
            ollama.hang_word = "slow"
            (folder / "a.md").write_text("slow herons")
            worker.rescan()
            await eventually(lambda: ollama.wait_until_hanging() is None, "the round to hang")
            (folder / "n0.md").unlink()
            (folder / "n1.md").write_text(OUT)
            (folder / "n2.md").write_text("edited")
            (folder / "n3.md").write_text(CLOSED)
            (folder / "n4.md").rename(folder / "moved.md")
            (folder / ".obsidian").mkdir()
            (folder / ".obsidian" / "app.json").write_text('{"userIgnoreFilters": ["n5"]}')
            worker.beat()
            worker.rescan()
            await eventually(
                lambda: hidden(worker, folder, *names) == {"n0.md", "n1.md", "n5.md"}, "three to be hidden"
            )
            assert worker.store.reader.known(1).keys() >= {"n0.md", "n1.md", "n5.md"}, "they are indexed still"
            (folder / "n0.md").write_text("vault 0")
            (folder / "n1.md").write_text("open again")
            ollama.release()
            await eventually(lambda: idle(worker), "all to be done")
            worker.rescan()
            await eventually(lambda: idle(worker) and not keeper.source.hidden, "nothing to be hidden")
            known = worker.store.reader.known(1)
            assert "n5.md" not in known and known["n1.md"].state == known["n0.md"].state == "indexed"

    asyncio.run(check())
