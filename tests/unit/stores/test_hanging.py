"""A server that embeds, takes what it is asked, and does not answer: what is saved meanwhile is found by its words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.fakes.ollama import FakeOllama
from tests.workers import Home, eventually, idle, titles_wait
from vragd.config.settings import SourceSettings
from vragd.stores.indexer import Indexer
from vragd.sync.calls import Late
from vragd.sync.pace import Pace

SHORT = Pace(patience_s=0.1)
N = 3


@pytest.fixture
def ollama() -> Iterator[FakeOllama]:
    with FakeOllama() as fake:
        yield fake
        fake.release()


@pytest.fixture
def home(tmp_path: Path, ollama: FakeOllama) -> Home:
    return Home(tmp_path, ollama)


def finds(worker: Indexer, word: str) -> Callable[[], bool]:
    return lambda: bool(worker.store.reader.keyword(word, 9))


def whole(worker: Indexer, n: int) -> Callable[[], bool]:
    return lambda: idle(worker) and worker.store.reader.counts().states == {"indexed": n}


def watched(home: Home, folder: Path, check: Callable[[Indexer], Awaitable[None]]) -> None:
    """Have the folder watched by a worker, and that checked."""

    async def run() -> None:
        async with home.worker(SourceSettings(path=folder), pace=SHORT) as worker:
            await check(worker)

    asyncio.run(run())


async def at_rest(worker: Indexer, n: int) -> None:
    await eventually(lambda: whole(worker, n)() and not titles_wait(worker), "all to be embedded")


def asked_for(ollama: FakeOllama, word: str) -> list[str]:
    return [text for text in ollama.embedded_texts if word in text]


@pytest.mark.slow
def test_what_is_saved_while_a_call_hangs_is_found_by_its_words_and_whole_when_it_ends(
    home: Home, ollama: FakeOllama
) -> None:
    folder = home.folder("vault", N)

    async def check(worker: Indexer) -> None:
        await at_rest(worker, N)
        ollama.hang_word = "slow"
        (folder / "a.md").write_text("slow herons")
        await eventually(finds(worker, "herons"), "the note whose text hangs")
        ollama.wait_until_hanging()
        n_asked = len(ollama.requests)
        (folder / "b.md").write_text("about quokkas")
        (folder / "n0.md").unlink()
        await eventually(finds(worker, "quokkas"), "a note beside it")
        await eventually(lambda: "n0.md" not in worker.store.reader.known(1), "one to be gone")
        assert len(ollama.requests) == n_asked, "a server that hangs is asked nothing else"
        await eventually(lambda: worker.dirty.pending() == worker.dirty.n_parked() == 2, "both to be parked")
        assert worker.trouble is None
        assert not await worker.settled(worker.dirty.ticket(), 0.05), "which promises vectors, too"
        ollama.release()
        await eventually(whole(worker, N + 1), "both to have their vectors")
        assert [len(asked_for(ollama, word)) for word in ("herons", "quokkas")] == [1, 1]

    watched(home, folder, check)


@pytest.mark.slow
def test_a_first_index_that_hangs_in_a_call_gives_way_to_what_is_saved(home: Home, ollama: FakeOllama) -> None:
    folder = home.folder("vault", N)
    ollama.hang_word = "vault 1"

    async def check(worker: Indexer) -> None:
        await eventually(lambda: ollama.wait_until_hanging() is None, "the index to hang")
        (folder / "a.md").write_text("about quokkas")
        await eventually(finds(worker, "quokkas"), "what was saved meanwhile")
        ollama.release()
        await eventually(whole(worker, N + 1), "all to have their vectors")
        assert len(set(asked_for(ollama, "vault"))) == len(asked_for(ollama, "vault")) == N

    watched(home, folder, check)


@pytest.mark.slow
def test_what_a_scan_found_is_found_by_its_words_and_what_is_gone_is_not_while_a_call_hangs(
    home: Home, ollama: FakeOllama
) -> None:
    folder = home.folder("vault", N)
    pace = Pace(patience_s=600.0, patience_last_s=0.1)

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), pace=pace) as worker:
            await at_rest(worker, N)
        ollama.hang_word = "slow"
        (folder / "n1.md").write_text("slow herons")
        async with home.worker(SourceSettings(path=folder), pace=pace, watch=False) as worker:
            worker.rescan()
            await eventually(lambda: ollama.wait_until_hanging() is None, "the index to hang")
            await eventually(finds(worker, "herons"), "what was changed while no daemon ran")
            n_asked = len(ollama.requests)
            (folder / "n0.md").unlink()
            (folder / "a.md").write_text("about quokkas")
            worker.rescan()
            await eventually(lambda: "n0.md" not in worker.store.reader.known(1), "one to be gone")
            await eventually(finds(worker, "quokkas"), "a new one")
            assert len(ollama.requests) == n_asked
            ollama.release()
            await eventually(whole(worker, N), "all to have their vectors")
            assert [len(asked_for(ollama, word)) for word in ("herons", "quokkas")] == [1, 1]

    asyncio.run(check())


@pytest.mark.slow
def test_a_call_for_titles_that_hangs_gives_way_to_what_is_saved(home: Home, ollama: FakeOllama) -> None:
    folder = home.folder("vault", N)
    (folder / "slow.md").write_text("about herons")
    ollama.hang_word = "slow"

    async def check(worker: Indexer) -> None:
        await eventually(lambda: ollama.wait_until_hanging() is None, "titles to be embedded")
        (folder / "a.md").write_text("about quokkas")
        await eventually(finds(worker, "quokkas"), "what was saved meanwhile")
        ollama.release()
        await at_rest(worker, N + 2)
        assert ollama.embedded_texts.count("slow") == 1, "what was left is stored"

    watched(home, folder, check)


@pytest.mark.slow
def test_a_store_begins_with_words_while_its_server_does_not_say_who_it_is(home: Home, ollama: FakeOllama) -> None:
    folder = home.folder("vault", N)
    ollama.hang = True

    async def check(worker: Indexer) -> None:
        await eventually(lambda: worker.store.reader.counts().states == {"pending": N}, "words of all")
        assert worker.trouble is None
        (folder / "n1.md").write_text("about quokkas")
        await eventually(finds(worker, "quokkas"), "what is saved")
        ollama.release()
        worker.look_again()
        await eventually(whole(worker, N), "all to have their vectors")

    watched(home, folder, check)


@pytest.mark.slow
def test_a_server_that_hangs_in_each_call_is_asked_again_beside_what_is_saved(home: Home, ollama: FakeOllama) -> None:
    """Its calls end without an answer, time and again: that it is out is known by then, and it is tried with a few."""
    folder = home.folder("vault", N)

    async def check(worker: Indexer) -> None:
        await at_rest(worker, N)
        ollama.stop()
        (folder / "a.md").write_text("slow herons")
        await eventually(lambda: worker.trouble is not None and finds(worker, "herons")(), "the outage")
        ollama.hang_word = "slow"
        ollama.start()
        worker.look_again()
        await eventually(lambda: ollama.wait_until_hanging() is None, "it to be tried")
        for name in ("quokkas", "wombats"):
            (folder / f"{name}.md").write_text(f"about {name}")
            await eventually(finds(worker, name), "what is saved while it hangs")
        await eventually(lambda: worker.dirty.n_parked() == worker.dirty.pending() == 3, "all to be parked")
        worker.dirty.add(worker.dirty.pending_paths())
        await eventually(lambda: worker.dirty.n_parked() == 3, "all to be looked at by a scan")
        assert worker.trouble is not None, "it has yet to answer"
        ollama.release()
        await eventually(whole(worker, N + 3), "all to have their vectors")
        assert worker.trouble is None

    watched(home, folder, check)


@pytest.mark.slow
def test_a_server_that_embeds_and_then_does_not_say_who_it_is_holds_up_nothing(home: Home, ollama: FakeOllama) -> None:
    folder = home.folder("vault", N)

    def embed(texts: Sequence[str]) -> None:
        if any("herons" in text for text in texts):
            ollama.hang = "/api/tags"

    async def check(worker: Indexer) -> None:
        await at_rest(worker, N)
        ollama.on_embed = embed
        (folder / "a.md").write_text("slow herons")
        await eventually(lambda: ollama.wait_until_hanging() is None, "its vector to be in doubt")
        (folder / "b.md").write_text("about quokkas")
        await eventually(finds(worker, "quokkas"), "a note beside it")
        ollama.on_embed = lambda texts: None
        ollama.release()
        await eventually(whole(worker, N + 2), "both to have their vectors")
        assert len(asked_for(ollama, "herons")) == 1

    watched(home, folder, check)


@pytest.mark.slow
def test_a_store_that_ends_does_not_wait_for_a_call_that_hangs(home: Home, ollama: FakeOllama) -> None:
    folder = home.folder("vault", N)
    ollama.hang_word = "vault 1"

    async def end() -> None:
        async with home.worker(SourceSettings(path=folder), pace=SHORT):
            await eventually(lambda: ollama.wait_until_hanging() is None, "the index to hang")

    async def begin_again() -> None:
        async with home.worker(SourceSettings(path=folder), pace=SHORT) as worker:
            await eventually(whole(worker, N), "all to have their vectors")

    asyncio.run(asyncio.wait_for(end(), 30))  # the call itself would take a minute
    ollama.release()
    asyncio.run(begin_again())


@pytest.mark.slow
def test_a_store_is_not_embedded_again_while_its_server_does_not_say_who_it_is(home: Home, ollama: FakeOllama) -> None:
    folder = home.folder("vault", N)

    async def check(worker: Indexer) -> None:
        await at_rest(worker, N)
        ollama.hang = True
        begun = asyncio.create_task(worker.writer.run(lambda: worker.store.read_again(embed=True)))
        await eventually(lambda: ollama.wait_until_hanging() is None, "it to be asked")
        (folder / "a.md").write_text("about quokkas")
        with pytest.raises(Late):
            await begun
        await eventually(finds(worker, "quokkas"), "what is saved")
        assert not worker.store.rebuilding
        ollama.release()
        await at_rest(worker, N + 1)

    watched(home, folder, check)


@pytest.mark.slow
def test_nothing_is_said_to_be_searchable_before_it_is_known_whose_the_vectors_are(
    home: Home, ollama: FakeOllama
) -> None:
    folder = home.folder("vault", N)

    async def check() -> None:
        async with home.worker(SourceSettings(path=folder), pace=SHORT) as worker:
            await at_rest(worker, N)
        ollama.digest, ollama.hang = "b" * 64, True
        async with home.worker(SourceSettings(path=folder), pace=SHORT) as worker:
            await eventually(lambda: worker.keepers[1].scanned_at is not None, "the source to be looked through")
            assert not worker.dirty.pending()
            assert not await worker.settled(worker.dirty.ticket(), 0.05)
            ollama.release()
            assert await worker.settled(worker.dirty.ticket(), 30)
            assert len(set(asked_for(ollama, "vault"))) * 2 == len(asked_for(ollama, "vault")) == 2 * N

    asyncio.run(check())
