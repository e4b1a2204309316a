"""Verification, reports and housekeeping wait for file systems and disks where nobody else does."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.workers import eventually
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings
from vragd.errors import Overloaded
from vragd.server.routes import dispatch
from vragd.server.table import ROWS_AT_ONCE
from vragd.stores.questions import Questions
from vragd.stores.stores import QUERY_THREADS, Stores
from vragd.stores.verifying import verify
from vragd.vault.source import Source

N = ROWS_AT_ONCE + 7


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "vault").mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    store = StoreSettings(
        sources=(SourceSettings(path=tmp_path / "vault"),), backend=MemoryBackend(type="memory")
    )  # fmt: skip
    config = Config(stores={"notes": store}, limits=LimitSettings(min_free_mib=0))
    return Loaded(config, None, tmp_path / "data", tmp_path / "s")


def test_a_source_that_hangs_while_it_is_verified_holds_up_no_question_and_is_named(
    loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vault" / "a.md").write_text("a note")
    go, hung = threading.Event(), threading.Event()
    real = Source.read

    def read(source: Source, path: str) -> Any:
        if threading.current_thread().name.startswith("verify-"):
            hung.set()
            go.wait(60)
        return real(source, path)

    async def check() -> None:
        stores = Stores(loaded, watch=True)
        await stores.start()
        try:
            indexer = stores.indexer("notes")
            assert await indexer.settled(indexer.rescan(), 30)
            monkeypatch.setattr(Source, "read", read)
            verifying = asyncio.create_task(verify(stores, (), repair=False, hangs_s=0.2))
            await eventually(hung.is_set, "the source to hang")
            with pytest.raises(Overloaded, match="is being verified"):
                await verify(stores, (), repair=False)
            async with asyncio.timeout(20):
                await asyncio.gather(*(stores.readers.run(lambda: None) for _ in range(4 * QUERY_THREADS)))
            found = await verifying
            (problem,) = found["stores"][0]["problems"]
            assert (problem.kind, problem.detail) == ("not_checked", "its file system does not answer")
        finally:
            await stores.stop()
        assert not go.is_set(), "it stopped while the source still hung"
        go.set()

    asyncio.run(check())


def test_the_files_of_a_large_store_are_all_told_and_the_loop_goes_on(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        stores = Stores(loaded, watch=False)
        await stores.start()
        try:
            indexer = stores.indexer("notes")
            (source,) = indexer.store.sources
            indexer.store.skipped[source] = {f"{i}.png": "not \N{SNOWMAN} text" for i in range(N)}
            loop_thread, seen = threading.current_thread(), []
            real = json.dumps

            def dumps(*args: Any, **kwargs: Any) -> str:
                if isinstance(args[0], list):  # a line of the log is a dict
                    seen.append((threading.current_thread() is loop_thread, len(args[0])))
                return real(*args, **kwargs)

            monkeypatch.setattr("vragd.server.table.json.dumps", dumps)
            questions = Questions(stores)
            reply = await dispatch(questions, stores, "GET", "/v1/files?state=skipped", b"")
            files = json.loads(reply.body)["files"]
            assert sorted(file["path"] for file in files) == sorted(f"{i}.png" for i in range(N))
            assert files[0]["reason"] == "not \N{SNOWMAN} text"
            assert seen == [(False, ROWS_AT_ONCE), (False, 7)]
            empty = await dispatch(questions, stores, "GET", "/v1/files?state=failed", b"")
            assert json.loads(empty.body) == {"files": []}
        finally:
            await stores.stop()

    asyncio.run(check())


def test_a_job_that_hangs_in_one_store_is_begun_in_the_others_and_not_twice(loaded: Loaded) -> None:
    two = loaded.config.model_copy(update={"stores": {
        "one": loaded.config.stores["notes"].model_copy(update={"sources": ()}),
        "two": loaded.config.stores["notes"].model_copy(update={"sources": ()}),
    }})  # fmt: skip

    async def check() -> None:
        stores = Stores(Loaded(two, None, loaded.data_dir, loaded.socket), watch=False)
        await stores.start()
        go, began = threading.Event(), threading.Event()
        try:
            hanging = asyncio.create_task(stores.indexer("one").writer.run(lambda: (began.set(), go.wait(60))))
            await eventually(began.is_set, "the first store to hang")
            for _ in range(20):
                stores.each("checkpoint")
                await asyncio.sleep(0.01)
            assert stores.n_jobs == 1, "that of the store that hangs; the other's are done"
            go.set()
            await hanging
            await eventually(lambda: stores.n_jobs == 0, "that one too")
        finally:
            go.set()
            await stores.stop()

    asyncio.run(check())


def test_a_store_that_could_not_be_opened_is_no_store_without_problems(loaded: Loaded) -> None:
    one = loaded.config.stores["notes"].model_copy(update={"sources": ()})
    two = loaded.config.model_copy(update={"stores": {"one": one, "two": one}})
    (loaded.data_dir / "stores").mkdir(mode=0o700)
    (loaded.data_dir / "stores" / "two").write_text("no folder")

    async def check() -> None:
        stores = Stores(Loaded(two, None, loaded.data_dir, loaded.socket), watch=False)
        await stores.start()
        try:
            found = await verify(stores, (), repair=True)
            assert not found["ok"]
            whole, other = found["stores"]
            assert (whole["store"], whole["problems"]) == ("one", [])
            (problem,) = other["problems"]
            assert (other["store"], problem.kind) == ("two", "not_checked")
            assert problem.detail.startswith("the store could not be opened: ")
            assert (await verify(stores, ("one",), repair=False))["ok"], "another is not asked about"
        finally:
            await stores.stop()

    asyncio.run(check())
