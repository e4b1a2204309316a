"""A note that is not found while something is still to be read, and where nobody has looked at the folders."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.daemon.local import Local
from vragd.errors import NotFound
from vragd.server.routes import dispatch
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores

ASKED = [
    ("get", "Ne"), ("get", "Old#^gone"), ("links", "Ne"), ("outline", "Ne"), ("outline", "Old#X"), ("similar", "Ne"),
]  # fmt: skip


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """A store on a folder with one note; what is saved there waits for ten seconds."""
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "Old.md").write_text("# Top\ntext")
    (tmp_path / "data").mkdir(mode=0o700)
    sources = (SourceSettings(path=tmp_path / "v"),)
    config = Config(
        stores={"one": StoreSettings(sources=sources, backend=MemoryBackend(type="memory"))},
        limits=LimitSettings(min_free_mib=0), watch=WatchSettings(mode="poll", poll_s=3600, settle_ms=10_000),
    )  # fmt: skip
    return Loaded(config, None, tmp_path / "data", tmp_path / "s")


def test_that_it_may_be_among_what_waits_is_said(tmp_path: Path, loaded: Loaded) -> None:
    async def main() -> None:
        stores = Stores(loaded, watch=True)
        await stores.start()

        async def error(route: str, note: str) -> dict[str, Any]:
            body = json.dumps({"note": note}).encode()
            reply = await dispatch(Questions(stores), stores, "POST", f"/v1/{route}", body)
            assert reply.status == 404
            return dict(json.loads(reply.body)["error"])

        try:
            assert await stores.settled(await stores.sync((), None), 30)
            for asked in ASKED:
                assert "still" not in (await error(*asked))["message"], "nothing waits"
            (indexer,) = stores.indexers.values()
            (source,) = indexer.store.sources.values()
            (tmp_path / "v" / "New.md").write_text("new")
            indexer.dirty.hint(source.id, "New.md")
            for asked in ASKED:
                told = await error(*asked)
                assert told["message"].endswith("; 1 path is still to be indexed"), asked
                assert told["hint"].startswith("vragd status says how far that is"), asked
        finally:
            await stores.stop()

    asyncio.run(main())


def test_where_nobody_watches_it_is_not_found_in_what_was_indexed_before(loaded: Loaded) -> None:
    alone = Local(loaded)
    try:
        for route in ("get", "links", "outline", "similar"):
            with pytest.raises(NotFound, match=r"'Ne' in what was indexed before: no vragd runs") as caught:
                alone.request("POST", f"/v1/{route}", {"note": "Ne"})
            assert caught.value.hint.startswith("vragd run looks at what is new; ")
            assert "still" not in caught.value.message
    finally:
        alone.close()
