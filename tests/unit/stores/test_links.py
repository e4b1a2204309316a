"""Links over the routes: of stores that run, whose files come and go under a watch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.errors import NotFound
from vragd.search.links import Linked
from vragd.server.routes import dispatch
from vragd.server.schemas import LinksAnswer
from vragd.stores.links import having
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores

Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Two stores, `one` on the folders v and w, `two` on w, are watched while `check` asks for links."""
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

    def run(check: Callable[..., Awaitable[None]], **watch: Any) -> None:
        watching = WatchSettings(settle_ms=20, **watch)
        config = Config(stores=stores, limits=LimitSettings(min_free_mib=0), watch=watching)

        async def main() -> None:
            made = Stores(Loaded(config, None, tmp_path / "data", tmp_path / "s"), watch=True)
            await made.start()

            async def ask(**body: Any) -> tuple[int, Any]:
                reply = await dispatch(Questions(made), made, "POST", "/v1/links", json.dumps(body).encode())
                answer = json.loads(reply.body)
                if reply.status == 200:
                    LinksAnswer.model_validate(answer)
                return reply.status, answer

            try:
                tickets = await made.sync((), None)
                assert await made.settled(tickets, 30)
                await (check(ask, made) if watch else check(ask))
            finally:
                await made.stop()

        asyncio.run(main())

    return run


async def until(ask: Ask, note: str, expected: list[str | None], what: str) -> None:
    async def leads() -> bool:
        status, answer = await ask(note=note, stores=["one"])
        links = [*answer.get("out", ()), *answer.get("unresolved", ())]
        return status == 200 and [link["to"] and link["to"]["path"] for link in links] == expected

    for _ in range(400):
        if await leads():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}: {await ask(note=note)}")


def test_files_that_come_go_and_move_are_seen_by_their_events(tmp_path: Path, run: Callable[..., None]) -> None:
    vault = tmp_path / "v"
    (vault / "n.md").write_text("![[p.png]]")

    async def check(ask: Ask) -> None:
        await until(ask, "n", [None], "the note")
        (vault / "p.png").write_bytes(b"")
        await until(ask, "n", ["p.png"], "the file that came")
        (vault / "sub").mkdir()
        (vault / "p.png").rename(vault / "sub" / "P.png")
        await until(ask, "n", ["sub/P.png"], "the file that moved")
        (vault / "sub").rename(vault / "bus")
        await until(ask, "n", ["bus/P.png"], "its folder that moved")
        (vault / "bus" / "P.png").unlink()
        await until(ask, "n", [None], "the file that is gone")

    run(check)


def test_a_file_that_is_asked_for_is_looked_at_before_the_answer(tmp_path: Path, run: Callable[..., None]) -> None:
    picture = tmp_path / "v" / "p.png"
    (tmp_path / "v" / "n.md").write_text("![[p.png]]")

    async def check(ask: Ask, stores: Stores) -> None:
        for there in (True, False):
            if there:
                picture.write_bytes(b"")
            else:
                picture.unlink()
            assert await stores.settled(await stores.sync((), str(picture)), 30)
            _, said = await ask(note="n")
            assert (len(said["out"]), len(said["unresolved"])) == ((1, 0) if there else (0, 1))

    run(check, mode="poll", poll_s=3600)


def test_what_may_be_several_files_or_is_none_is_said_with_what_there_is(
    tmp_path: Path, run: Callable[..., None]
) -> None:
    for place in ("v/a/Same.md", "v/b/Same.md", "w/Other.md"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("[[Nowhere]] [[Other]]")

    async def check(ask: Ask) -> None:
        status, said = await ask(note="Same")
        assert (status, said["error"]["code"]) == (422, "usage")
        assert "v/a/Same.md, v/b/Same.md" in said["error"]["hint"]
        status, said = await ask(note="Othre")
        assert (status, said["error"]["code"]) == (404, "not_found")
        assert "did you mean w/Other.md?" in said["error"]["hint"]
        status, said = await ask(note="zzzzzzzz")
        assert (status, said["error"]["hint"]) == (404, "vragd files lists them")
        status, said = await ask(note="Other")  # both stores have that very file
        assert (status, said["note"]["store"], said["note"]["path"]) == (200, "one", "Other.md")
        status, said = await ask(note="Other", stores=["two"])
        assert (status, said["note"]["store"]) == (200, "two")
        assert (await ask(note="Same", sources=["w"]))[0] == 404
        assert (await ask(sources=["nope"]))[0] == 422

    run(check)


def test_the_address_that_is_printed_of_a_note_leads_back_to_it_whatever_folders_of_others_are_called(
    tmp_path: Path, run: Callable[..., None]
) -> None:
    for place in ("v/Same.md", "v/v/Same.md", "w/v/Same.md", "v/ led.md"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("text")

    async def check(ask: Ask) -> None:
        for source, path in (("v", "Same.md"), ("v", "v/Same.md"), ("w", "v/Same.md"), ("v", " led.md")):
            status, said = await ask(note=f"{source}/{path}", stores=["one"])
            assert (status, said["note"]["source"], said["note"]["path"]) == (200, source, path)
        status, said = await ask(note="v/Same.md")  # in another store it is but a path
        assert (status, said["note"]["source"], said["note"]["path"]) == (200, "v", "Same.md")
        status, said = await ask(note=" led.md")
        assert (status, said["note"]["path"]) == (200, " led.md")

    run(check)


def test_of_all_the_stores_answer_together_and_links_stay_within_a_source(
    tmp_path: Path, run: Callable[..., None]
) -> None:
    (tmp_path / "v" / "n.md").write_text("[[Other]]")
    (tmp_path / "w" / "Other.md").write_text("[[nowhere]]")

    async def check(ask: Ask) -> None:
        _, said = await ask(unresolved=True, orphans=True)
        assert [(link["of"]["store"], link["target"]) for link in said["unresolved"]] == [
            ("one", "Other"), ("one", "nowhere"), ("two", "nowhere")
        ]  # fmt: skip
        assert [(file["store"], file["path"]) for file in said["orphans"]] == [
            ("one", "n.md"), ("one", "Other.md"), ("two", "Other.md")
        ]  # fmt: skip
        assert said["counts"]["none"] == said["counts"]["links"] == 3
        assert said["names"] == [{"name": "nowhere", "count": 2}, {"name": "Other", "count": 1}]
        _, said = await ask(unresolved=True, sources=["v"])
        assert [link["target"] for link in said["unresolved"]] == ["Other"]
        _, said = await ask()
        assert (said["unresolved"], said["orphans"], said["names"]) == ([], [], [])
        assert (said["counts"]["orphans"], said["counts"]["names"]) == (3, 2)

    run(check)


def test_a_passage_that_is_gone_from_one_store_is_that_of_another_that_has_it() -> None:
    one, two, three = (Linked(name, None, {}) for name in ("one", "two", "three"))  # type: ignore[arg-type]

    def look(target: Linked, id_: str) -> str | None:
        if target is one:
            raise NotFound(f"{id_} is gone")
        return id_.upper() if target is three else None

    assert having([one, two, three], "abcd2345", look) == [(three, "ABCD2345")]
    assert having([two], "abcd2345", look) == []
    with pytest.raises(NotFound, match="is gone"):
        having([one, two], "abcd2345", look)
