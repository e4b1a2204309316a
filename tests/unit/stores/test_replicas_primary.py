"""A primary that is refused when the store is opened: a replica answers until it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.stores.replicated import Home, ask, comes, homes, is_current, run
from vragd.errors import VragdError
from vragd.stores.stores import Stores


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from homes(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "faiss", "made"])
def test_a_primary_that_is_refused_at_the_start_is_taken_over_when_it_is_back(home: Home, kind: str) -> None:
    place = home.place / "primary"
    spoiled = home.place / "data/stores/notes/index" if kind in ("faiss", "made") else place
    primary = {"type": "faiss"} if kind in ("faiss", "made") else {"type": kind, "path": str(place)}
    both = {"backend": primary, "replicas": {"here": {"type": "sqlite", "path": str(home.place / "beside.db")}}}

    def spoil(where: Path) -> Callable[[], object]:
        """Have the primary refused; what undoes that."""
        kept = where.rename(home.place / "kept")
        if kind == "sqlite":
            where.mkdir()
            return lambda: (where.rmdir(), kept.rename(where))
        where.write_text("of somebody else")
        return lambda: (where.unlink(), kept.rename(where))

    async def check() -> None:
        async with home.running(**both) as stores:
            await comes(stores, is_current)
            before = await ask(stores, "heron")
            where = spoiled if kind != "faiss" else next(one for one in spoiled.iterdir() if one.is_dir())
        for beside in home.place.glob("primary-*"):
            beside.unlink()
        undo = spoil(where)
        n_embedded = len(home.ollama.embedded_texts)
        stores = Stores(home.loaded(**both), watch=False)
        try:
            await stores.start()
            row = await comes(stores, lambda row: row["trouble"] and "replica_answers" in row["degraded"])
            assert row["trouble"]["message"]
            answer = await ask(stores, "heron")
            assert [hit.path for hit in answer["hits"]] == [hit.path for hit in before["hits"]]
            assert "replica_answers" in answer["degraded"]
            assert "semantic_unavailable" not in answer["degraded"]
            undo()
            stores.indexer("notes").look_again()
            await comes(stores, lambda row: not row["degraded"] and is_current(row))
            home.write("egret")
            assert await home.synced(stores)
            answer = await ask(stores, "egret")
            assert (answer["hits"][0].path, answer["degraded"]) == ("egret.md", [])
        finally:
            await stores.stop()
        assert len(home.ollama.embedded_texts) <= n_embedded + 6, "questions, and what is new"

    run(check)


def test_without_a_replica_a_primary_that_is_refused_fails_the_store(home: Home) -> None:
    file = home.place / "primary"
    primary = {"backend": {"type": "sqlite", "path": str(file)}}

    async def check() -> None:
        async with home.running(**primary) as stores:
            await comes(stores, lambda row: row["chunks"])
        file.unlink()
        file.mkdir()
        stores = Stores(home.loaded(**primary), watch=False)
        with pytest.raises(VragdError, match="primary"):
            await stores.start()
        await stores.stop()

    run(check)
