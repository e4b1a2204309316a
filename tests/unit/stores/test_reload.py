"""Another configuration while stores run: what changed is begun anew, and what did not never notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ollama import FakeOllama
from tests.workers import eventually, idle, titles_wait
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.errors import UnknownStore, VragdError
from vragd.store.opening import open_store
from vragd.store.store import Store
from vragd.stores.indexer import Indexer
from vragd.stores.questions import Questions
from vragd.stores.reload import reload
from vragd.stores.reports import status
from vragd.stores.state import State
from vragd.stores.stores import Stores


class Home:
    """Stores of one note each, running as often as they are wanted."""

    def __init__(self, place: Path, ollama: FakeOllama) -> None:
        self.place, self.data, self.ollama = place, place / "data", ollama
        self.embedder = OllamaEmbedder(type="ollama", model="fake-embed", url=ollama.url)

    def store(self, name: str, *, exclude: tuple[str, ...] = ()) -> StoreSettings:
        folder = self.place / name
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.md").write_text(f"a note of {name}")
        source = SourceSettings(path=folder, exclude=exclude)
        return StoreSettings(sources=(source,), embedder=self.embedder, backend=MemoryBackend(type="memory"))

    def loaded(
        self, stores: Mapping[str, StoreSettings], *, rescan_minutes: float = 60.0, socket: str = "socket"
    ) -> Loaded:  # fmt: skip
        watch = WatchSettings(settle_ms=20, rescan_minutes=rescan_minutes)
        config = Config(stores=stores, watch=watch, limits=LimitSettings(min_free_mib=0))
        return Loaded(config, None, self.data, self.place / socket)

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator[Stores]:
        stores = Stores(self.loaded({name: self.store(name) for name in names}), watch=True)
        try:
            await stores.start()
            for name in names:
                await indexed(stores, name)
            yield stores
        finally:
            await stores.stop()

    def break_store(self, name: str) -> None:
        """A file is where the store's data should go."""
        self.data.joinpath("stores").mkdir(parents=True, exist_ok=True)
        (self.data / "stores" / name).write_text("")

    def mend_store(self, name: str) -> None:
        (self.data / "stores" / name).unlink()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with FakeOllama() as ollama:
        yield Home(tmp_path, ollama)


async def indexed(stores: Stores, name: str) -> None:
    worker = stores.indexer(name)
    await eventually(lambda: worker.store.reader.counts().notes == 1 and idle(worker), f"the note of {name}")


async def answers(stores: Stores, *names: str) -> set[str]:
    answer = await Questions(stores).query(names, text="a note", mode="vector")
    return {hit.store for hit in answer["hits"]}


def test_a_store_that_changed_is_restarted_and_the_others_keep_running(home: Home) -> None:
    async def check() -> None:
        async with home.running("changed", "same") as stores:
            before = dict(stores.indexers)
            changed = home.store("changed", exclude=("drafts/",))
            assert await reload(stores, home.loaded({"changed": changed, "same": home.store("same")})) == []
            assert stores.indexers["same"] is before["same"]
            assert stores.indexers["changed"] is not before["changed"]
            assert stores.indexers["changed"].store.settings == changed
            assert [indexer.standing.state for indexer in before.values()] == [State.RUNNING] * 2
            await indexed(stores, "changed")
            assert await answers(stores) == {"changed", "same"}

    asyncio.run(check())


def test_what_every_store_is_run_by_restarts_every_store(home: Home) -> None:
    async def check() -> None:
        async with home.running("one", "two") as stores:
            before = dict(stores.indexers)
            same = {name: home.store(name) for name in before}
            await reload(stores, home.loaded(same, rescan_minutes=5.0))
            assert all(stores.indexers[name] is not worker for name, worker in before.items())
            assert stores.loaded.config.watch.rescan_minutes == 5.0

    asyncio.run(check())


def test_a_store_that_left_the_file_stops_and_keeps_its_data_for_its_return(home: Home) -> None:
    async def check() -> None:
        async with home.running("gone", "same") as stores:
            gone = stores.indexers["gone"]
            await reload(stores, home.loaded({"same": home.store("same")}))
            assert set(stores.indexers) == {"same"}
            assert gone.standing.state is State.AWAY
            assert (home.data / "stores/gone/catalog.db").is_file()
            assert await answers(stores) == {"same"}
            with pytest.raises(UnknownStore, match="has data but no settings"):
                stores.indexer("gone")
            await reload(stores, home.loaded({"gone": home.store("gone"), "same": home.store("same")}))
            await indexed(stores, "gone")
            assert await answers(stores) == {"gone", "same"}

    asyncio.run(check())


