"""Another configuration in a running service: what changed is begun anew, and what did not never notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.ollama import FakeOllama
from tests.workers import eventually, idle
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.errors import UnknownStore, VragdError
from vragd.search.ask import Question
from vragd.stores.loops import Worker
from vragd.stores.reload import reload
from vragd.stores.service import Service


class Home:
    """Stores of one note each, and a service on any of them."""

    def __init__(self, place: Path, ollama: FakeOllama) -> None:
        self.place, self.data = place, place / "data"
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
    async def service(self, *names: str) -> AsyncIterator[Service]:
        service = Service(self.loaded({name: self.store(name) for name in names}), watch=True)
        try:
            await service.start()
            for name in names:
                await indexed(service, name)
            yield service
        finally:
            await service.stop()

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


async def indexed(service: Service, name: str) -> None:
    worker = service.worker(name)
    await eventually(lambda: worker.store.reader.counts().notes == 1 and idle(worker), f"the note of {name}")


async def answers(service: Service, *stores: str) -> set[str]:
    answer = await service.query(Question("a note", mode="vector"), stores)
    return {hit.store for hit in answer["hits"]}


def test_a_store_that_changed_is_restarted_and_the_others_keep_running(home: Home) -> None:
    async def check() -> None:
        async with home.service("changed", "same") as service:
            before = dict(service.workers)
            changed = home.store("changed", exclude=("drafts/",))
            assert await reload(service, home.loaded({"changed": changed, "same": home.store("same")})) == []
            assert service.workers["same"] is before["same"]
            assert service.workers["changed"] is not before["changed"]
            assert service.workers["changed"].store.settings == changed
            assert before["changed"].store.closing
            assert not before["same"].store.closing
            await indexed(service, "changed")
            assert await answers(service) == {"changed", "same"}

    asyncio.run(check())


def test_what_every_store_is_run_by_restarts_every_store(home: Home) -> None:
    async def check() -> None:
        async with home.service("one", "two") as service:
            before = dict(service.workers)
            same = {name: home.store(name) for name in before}
            await reload(service, home.loaded(same, rescan_minutes=5.0))
            assert all(service.workers[name] is not worker for name, worker in before.items())
            assert service.loaded.config.watch.rescan_minutes == 5.0

    asyncio.run(check())


def test_a_store_that_left_the_file_stops_and_keeps_its_data_for_its_return(home: Home) -> None:
    async def check() -> None:
        async with home.service("gone", "same") as service:
            gone = service.workers["gone"]
            await reload(service, home.loaded({"same": home.store("same")}))
            assert set(service.workers) == {"same"}
            assert gone.store.closing
            assert (home.data / "stores/gone/catalog.db").is_file()
            assert await answers(service) == {"same"}
            with pytest.raises(UnknownStore, match="has data but no settings"):
                service.worker("gone")
            await reload(service, home.loaded({"gone": home.store("gone"), "same": home.store("same")}))
            await indexed(service, "gone")
            assert await answers(service) == {"gone", "same"}

    asyncio.run(check())


def test_a_new_store_is_started(home: Home) -> None:
    async def check() -> None:
        async with home.service("same") as service:
            await reload(service, home.loaded({"new": home.store("new"), "same": home.store("same")}))
            await indexed(service, "new")
            assert await answers(service, "new") == {"new"}

    asyncio.run(check())


def test_a_store_that_cannot_start_does_not_stop_the_others(home: Home) -> None:
    async def check() -> None:
        async with home.service("changed") as service:
            home.break_store("broken")
            stores = {name: home.store(name, exclude=("x",)) for name in ("broken", "changed", "new")}
            await reload(service, home.loaded(stores))
            assert set(service.workers) == {"changed", "new"}
            assert set(service.failed) == {"broken"}
            await indexed(service, "changed")
            await indexed(service, "new")
            assert await answers(service) == {"changed", "new"}

    asyncio.run(check())


def test_neither_does_one_that_meets_a_bug(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Worker.start

    async def buggy(worker: Worker) -> None:
        if worker.store.name == "broken":
            raise RuntimeError("a bug")
        await start(worker)

    async def check() -> None:
        async with home.service("changed", "stopped") as service:
            stopped = service.workers["stopped"]

            async def buggy_stop(*, forget: bool = False) -> None:
                await Worker.stop(stopped, forget=forget)
                raise RuntimeError("a bug")

            monkeypatch.setattr(stopped, "stop", buggy_stop)
            monkeypatch.setattr(Worker, "start", buggy)
            stores = {name: home.store(name, exclude=("x",)) for name in ("broken", "changed", "stopped")}
            await reload(service, home.loaded(stores))
            await indexed(service, "changed")
            await indexed(service, "stopped")
            with pytest.raises(VragdError, match="store 'broken' could not be started"):
                service.worker("broken")
            monkeypatch.setattr(Worker, "start", start)
            await reload(service, home.loaded(stores))
            await indexed(service, "broken")
            assert service.failed == {}

    asyncio.run(check())


def test_a_store_that_could_not_start_is_tried_again_and_forgotten_when_it_leaves_the_file(home: Home) -> None:
    async def check() -> None:
        async with home.service("same") as service:
            same = {"same": home.store("same")}
            for name in ("later", "never"):
                home.break_store(name)
            await reload(service, home.loaded({**same, "later": home.store("later"), "never": home.store("never")}))
            assert set(service.failed) == {"later", "never"}
            home.mend_store("later")
            await reload(service, home.loaded({**same, "later": home.store("later")}))
            assert service.failed == {}
            await indexed(service, "later")
            with pytest.raises(UnknownStore, match="there is no store 'never'"):
                service.worker("never")

    asyncio.run(check())


def test_what_needs_a_restart_is_named_and_left_as_it_was(home: Home) -> None:
    async def check() -> None:
        async with home.service("same") as service:
            socket, worker = service.loaded.socket, service.workers["same"]
            assert await reload(service, home.loaded({"same": home.store("same")}, socket="other")) == ["paths.socket"]
            assert service.loaded.socket == socket
            assert service.workers["same"] is worker

    asyncio.run(check())
