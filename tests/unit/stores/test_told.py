"""What status tells of a store's model: where it sends text, and that it does badly with the notes there are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai import FakeOpenAI
from tests.unit.search.test_tongue import ENGLISH, FRENCH
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import (
    Config,
    LimitSettings,
    SourceSettings,
    StoreSettings,
    WatchSettings,
    default_embedder,
)
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.embed.settings import EmbedderSettings
from vragd.server.routes import dispatch
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores


async def told(home: Path, embedder: EmbedderSettings, *asked: str) -> list[Any]:
    """What these GET routes answer when all is indexed."""
    (home / "data").mkdir(mode=0o700)
    given = StoreSettings(
        sources=(SourceSettings(path=home / "v"),), backend=MemoryBackend(type="memory"), embedder=embedder
    )
    config = Config(
        stores={"one": given}, limits=LimitSettings(min_free_mib=0), watch=WatchSettings(mode="poll", poll_s=3600)
    )
    stores = Stores(Loaded(config, None, home / "data", home / "s"), watch=True)
    await stores.start()
    try:
        assert await stores.settled(await stores.sync((), None), 30)
        replies = [await dispatch(Questions(stores), stores, "GET", f"/v1/{what}", b"") for what in asked]
        return [json.loads(reply.body) for reply in replies]
    finally:
        await stores.stop()


@pytest.mark.parametrize(("n_french", "share"), [(12, 0.67), (6, None)])
def test_most_notes_in_another_language_are_told_to_people(tmp_path: Path, n_french: int, share: float | None) -> None:
    (tmp_path / "v").mkdir()
    for i in range(18):
        (tmp_path / f"v/{i}.md").write_text(f"{FRENCH if i < n_french else ENGLISH} {i}\n")
    status, assistants = asyncio.run(told(tmp_path, default_embedder(), "status", "status?audience=assistant"))
    assert [one["stores"][0]["foreign"] for one in (status, assistants)] == [share, None]
    assert status["stores"][0]["sends_to"] is None


def test_a_host_that_gets_text_is_named_and_a_model_of_many_languages_is_not_said_to_do_badly(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for i in range(12):
        (tmp_path / f"v/{i}.md").write_text(FRENCH)
    with FakeOpenAI() as server:
        # an address of no machine, which the system connects to itself
        url = server.base.replace("127.0.0.1", "0.0.0.0")
        settings = OpenAIEmbedder(type="openai", model="fake-embed", url=url, allow_remote=True)
        status, info = asyncio.run(told(tmp_path, settings, "status", "stores/one"))
    (row,) = status["stores"]
    assert (row["foreign"], row["sends_to"]) == (None, "0.0.0.0")
    n_bytes = len(FRENCH.encode())
    assert info["sending"] == {"host": "0.0.0.0", "texts": 1, "n_bytes": n_bytes, "tokens": n_bytes // 4}