def test_a_vault_by_another_path_a_part_of_it_and_what_is_around_it_are_embedded_no_more(home: Home) -> None:
    async def check() -> None:
        async with home.running("same") as stores:
            await eventually(lambda: not titles_wait(stores.indexer("same")), "its title")
            home.ollama.forget_requests()
            settings, renamed = home.store("same"), home.place / "around" / "renamed"
            renamed.parent.mkdir()
            (home.place / "same").rename(renamed)
            for path, note in ((renamed, "same.md"), (renamed.parent, "renamed/same.md"), (renamed, "same.md")):
                there = settings.model_copy(update={"sources": (SourceSettings(path=path),)})
                await reload(stores, home.loaded({"same": there}))
                await indexed(stores, "same")
                answer = await Questions(stores).query(["same"], text="a note", mode="keyword")
                assert [(hit.source, hit.path) for hit in answer["hits"]] == [(path.name, note)]
            assert "a note of same" not in {text for batch in home.ollama.embed_batches() for text in batch}

    asyncio.run(check())


def test_a_new_store_is_started(home: Home) -> None:
    async def check() -> None:
        async with home.running("same") as stores:
            await reload(stores, home.loaded({"new": home.store("new"), "same": home.store("same")}))
            await indexed(stores, "new")
            assert await answers(stores, "new") == {"new"}

    asyncio.run(check())


def test_a_store_that_cannot_start_does_not_stop_the_others(home: Home) -> None:
    async def check() -> None:
        async with home.running("changed") as stores:
            home.break_store("broken")
            settings = {name: home.store(name, exclude=("x",)) for name in ("broken", "changed", "new")}
            await reload(stores, home.loaded(settings))
            assert set(stores.indexers) == {"changed", "new"}
            assert set(stores.failed) == {"broken"}
            await indexed(stores, "changed")
            await indexed(stores, "new")
            assert await answers(stores) == {"changed", "new"}

    asyncio.run(check())


def test_neither_does_one_that_meets_a_bug(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(name: str, *args: Any, **kwargs: Any) -> Store:
        if name == "broken":
            raise RuntimeError("a bug")
        return open_store(name, *args, **kwargs)

    async def check() -> None:
        async with home.running("changed", "stopped") as stores:
            stopped = stores.indexers["stopped"]

            async def buggy_stop(*, forget: bool = False) -> None:
                await Indexer.stop(stopped, forget=forget)
                raise RuntimeError("a bug")

            monkeypatch.setattr(stopped, "stop", buggy_stop)
            settings = {name: home.store(name, exclude=("x",)) for name in ("broken", "changed", "stopped")}
            with monkeypatch.context() as patched:
                patched.setattr("vragd.stores.stores.open_store", buggy)
                await reload(stores, home.loaded(settings))
            await indexed(stores, "changed")
            await indexed(stores, "stopped")
            with pytest.raises(VragdError, match="store 'broken' could not be started"):
                stores.indexer("broken")
            await reload(stores, home.loaded(settings))
            await indexed(stores, "broken")
            assert stores.failed == {}

    asyncio.run(check())


def test_a_password_in_a_url_is_not_told_of_a_store_that_cannot_be_run(home: Home) -> None:
    async def check() -> None:
        async with home.running("notes") as stores:
            home.embedder = home.embedder.model_copy(update={"url": "http://me:planted@127.0.0.1:9"})
            await reload(stores, home.loaded({"notes": home.store("notes")}))
            told = await status(stores)
            assert told["stores"][0]["embedder"]["url"] == "http://127.0.0.1:9"
            assert "planted" not in repr(told)

    asyncio.run(check())


def test_a_store_that_could_not_start_is_tried_again_and_forgotten_when_it_leaves_the_file(home: Home) -> None:
    async def check() -> None:
        async with home.running("same") as stores:
            same = {"same": home.store("same")}
            for name in ("later", "never"):
                home.break_store(name)
            await reload(stores, home.loaded({**same, "later": home.store("later"), "never": home.store("never")}))
            assert set(stores.failed) == {"later", "never"}
            home.mend_store("later")
            await reload(stores, home.loaded({**same, "later": home.store("later")}))
            assert stores.failed == {}
            await indexed(stores, "later")
            with pytest.raises(UnknownStore, match="there is no store 'never'"):
                stores.indexer("never")

    asyncio.run(check())


def test_what_needs_a_restart_is_named_and_left_as_it_was(home: Home) -> None:
    async def check() -> None:
        async with home.running("same") as stores:
            socket, worker = stores.loaded.socket, stores.indexers["same"]
            assert await reload(stores, home.loaded({"same": home.store("same")}, socket="other")) == ["paths.socket"]
            assert stores.loaded.socket == socket
            assert stores.indexers["same"] is worker

    asyncio.run(check())
