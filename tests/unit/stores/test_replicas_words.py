"""Replicas of a store of words alone: there is nothing to tell them, and what they had of vectors goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.stores.replicated import Home, comes, homes, is_current, live, run
from vragd.stores.questions import Questions
from vragd.stores.reload import reload
from vragd.stores.stores import Stores
from vragd.stores.verifying import verify


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from homes(tmp_path)


async def found(stores: Stores) -> dict[str, Any]:
    return await Questions(stores).query([], text="heron", top_k=5)


def test_they_are_told_nothing_lose_their_vectors_and_get_them_back(home: Home) -> None:
    both = {"replicas": {"shared": home.remote, "here": {"type": "faiss"}}, "answers": "here"}

    async def check() -> None:
        async with home.running(embedder={"type": "none"}, **both) as stores:
            row = await comes(stores, is_current)
            assert row["degraded"] == []
            answer = await found(stores)
            assert (answer["hits"][0].path, answer["degraded"]) == ("heron.md", [])
            assert (await verify(stores, (), repair=False))["ok"]
            assert home.node.indices == {}, "a replica of no vectors is not even made"

            await reload(stores, home.loaded(**both))
            await comes(stores, lambda row: not row["degraded"] and is_current(row) and home.kept() == live(stores))
            assert home.node.indices

            await reload(stores, home.loaded(embedder={"type": "none"}, **both))
            row = await comes(stores, lambda row: not row["degraded"] and is_current(row) and not home.node.indices)
            assert row["words_alone"]

    run(check)
