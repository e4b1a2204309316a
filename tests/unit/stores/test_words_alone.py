"""A store of words alone over the routes, as it runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings, no_embedder
from vragd.server.routes import dispatch
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores
from vragd.terms.settings import default_embedder


def test_it_is_well_says_what_it_is_and_gets_a_model_when_one_is_configured(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "v/bread.md").write_text("Knead the dough.\n")
    (tmp_path / "v/cake.md").write_text("Knead the dough, and sugar it.\n")
    asyncio.run(_check(tmp_path))


async def _check(home: Path) -> None:
    given = StoreSettings(
        sources=(SourceSettings(path=home / "v"),), backend=MemoryBackend(type="memory"), embedder=no_embedder()
    )
    config = Config(
        stores={"one": given}, limits=LimitSettings(min_free_mib=0), watch=WatchSettings(mode="poll", poll_s=3600)
    )
    stores = Stores(Loaded(config, None, home / "data", home / "s"), watch=True)
    await stores.start()

    async def ask(method: str, what: str, **body: Any) -> tuple[int, Any]:
        reply = await dispatch(Questions(stores), stores, method, f"/v1/{what}", json.dumps(body).encode())
        return reply.status, json.loads(reply.body)

    try:
        assert await stores.settled(await stores.sync((), None), 30)
        _, status = await ask("GET", "status")
        (row,) = status["stores"]
        assert (row["words_alone"], row["notes"], row["embeddings"], row["degraded"]) == (True, 2, 0, [])
        code, info = await ask("GET", "stores/one")
        assert (code, "index" in info) == (200, False)
        _, answer = await ask("POST", "query", text="sugar")
        assert ([hit["path"] for hit in answer["hits"]], answer["degraded"]) == (["cake.md"], [])
        code, answer = await ask("POST", "query", text="sugar", mode="vector")
        assert (code, "keeps words alone" in answer["error"]["message"]) == (422, True)
        _, answer = await ask("POST", "similar", note="bread.md")
        assert [hit["note"]["path"] for hit in answer["hits"]] == ["cake.md"]
        assert answer["degraded"] == ["words_alone"]
        _, answer = await ask("GET", "map")
        (picture,) = answer["pictures"]  # nothing to place, so nothing to lay out
        assert (picture["state"], picture["without"], picture["reason"]) == ("empty", 2, "")
        assert picture["words_alone"]
        _, answer = await ask("POST", "verify")
        assert answer["ok"], answer
    finally:
        await stores.stop()
    given = given.model_copy(update={"embedder": default_embedder()})
    later = config.model_copy(update={"stores": {"one": given}})
    stores = Stores(Loaded(later, None, home / "data", home / "s"), watch=True)
    await stores.start()
    try:
        assert await stores.settled(await stores.sync((), None), 30)
        _, answer = await ask("POST", "query", text="sugar", mode="vector")
        assert answer["hits"]
        _, status = await ask("GET", "status")
        (row,) = status["stores"]
        assert (row["words_alone"], row["embeddings"], row["degraded"]) == (False, 2, [])
    finally:
        await stores.stop()
