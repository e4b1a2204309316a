"""Replicas beside a running store: they hold nobody up, say how far they are, and answer where the primary does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.stores.replicated import Home, ask, comes, homes, is_current, live, run, told
from tests.workers import eventually
from vragd.config.load import Loaded
from vragd.config.settings import Config
from vragd.errors import VragdError
from vragd.server.metrics import metrics
from vragd.server.routes import Call
from vragd.stores.changes import delete_store
from vragd.stores.questions import Questions
from vragd.stores.registry import Registry
from vragd.stores.reload import reload
from vragd.sync.pace import Pace


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from homes(tmp_path)


@pytest.mark.slow
def test_a_replica_that_never_answers_holds_up_no_save_and_is_known_to_be_behind(home: Home) -> None:
    async def check() -> None:
        home.node.hangs = threading.Event()
        async with home.running(replicas={"shared": home.remote}) as stores:
            await eventually(lambda: home.node.calls["_search"], "the replica to be asked")
            for name in ("egret", "stork"):
                home.write(name)
                assert await home.synced(stores), "a save waits for no replica"
            (home.vault / "heron.md").unlink()
            assert await home.synced(stores)
            assert len(live(stores)) == 4
            (replica,) = (await told(stores))["replicas"]
            assert (replica["n_behind"], replica["name"], replica["type"]) == (4, "shared", "opensearch")
            assert replica["silent_s"] > 0
            home.node.hangs.set()
            home.node.hangs = None
            await comes(stores, is_current)
            assert home.kept() == live(stores)

    run(check)


@pytest.mark.slow
def test_a_stop_waits_for_no_replica_that_hangs(home: Home) -> None:
    async def check() -> None:
        home.node.hangs = threading.Event()
        async with home.running(replicas={"shared": home.remote}):
            await eventually(lambda: home.node.calls["_search"], "the replica to be asked")

    run(check)
    assert home.node.hangs is not None
    assert not home.node.hangs.is_set(), "it hangs still"


def test_a_place_that_hangs_while_others_are_looked_for_holds_up_no_checkpoint(home: Home) -> None:
    async def check() -> None:
        async with home.running(replicas={"shared": home.remote}) as stores:
            await comes(stores, is_current)
            asked, go = home.node.calls["_search"], threading.Event()
            home.node.hangs = go
            stores.each("others")
            await eventually(lambda: home.node.calls["_search"] > asked, "the place to hang")
            stores.each("checkpoint")
            stores.each("replicas")
            await eventually(lambda: stores.n_jobs == 1, "all but the one that hangs")
            assert not go.is_set()
            go.set()
            home.node.hangs = None
            await eventually(lambda: not stores.n_jobs, "that one too")

    run(check)


@pytest.mark.slow
def test_one_that_was_away_is_named_and_catches_up_by_itself(home: Home) -> None:
    async def check() -> None:
        async with home.running(replicas={"shared": home.remote}) as stores:
            await comes(stores, is_current)
            embedded = len(home.ollama.embedded_texts)
            home.node.stop()
            (home.vault / "heron.md").unlink()
            assert await home.synced(stores)
            row = await comes(stores, lambda row: row["replicas"][0]["trouble"])
            (replica,) = row["replicas"]
            assert replica["trouble"]["code"] == "backend_unavailable"
            assert (replica["n_behind"], replica["n_withdrawn"]) == (1, 1), "what cannot be reached is counted"
            numbers = (await metrics(Call(stores, Questions(stores), None, {}, {}))).body.decode()
            assert "vragd_replica_changes_behind 1" in numbers
            assert "vragd_troubled_replicas 1" in numbers
            assert row["trouble"] is None, "the store has no trouble by that"
            home.node.start()
            await comes(stores, is_current)
            assert home.kept() == live(stores)
            assert len(home.ollama.embedded_texts) == embedded

    run(check)


def test_a_local_replica_answers_while_the_primary_is_out_of_reach_and_says_so(home: Home) -> None:
    async def check() -> None:
        async with home.running(backend=home.remote, replicas={"here": {"type": "faiss"}}) as stores:
            await comes(stores, is_current)
            before = await ask(stores, "heron")
            assert before["degraded"] == []
            home.node.stop()
            for _ in range(2):  # found on the way, and known
                answer = await ask(stores, "heron")
                assert [hit.path for hit in answer["hits"]] == [hit.path for hit in before["hits"]]
                assert "replica_answers" in answer["degraded"]
                assert "semantic_unavailable" not in answer["degraded"]
                stores.indexer("notes").look_again()
                await comes(stores, lambda row: row["trouble"])
            assert "replica_answers" in (await told(stores))["degraded"]

    run(check)


def test_each_replica_here_is_asked_until_one_answers(home: Home) -> None:
    async def check() -> None:
        file = home.place / "beside.db"
        broken = {"type": "sqlite", "path": str(file)}
        async with home.running(backend=home.remote, replicas={"a": broken, "b": {"type": "faiss"}}) as stores:
            await comes(stores, is_current)
            before = await ask(stores, "heron")
            home.node.stop()
            file.unlink()
            answer = await ask(stores, "heron")
            assert [hit.path for hit in answer["hits"]] == [hit.path for hit in before["hits"]]
            assert "replica_answers" in answer["degraded"]
            assert "semantic_unavailable" not in answer["degraded"]

    run(check)


def test_the_replica_that_was_chosen_answers_and_the_primary_until_it_can(home: Home) -> None:
    async def check() -> None:
        home.node.hangs = threading.Event()
        chosen = {"replicas": {"shared": home.remote}, "answers": "shared"}
        async with home.running(**chosen) as stores:
            answer = await ask(stores, "heron")
            assert answer["degraded"] == ["replica_away"]
            assert answer["hits"]
            home.node.hangs.set()
            home.node.hangs = None
            feeding = stores.indexer("notes").feeding  # which compares once more when every source is known
            await comes(stores, lambda row: is_current(row) and not feeding.unswept)
            asked = home.node.calls["_search"]
            answer = await ask(stores, "heron")
            assert (answer["degraded"], home.node.calls["_search"]) == ([], asked + 1)
            home.node.stop()
            answer = await ask(stores, "heron")
            assert answer["hits"], "the primary has it all"
            assert "replica_away" in answer["degraded"]
            assert "semantic_unavailable" not in answer["degraded"]

    run(check)


def test_a_new_model_reaches_every_replica(home: Home) -> None:
    async def check() -> None:
        async with home.running(replicas={"shared": home.remote, "here": {"type": "faiss"}}) as stores:
            await comes(stores, is_current)
            (old,) = home.node.indices
            home.ollama.digest = "f" * 64
            stores.indexer("notes").look_again()
            await comes(stores, lambda row: "space_rebuilding" not in row["degraded"] and old not in home.node.indices)
            await comes(stores, is_current)
            assert len(home.node.indices) == 1, "the old space has left it"
            assert home.kept() == live(stores)

    run(check)


@pytest.mark.slow
def test_one_that_was_taken_out_is_left_behind_by_name_and_fills_when_it_is_back(home: Home) -> None:
    async def check() -> None:
        async with home.running(replicas={"shared": home.remote}) as stores:
            await comes(stores, is_current)
            await reload(stores, home.loaded())
            row = await comes(stores, lambda row: row["chunks"] and not row["degraded"])
            assert row["replicas"] == []
            assert row["left_behind"] == [
                f"opensearch collection notes, OpenSearch at {home.node.host}, indices vragd-*"
            ]
            (home.vault / "heron.md").unlink()
            assert await home.synced(stores)
            assert len(home.kept()) == 3, "nobody is told any more"
            await reload(stores, home.loaded(replicas={"shared": home.remote}))
            assert await home.synced(stores)
            row = await comes(stores, lambda row: is_current(row) and home.kept() == live(stores))
            assert row["left_behind"] == []

    run(check)


def test_a_store_that_is_deleted_leaves_its_replicas_or_is_kept_while_one_cannot_be_reached(home: Home) -> None:
    async def check() -> None:
        async with home.running(replicas={"shared": home.remote}) as stores:
            await comes(stores, is_current)
            home.node.stop()
            with pytest.raises(VragdError, match="the store is kept"):
                await delete_store(stores, "notes")
            home.node.start()
            await comes(stores, is_current)
            await delete_store(stores, "notes")
            assert home.node.indices == {}

    run(check)


@pytest.mark.slow
def test_a_store_whose_replica_hangs_is_kept_when_it_is_deleted_and_holds_up_no_other(home: Home) -> None:
    async def check() -> None:
        async with home.running(pace=Pace(forgets_s=0.1), replicas={"shared": home.remote}) as stores:
            await comes(stores, is_current)
            home.node.hangs = threading.Event()
            with pytest.raises(VragdError, match="the store is kept: replica 'shared' does not answer"):
                await delete_store(stores, "notes")
            assert not home.node.hangs.is_set(), "it hangs still"
            home.write("egret")
            assert await home.synced(stores)
            home.node.hangs.set()
            home.node.hangs = None
            await comes(stores, is_current)
            await delete_store(stores, "notes")
            assert home.node.indices == {}

    run(check)


def test_whoever_deletes_a_store_is_told_of_every_place_that_it_leaves(home: Home) -> None:
    async def check() -> None:
        first, second, third = (str(home.place / f"{name}.db") for name in ("first", "second", "third"))

        def replica(path: str) -> dict[str, Any]:
            return {"replicas": {"copy": {"type": "sqlite", "path": path}}}

        async with home.running(**replica(first)) as stores:
            await comes(stores, is_current)
            (stores.registry.folder("notes") / "remote").unlink()  # as one was that forgot: the catalog knows
            for path in (second, third):
                await reload(stores, home.loaded(**replica(path)))
                await comes(stores, is_current)
            assert stores.registry.remote("notes") == (first, second, third)
            assert await delete_store(stores, "notes") == ("config", (first, second))

    run(check)


def test_a_place_that_is_told_under_another_name_is_not_left_behind(home: Home) -> None:
    def at(name: str) -> dict[str, Any]:
        return {"type": "sqlite", "path": str(home.place / f"{name}.db")}

    async def check() -> None:
        async with home.running(replicas={"first": at("same")}) as stores:
            for settings in (
                {"replicas": {"second": at("same")}},
                {"replicas": {"third": at("same")}},
                {"replicas": {"fourth": at("other")}, "backend": at("same")},
            ):
                await comes(stores, is_current)
                await reload(stores, home.loaded(**settings))
                row = await comes(stores, is_current)
                assert row["left_behind"] == []
            await reload(stores, home.loaded())
            row = await comes(stores, lambda row: row["chunks"])
            lines = [f"sqlite collection notes, {at(name)['path']}" for name in ("same", "other")]
            assert row["left_behind"] == lines, "each once"

    run(check)


def test_what_is_left_is_named_until_a_command_deletes_it_there_and_again_once_it_is_used(home: Home) -> None:
    def at(name: str) -> dict[str, Any]:
        return {"type": "sqlite", "path": str(home.place / f"{name}.db")}

    moved, copy = at("moved")["path"], at("copy")["path"]

    async def check() -> None:
        async with home.running(backend=at("moved"), replicas={"copy": at("copy")}) as stores:
            await comes(stores, is_current)
            stores.registry.remember_emptied("notes", moved)
            await reload(stores, home.loaded())
            row = await comes(stores, lambda row: row["chunks"])
            assert row["left_behind"] == [f"sqlite collection notes, {copy}", moved], "that was in use"
            for place in (moved, copy):
                stores.registry.remember_emptied("notes", place)
                stores.registry.remember_emptied("other", place)
            assert (await told(stores))["left_behind"] == []
            await reload(stores, home.loaded(replicas={"again": at("copy")}))
            await comes(stores, is_current)
            await reload(stores, home.loaded())
            row = await comes(stores, lambda row: row["chunks"])
            assert row["left_behind"] == [f"sqlite collection notes, {copy}"]
            assert await delete_store(stores, "notes") == ("config", (copy,))

    run(check)


@pytest.mark.parametrize("keep_remote", [False, True])
def test_a_store_whose_replica_was_taken_out_leaves_it(home: Home, keep_remote: bool) -> None:
    async def check() -> None:
        async with home.running(replicas={"shared": home.remote}) as stores:
            await comes(stores, is_current)
            (place,) = stores.registry.remote("notes")
            if not keep_remote:
                await reload(stores, home.loaded())
            assert await delete_store(stores, "notes", keep_remote=keep_remote) == ("config", (place,))
            assert home.node.indices

    run(check)


def test_places_are_added_to_those_that_were_known_also_in_one_line(tmp_path: Path) -> None:
    registry = Registry(Loaded(Config(), None, tmp_path, tmp_path / "socket"))
    registry.folder("notes").mkdir(parents=True)
    (registry.folder("notes") / "remote").write_text("a, b")
    for places in (("a", "b"), ("c",), ("a",)):
        registry.remember_remote("notes", *places)
    assert registry.remote("notes") == ("a", "b", "c")
