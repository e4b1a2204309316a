"""`vragd verify` of a store that runs and has replicas: also of one that hangs, or cannot be reached."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.stores.replicated import Home, comes, homes, is_current, live, run
from tests.workers import eventually
from vragd.cli.verify import print_verified
from vragd.stores.stores import Stores
from vragd.stores.verifying import verify


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from homes(tmp_path)


async def problems(stores: Stores, *, repair: bool = False, **how: Any) -> tuple[list[tuple[str, str]], int]:
    (result,) = (await verify(stores, (), repair=repair, **how))["stores"]
    return [(problem.kind, problem.replica) for problem in result["problems"]], result["n_mended"]


def test_what_somebody_did_to_a_replica_is_found_and_repaired_without_embedding(home: Home) -> None:
    async def check() -> None:
        async with home.running(replicas={"shared": home.remote, "here": {"type": "faiss"}}) as stores:
            await comes(stores, is_current)
            n_embedded = len(home.ollama.embedded_texts)
            assert await problems(stores) == ([], 0)
            (index,) = home.node.indices.values()
            first, second, third = sorted(index.docs)
            index.change(first, {**index.docs[first], "vec": index.docs[second]["vec"]})
            index.change(third, None)
            index.refresh()
            wrong = [("wrong_vector", "shared"), ("missing_vector", "shared")]
            found, _ = await problems(stores)
            assert sorted(found) == sorted(wrong)
            assert await problems(stores) == (found, 0), "nothing is mended unasked"
            assert await problems(stores, repair=True) == ([], 2)
            assert home.kept() == live(stores)
            assert len(home.ollama.embedded_texts) == n_embedded

    run(check)


@pytest.mark.slow
def test_a_replica_that_hangs_or_is_away_is_named_and_keeps_nothing_else_from_being_verified(home: Home) -> None:
    async def check() -> None:
        home.node.hangs = threading.Event()
        async with home.running(replicas={"shared": home.remote, "here": {"type": "faiss"}}) as stores:
            await eventually(lambda: home.node.calls["_search"], "the replica to be asked")
            assert await problems(stores, repair=True, hangs_s=0.2) == ([("not_checked", "shared")], 0)
            home.node.hangs.set()
            home.node.hangs = None
            await comes(stores, is_current)
            home.node.stop()
            assert await problems(stores, repair=True) == ([("not_checked", "shared")], 0)

    run(check)


def test_people_are_told_which_replica_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"kind": "wrong_vector", "source": "", "path": "", "detail": "abc", "replica": "shared"}
    result = {"store": "notes", "problems": [problem], "n_mended": 0}
    print_verified({"stores": [result], "ok": False}, repaired=False)
    assert capsys.readouterr().out == "notes: wrong_vector: replica shared: abc\nnotes: 1 problem\n"
