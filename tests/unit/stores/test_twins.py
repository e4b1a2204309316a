"""What several machines put into one index is one answer a note, the newest; and each is told of the others."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.backends import put
from tests.fakes.s3vectors import FakeS3Vectors
from tests.unit.store.test_collections import Machine
from tests.unit.stores.replicated import Home, comes, homes, run, told
from vragd.backends.base import Batch, Match, VectorBackend
from vragd.backends.file.settings import FileBackend
from vragd.catalog.model import ChunkRow
from vragd.search.others import others, others_beside
from vragd.stores import fused, twins
from vragd.stores.elsewhere import Place
from vragd.stores.feeding import OTHERS_AGAIN_S, OTHERS_SOON_S
from vragd.sync.vectors import chunk_key, hash_of, to_entry
from vragd.system.clock import Clock

HERE, THERE = 12 * "a", 12 * "b"
TURN = 0.05  # between the directions of two texts


@pytest.fixture
def index(tmp_path: Path) -> Iterator[VectorBackend]:
    with Place(FileBackend(type="file", path=str(tmp_path / "shared"), remote_text=True)) as place:
        place.backend.create_collection("notes", 2, "cosine")
        yield place.backend


def put_note(
    index: VectorBackend, uid: str, path: str, texts: list[str], changed_at: int, label: str = "vault",
    turn: float = 0.0,
) -> None:  # fmt: skip
    entries = []
    for i, text in enumerate(texts):
        angle = turn + i * TURN
        chunk = ChunkRow(chunk_key(uid, path, hash_of(text), 0), hash_of(text), (), (i, i), text)
        values = np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)
        entries.append(to_entry(uid, label, path, path, chunk, values, changed_at))
    put(index, "notes", entries)


def texts(index: VectorBackend, top_k: int = 10) -> list[str]:
    found = fused.nearest(index, "notes", np.array([1, 0], dtype=np.float32), top_k)
    return [str(match.payload["content"]) for match in found]


def one_vault(index: VectorBackend) -> None:
    """A vault that both have: all notes alike, far from what is asked for."""
    for uid in (HERE, THERE):
        for name in ("x", "y", "z"):
            put_note(index, uid, f"{name}.md", [f"all alike {name}"], 50, turn=2.0)


def test_a_passage_that_two_machines_have_is_shown_once(index: VectorBackend) -> None:
    for uid in (HERE, THERE):
        put_note(index, uid, "tea.md", ["brew", "pour"], 100)
    assert texts(index) == ["brew", "pour"]
    assert texts(index, 1) == ["brew"]


def test_of_a_note_that_one_has_newer_the_newest_is_shown_and_nothing_else_is_lost(index: VectorBackend) -> None:
    one_vault(index)
    put_note(index, HERE, "tea.md", ["brew", "pour slowly"], 200)
    put_note(index, THERE, "tea.md", ["brew", "pour"], 100)
    put_note(index, THERE, "only-there.md", ["a cup"], 90, turn=0.02)
    assert texts(index, 3) == ["brew", "a cup", "pour slowly"]
    index.delete_vectors("notes", [chunk_key(THERE, "tea.md", hash_of("pour"), 0)])
    put_note(index, THERE, "tea.md", ["brew", "pour at once"], 300)
    assert texts(index, 3) == ["brew", "a cup", "pour at once"]
    assert "pour slowly" not in texts(index)


def test_two_vaults_that_only_have_their_name_in_common_keep_all_they_have(index: VectorBackend) -> None:
    put_note(index, HERE, "todo.md", ["buy milk", "the same line"], 200)
    put_note(index, THERE, "todo.md", ["paint the fence", "the same line"], 100)
    for i in range(4):
        put_note(index, THERE, f"{i}.md", [f"of the other only {i}"], 50, turn=2.0)
        put_note(index, HERE, f"{i}.md", [f"of the one only {i}"], 50, turn=2.0)
    found = texts(index)
    assert {"buy milk", "paint the fence"} <= set(found)
    assert found.count("the same line") == 1


def test_a_vault_of_another_name_is_another_vault(index: VectorBackend) -> None:
    one_vault(index)
    put_note(index, HERE, "tea.md", ["brew"], 200)
    put_note(index, THERE, "tea.md", ["brew"], 100, label="backup")
    assert texts(index, 2) == ["brew", "brew"]


def test_rows_of_before_that_do_not_say_when_are_kept_unless_they_are_alike(index: VectorBackend) -> None:
    one_vault(index)
    put_note(index, HERE, "tea.md", ["brew", "pour slowly"], 200)
    put_note(index, THERE, "tea.md", ["brew", "pour"], 0)
    found = texts(index, 4)
    assert sorted(found[:3]) == ["brew", "pour", "pour slowly"]


def test_what_vragd_did_not_make_is_left_as_it_is(index: VectorBackend) -> None:
    match = Match("somebody-else", 0.5)
    assert twins.each_once(twins.Vaults(index, "notes"), [match, match]) == [match, match]


def test_more_is_asked_for_until_there_is_enough(index: VectorBackend) -> None:
    n = 2 * twins.LEAST
    for uid in (HERE, THERE):
        put_note(index, uid, "long.md", [f"part {i:03}" for i in range(n)], 100)
    assert len(texts(index, n - 10)) == n - 10
    assert texts(index, 2 * n) == [f"part {i:03}" for i in range(n)]


def test_who_else_feeds_a_source_of_the_same_name_is_counted(index: VectorBackend) -> None:
    assert others(index, "notes", {HERE}, {"vault"}) == {}
    for i, label in enumerate(["vault", "vault", "vault", "work"]):
        put_note(index, f"{i:012}", "tea.md", ["brew"], 1, label=label)
    assert others(index, "notes", {f"{0:012}"}, {"vault", "home"}) == {"vault": 2}


# -- machines over one vault -------------------------------------------------------------------------


@pytest.fixture
def machines(s3: FakeS3Vectors, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    one, other = Machine(s3, tmp_path / "one"), Machine(s3, tmp_path / "other")
    yield one, other
    one.store.close()
    other.store.close()


def write(machine: Machine, name: str, text: str, at: int) -> None:
    """As a sync tool brings it: with the time of the change."""
    machine.write(f"vault/{name}.md", text)
    os.utime(machine.home / "vault" / f"{name}.md", (at, at))


def asked(machine: Machine, question: str, top_k: int = 8) -> list[tuple[str, int]]:
    """Path and when it was changed of what anybody finds who has neither vault nor catalog."""
    space = machine.store.space
    assert space is not None
    vector = machine.embedder.embed_query(question)
    found = fused.nearest(machine.store.backend, space.collection, vector, top_k)
    return [(str(match.payload["path"]), int(match.payload["changed_at"])) for match in found]  # type: ignore[arg-type]


def test_two_daemons_over_one_vault_are_one_answer_while_one_of_them_lags(machines: tuple[Machine, Machine]) -> None:
    one, other = machines
    for name in ("apple", "cherry", "plum"):
        for machine in machines:
            write(machine, name, f"# {name}\n\nall about the {name} tree\n", 1_000_000)
    one.work()
    other.work()
    write(one, "apple", "# apple\n\nall about the old apple tree, pruned in march\n", 2_000_000)
    write(one, "quince", "# quince\n\nthe quince tree is new\n", 2_000_000)
    one.work()
    for machine in machines:
        found = asked(machine, "apple cherry plum quince tree")
        assert sorted(found) == [
            ("apple.md", 2_000_000), ("cherry.md", 1_000_000), ("plum.md", 1_000_000), ("quince.md", 2_000_000)
        ]  # fmt: skip
        space = machine.store.space
        assert space is not None
        assert others_beside(machine.store.reader, machine.store.backend, space.collection) == {"vault": 1}
    write(other, "apple", "# apple\n\nall about the old apple tree, pruned in march\n", 2_000_000)
    other.work()
    assert len(asked(other, "apple cherry plum quince tree")) == 4


def test_a_saved_note_still_costs_one_put_however_many_passages_it_has(machines: tuple[Machine, Machine]) -> None:
    one, _ = machines
    parts = [f"## part {i}\n\n" + f"word{i} " * 150 for i in range(4)]
    write(one, "long", "\n\n".join(parts), 1_000_000)
    one.work()
    one.s3.forget_calls()
    write(one, "long", "\n\n".join([*parts[:-1], parts[-1] + " and more"]), 2_000_000)
    one.work()
    assert one.s3.calls["PutVectors"] == 1
    space = one.store.space
    assert space is not None
    keys = one.store.catalog.live_keys(space.id)
    held = one.store.backend.get(space.collection, keys, values=False, metadata=True)
    times = sorted(int(row.payload["changed_at"]) for row in held.values())  # type: ignore[arg-type]
    assert (len(times), times.count(2_000_000)) == (4, 1)


class Ahead(Clock):
    """The system's, and as far ahead as it is told."""

    ahead_s = 0.0

    def steady(self) -> float:
        return super().steady() + self.ahead_s


