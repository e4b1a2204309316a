"""Tags, properties, tasks, what changed last and headings over the routes: of stores that run."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.server.routes import ROUTES, dispatch
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores

Ask = Callable[..., Awaitable[tuple[int, Any]]]
Check = Callable[[Ask], Awaitable[None]]
ANSWERS = {route.path: route.answer for route in ROUTES}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Check], None]:
    """Two stores, `one` on the folders v and w, `two` on w, while `check` asks."""
    for name in ("v", "w"):
        (tmp_path / name).mkdir()
    (tmp_path / "data").mkdir(mode=0o700)
    stores = {
        store: StoreSettings(
            sources=tuple(SourceSettings(path=tmp_path / name) for name in names), backend=MemoryBackend(type="memory")
        )
        for store, names in {"one": ("v", "w"), "two": ("w",)}.items()
    }
    watching = WatchSettings(mode="poll", poll_s=3600)
    config = Config(stores=stores, limits=LimitSettings(min_free_mib=0), watch=watching)

    async def main(check: Check) -> None:
        made = Stores(Loaded(config, None, tmp_path / "data", tmp_path / "s"), watch=True)
        await made.start()

        async def ask(what: str, **body: Any) -> tuple[int, Any]:
            reply = await dispatch(Questions(made), made, "POST", f"/v1/{what}", json.dumps(body).encode())
            answer = json.loads(reply.body)
            if reply.status == 200:
                model = ANSWERS[f"/v1/{what}"]
                assert model is not None
                model.model_validate(answer)
            return reply.status, answer

        try:
            assert await made.settled(await made.sync((), None), 30)
            await check(ask)
        finally:
            await made.stop()

    return lambda check: asyncio.run(main(check))


def test_the_stores_answer_together_and_what_two_of_them_have_counts_once(
    tmp_path: Path, run: Callable[[Check], None]
) -> None:
    (tmp_path / "v" / "n.md").write_text("---\nstatus: open\n---\n#work/deep\n- [ ] call\n- [x] write\n")
    (tmp_path / "w" / "other.md").write_text("---\nstatus: done\nprio: 1\n---\n# Top\n#Work\n* [ ] buy\n")
    os.utime(tmp_path / "v" / "n.md", (1_700_000_000, 1_700_000_000))

    async def check(ask: Ask) -> None:
        _, said = await ask("tags")
        counts = [(one["name"].lower(), one["count"], one["own"]) for one in said["tags"]]
        assert counts == [("work", 2, 1), ("work/deep", 1, 1)]
        assert (said["n_notes"], said["n_tagged"], said["unknown"], said["degraded"]) == (2, 2, [], [])
        _, said = await ask("tags", stores=["two"])
        assert said["tags"] == [{"name": "Work", "count": 1, "own": 1}]
        _, said = await ask("properties", sort="name")
        assert [(one["name"], one["count"]) for one in said["properties"]] == [("prio", 1), ("status", 2)]
        _, said = await ask("properties", name="STATUS", sources=["w"])
        assert said["values"] == [{"value": "done", "type": "text", "count": 1}]
        _, said = await ask("properties", name="staus", where="tag:work")
        assert said["unknown"] == [{"kind": "property", "name": "staus", "nearest": "status"}]
        assert (said["properties"], said["values"]) == ([], [])
        _, said = await ask("tasks")
        assert [(one["of"]["store"], one["of"]["path"], one["line"], one["heading"]) for one in said["tasks"]] == [
            ("one", "n.md", 5, []), ("one", "other.md", 7, ["Top"])
        ]  # fmt: skip
        assert said["counts"] == {"todo": 2, "done": 1, "notes": 2}
        _, said = await ask("tasks", state="done", where="store:one")
        assert [one["text"] for one in said["tasks"]] == ["write"]
        _, said = await ask("recent")
        assert [one["note"]["path"] for one in said["notes"]] == ["other.md", "n.md"]
        assert said["notes"][1]["modified"] == 1_700_000_000
        _, said = await ask("recent", top_k=1)
        assert ([one["note"]["path"] for one in said["notes"]], said["n_notes"]) == (["other.md"], 2)

    run(check)


def test_a_note_has_an_outline_by_whatever_it_is_called(tmp_path: Path, run: Callable[[Check], None]) -> None:
    (tmp_path / "v" / "Plan.md").write_text("---\naliases: [Idea]\n---\n# Top\n## Deep\n")
    (tmp_path / "v" / "p.png").write_bytes(b"")
    (tmp_path / "w" / "Plans.md").write_text("# Other")

    async def check(ask: Ask) -> None:
        every = [{"line": 4, "level": 1, "text": "Top"}, {"line": 5, "level": 2, "text": "Deep"}]
        for name in ("Plan", "v/Plan.md", "[[plan]]", "Idea", str(tmp_path / "v" / "Plan.md"), "v/Plan.md:4-5"):
            _, said = await ask("outline", note=name)
            assert (said["note"]["path"], said["headings"]) == ("Plan.md", every), name
        _, said = await ask("outline", note="Plan#Deep", sources=["v"])
        assert (said["place"], said["headings"]) == ("Deep", every[1:])
        _, said = await ask("outline", note="Plans", stores=["two"])
        assert said["note"]["store"] == "two"
        assert (await ask("outline", note="Plan", sources=["w"]))[0] == 404
        status, said = await ask("outline", note="p.png")
        assert (status, "is no note" in said["error"]["message"]) == (404, True)
        status, said = await ask("outline", note="Plam")
        assert (status, "did you mean v/Plan.md" in said["error"]["hint"]) == (404, True)

    run(check)


def test_what_there_is_not_is_refused(tmp_path: Path, run: Callable[[Check], None]) -> None:
    async def check(ask: Ask) -> None:
        for what in ("tags", "properties", "tasks", "recent"):
            assert (await ask(what, sources=["nope"]))[0] == 422
            assert (await ask(what, stores=["nope"]))[0] == 404
            assert (await ask(what, where="source:nope"))[0] == 422
            assert (await ask(what, where="store:nope"))[0] == 404
            status, said = await ask(what, where='file:"a')
            assert (status, said["error"]["code"], said["error"]["at"]["span"][0]) == (422, "mistyped", 5)
            assert (await ask(what))[1]["n_notes"] == 0
        for top_k in (0, 10_001, "3", True):
            assert (await ask("recent", top_k=top_k))[0] == 422
        assert (await ask("outline"))[0] == (await ask("outline", note="", sources=[]))[0] == 422
        assert (await ask("outline", note="x", sources=["nope"]))[0] == 422
        assert (await ask("tasks", state="open"))[0] == (await ask("tags", sort="size"))[0] == 422

    run(check)
