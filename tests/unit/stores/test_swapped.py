"""Vaults that change places, a link that leads to another one, folders that go: what is found is what lies there."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.ollama import FakeOllama
from tests.harness import DEADLINE_S
from tests.workers import Home, eventually, idle, paths, titles_wait
from vragd.config.settings import SourceSettings
from vragd.stores.indexer import Indexer
from vragd.sync.pace import Pace

SURE = Pace(guard_confirm_s=0.0)  # what two scans miss is gone


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with FakeOllama() as ollama:
        yield Home(tmp_path, ollama)


def folder(place: Path, name: str, n: int) -> set[str]:
    """The names of so many notes, made at `place`."""
    place.mkdir(parents=True)
    for i in range(n):
        (place / f"{name}{i}.md").write_text(f"{name} says {i}")
    return {f"{name}{i}.md" for i in range(n)}


async def looked(worker: Indexer, condition: Callable[[], bool]) -> None:
    """Look at the vaults again and again, as heartbeats and rescans do, until they are as they should be."""
    async with asyncio.timeout(DEADLINE_S):
        while not (idle(worker) and condition()):
            worker.beat()
            worker.rescan()
            await eventually(lambda: not worker.dirty.pending(), "the scans")


def test_two_vaults_that_change_places_keep_their_notes_and_embed_nothing(home: Home) -> None:
    one, other, aside = home.place / "one", home.place / "other", home.place / "aside"
    wrens, crows = folder(one, "wren", 30), folder(other, "crow", 25)

    async def check() -> None:
        async with home.worker(SourceSettings(path=one), SourceSettings(path=other), pace=SURE) as worker:
            there = lambda: (paths(worker, one), paths(worker, other))  # noqa: E731
            await eventually(lambda: idle(worker) and there() == (wrens, crows), "the notes")
            await eventually(lambda: not titles_wait(worker), "their titles")
            embedded = worker.store.n_embedded
            one.rename(aside)
            other.rename(one)
            aside.rename(other)
            await looked(worker, lambda: there() == (crows, wrens))
            assert worker.store.n_embedded == embedded
            (one / "crow0.md").write_text("a crow that was saved afterwards")
            await eventually(lambda: worker.store.reader.keyword("afterwards", 5), "a save in it, by its event")

    asyncio.run(check())


def test_a_vault_by_a_link_that_leads_elsewhere_by_now_is_what_it_leads_to(home: Home) -> None:
    wrens, crows = folder(home.place / "first", "wren", 30), folder(home.place / "second", "crow", 25)
    vault, next_link = home.place / "vault", home.place / "next"
    vault.symlink_to("first")

    async def check() -> None:
        async with home.worker(SourceSettings(path=vault), pace=SURE) as worker:
            await eventually(lambda: idle(worker) and paths(worker, vault) == wrens, "the notes")
            next_link.symlink_to("second")
            next_link.rename(vault)
            await looked(worker, lambda: paths(worker, vault) == crows)
            (vault / "crow0.md").write_text("a crow that was saved afterwards")
            await eventually(lambda: worker.store.reader.keyword("afterwards", 5), "a save in it, by its event")

    asyncio.run(check())


def test_folders_that_are_deleted_before_our_eyes_are_gone_however_many_notes_were_in_them(home: Home) -> None:
    vault = home.place / "vault"
    for i in range(12):
        folder(vault / f"f{i}", f"n{i}-", 10)

    async def check() -> None:
        async with home.worker(SourceSettings(path=vault)) as worker:
            await eventually(lambda: idle(worker) and len(paths(worker, vault)) == 120, "the notes")
            for i in range(1, 12):
                await asyncio.to_thread(shutil.rmtree, vault / f"f{i}")
            await eventually(lambda: len(paths(worker, vault)) == 10, "those that are left")
            await eventually(lambda: idle(worker), "nothing to be held")

    asyncio.run(check())