@pytest.mark.slow
def test_the_status_tells_who_else_feeds_a_source_of_that_name(tmp_path: Path) -> None:
    clock = Ahead()

    async def check(home: Home) -> None:
        async with home.running(clock, backend={**home.remote, "query_timeout_s": 30}) as stores:
            (indexer,) = stores.indexers.values()
            store, feeding, node = indexer.store, indexer.feeding, home.node
            assert store.space is not None

            def feeds(uid: str) -> None:
                assert store.space is not None
                chunk = ChunkRow(chunk_key(uid, "heron.md", b"", 0), b"", (), (1, 1), "a heron")
                values = np.ones(store.space.dimension, dtype=np.float32)
                entry = to_entry(uid, "vault", "heron.md", "heron", chunk, values, 5)
                store.backend.put_vectors(store.space.collection, Batch.of([entry]))

            async def looked(after_s: float) -> object:
                clock.ahead_s += after_s
                await feeding.look_for_others()
                return (await told(stores))["also_fed"]

            feeds(THERE)
            assert (await told(stores))["also_fed"] == {}
            stores.each("others")
            await comes(stores, lambda row: row["also_fed"] == {"vault": 1})
            feeds(12 * "c")
            assert await looked(OTHERS_SOON_S) == {"vault": 1}, "it was looked less than an hour ago"
            node.denies = lambda method, path: path.endswith("_search")
            n_asked = node.calls["_search"]
            assert await looked(OTHERS_AGAIN_S) == {"vault": 1}, "what it said last"
            assert node.calls["_search"] > n_asked
            node.denies = lambda method, path: False
            assert await looked(OTHERS_SOON_S / 2) == {"vault": 1}
            assert await looked(OTHERS_SOON_S / 2) == {"vault": 2}
            node.hangs = threading.Event()
            n_asked = node.calls["_search"]
            look = asyncio.ensure_future(looked(OTHERS_AGAIN_S))
            await comes(stores, lambda _: node.calls["_search"] > n_asked)
            await indexer.writer.run(int)
            assert not look.done(), "what is saved does not wait for it"
            node.hangs.set()
            assert await look == {"vault": 2}

    for home in homes(tmp_path):
        run(lambda home=home: check(home))  # type: ignore[misc]
