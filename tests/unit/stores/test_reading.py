"""Notes read back over the routes, of stores that run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings
from vragd.server.note_schemas import GetAnswer, SimilarAnswer
from vragd.server.routes import dispatch
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores

ANSWERS = {"get": GetAnswer, "similar": SimilarAnswer}
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Two stores, `one` on the folders v and w, `two` on w, while `check` asks."""
    for name in ("v", "w"):
        (tmp_path / name).mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    folders = {"one": ("v", "w"), "two": ("w",)}
    stores = {
        store: StoreSettings(
            sources=tuple(SourceSettings(path=tmp_path / name) for name in names), backend=MemoryBackend(type="memory")
        )
        for store, names in folders.items()
    }

    def run(check: Callable[[Ask], Awaitable[None]]) -> None:
        async def main() -> None:
            config = Config(stores=stores, limits=LimitSettings(min_free_mib=0))
            made = Stores(Loaded(config, None, tmp_path / "data", tmp_path / "s"), watch=True)
            await made.start()

            async def ask(route: str = "get", **body: Any) -> tuple[int, Any]:
                reply = await dispatch(Questions(made), made, "POST", f"/v1/{route}", json.dumps(body).encode())
                answer = json.loads(reply.body)
                if reply.status == 200 and route in ANSWERS:
                    ANSWERS[route].model_validate(answer)
                return reply.status, answer

            try:
                assert await made.settled(await made.sync((), None), 30)
                await check(ask)
            finally:
                await made.stop()

        asyncio.run(main())

    return run


def test_a_hit_is_read_back_by_its_id_in_every_store_that_has_it(tmp_path: Path, run: Callable[..., None]) -> None:
    (tmp_path / "v" / "Coffee.md").write_text("# Brewing\nFour minutes in a press.")
    (tmp_path / "w" / "Tea.md").write_text("Green tea is steeped.")

    async def check(ask: Ask) -> None:
        _, found = await ask("query", text="press", stores=["one"])
        (hit, *_) = found["hits"]
        status, said = await ask(note=hit["id"])
        assert (status, said["note"]["path"], said["lines"], said["id"]) == (200, "Coffee.md", hit["lines"], hit["id"])
        assert said["text"] == "# Brewing\nFour minutes in a press."
        assert (await ask(note=hit["id"], stores=["two"]))[0] == 404
        assert (await ask(note=hit["id"], sources=["w"]))[0] == 404
        for narrow in ({}, {"stores": ["two"]}, {"sources": ["w"]}):
            _, said = await ask(note="Tea", **narrow)
            (part,) = said["parts"]
            assert (await ask(note=part["id"], **narrow))[1]["note"]["path"] == "Tea.md"

    run(check)


def test_what_may_be_an_id_and_is_a_name_is_the_note(tmp_path: Path, run: Callable[..., None]) -> None:
    (tmp_path / "v" / "20240409.md").write_text("a day")

    async def check(ask: Ask) -> None:
        assert (await ask(note="20240409"))[1]["text"] == "a day"
        status, said = await ask(note="20240408")
        assert (status, said["error"]["code"]) == (404, "not_found")
        assert (await ask(note="20240409:2"))[0] == 422
        assert (await ask(note=" "))[0] == 422

    run(check)


def test_related_notes_are_those_of_the_store_that_has_the_note_and_of_a_text_all(
    tmp_path: Path, run: Callable[..., None]
) -> None:
    (tmp_path / "v" / "Bread.md").write_text("Sourdough bread is baked in a hot oven.")
    (tmp_path / "v" / "Oven.md").write_text("A hot oven bakes sourdough bread. [[Bread]]")
    (tmp_path / "w" / "Tea.md").write_text("Green tea is steeped for two minutes.")

    async def check(ask: Ask) -> None:
        status, said = await ask("similar", note="Bread")
        assert (status, said["note"]["path"], said["hits"][0]["note"]["path"]) == (200, "Bread.md", "Oven.md")
        assert said["hits"][0]["linked"] == ["back"]
        _, said = await ask("similar", note="Bread", unlinked=True, sources=["v"])
        assert said["hits"] == []
        _, said = await ask("similar", text="How long is tea steeped? Two minutes for the green one.")
        assert [hit["note"]["path"] for hit in said["hits"]].count("Tea.md") == 1
        assert said["hits"][0]["note"]["path"] == "Tea.md"
        wrong: tuple[dict[str, Any], ...] = (
            {}, {"note": "Bread", "text": "x"}, {"text": "x", "unlinked": True}, {"note": "Bread#Top"},
            {"note": "Bread", "where": 'file:"'}, {"note": "Bread", "sources": ["nope"]}, {"note": "Bread", "top_k": 0},
        )  # fmt: skip
        for body in wrong:
            assert (await ask("similar", **body))[0] == 422, body
        assert (await ask("similar", note="Nothing of that name"))[0] == 404

    run(check)
