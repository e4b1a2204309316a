"""What is polled, why, and how it is watched again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.workers import eventually
from vragd.config.settings import WatchSettings
from vragd.stores import watching
from vragd.stores.watching import AGAIN_FIRST_S, Watching
from vragd.system.lanes import Lane
from vragd.vault.source import Source
from vragd.vault.watch import Watcher


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


Do = Callable[[Watching, Clock, Source], Awaitable[None]]


def with_watching(
    folder: Path, do: Do, *, on_hint: Callable[[str, bool], None] = lambda *_: None, **settings: object
) -> None:
    async def run() -> None:
        source = Source(folder, 1, "uid", label=folder.name, include=["*.md"], max_file_bytes=1 << 20)
        lane, clock = Lane("scan"), Clock()
        root = source.find(expect_obsidian=False)
        assert root is not None
        source.take(root)
        quiet = lambda *_: None  # noqa: E731
        made = Watching("notes", source, lane, WatchSettings.model_validate(settings), on_hint, quiet, clock)
        try:
            await do(made, clock, source)
        finally:
            made.disarm()
            lane.close()

    asyncio.run(run())


class Short(Watcher):
    """A watcher that finds no instance of inotify until there is one, and a folder it may not watch until it may."""

    instances = True
    locked = True

    def start(self) -> None:
        if not Short.instances:
            raise OSError(24, os.strerror(24))
        super().start()

    @property
    def unwatched(self) -> dict[str, str]:
        return {"locked": "eacces"} if Short.locked else {}

    def retry(self) -> list[str]:
        return [] if Short.locked else ["locked"]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> type[Short]:
    Short.instances, Short.locked = True, False
    monkeypatch.setattr(watching, "Watcher", Short)
    return Short


def test_a_source_without_an_instance_is_polled_and_watched_when_there_is_one(
    tmp_path: Path, short: type[Short]
) -> None:
    async def check(made: Watching, clock: Clock, _: Source) -> None:
        short.instances = False
        await made.arm()
        assert (made.mode, made.unwatched) == ("polling", {"": "emfile"})
        assert not made.is_blind
        assert made.due() == []
        clock.now += 30
        assert made.due() == [""]
        assert made.due() == []
        assert await made.heal() == []
        short.instances = True
        assert await made.heal() == [], "it is tried again after a while"
        clock.now += 2 * AGAIN_FIRST_S
        assert await made.heal() == [""]
        assert (made.mode, made.unwatched) == ("events", {})

    with_watching(tmp_path, check, poll_s=30)


def test_a_folder_that_cannot_be_watched_is_polled_alone_and_tried_again(tmp_path: Path, short: type[Short]) -> None:
    async def check(made: Watching, clock: Clock, _: Source) -> None:
        short.locked = True
        await made.arm()
        assert (made.mode, made.unwatched) == ("events", {"locked": "eacces"})
        clock.now += 30
        assert made.due() == ["locked"]
        assert await made.heal() == []
        short.locked = False
        assert made.unwatched == {}
        assert made.due() == []

    with_watching(tmp_path, check, poll_s=30)


def test_polling_that_was_asked_for_stays(tmp_path: Path) -> None:
    async def check(made: Watching, clock: Clock, _: Source) -> None:
        await made.arm()
        clock.now += 1e6
        assert await made.heal() == []
        assert (made.mode, made.unwatched) == ("polling", {"": "asked_for"})
        assert made.due() == [""]

    with_watching(tmp_path, check, mode="poll")


def test_nothing_is_due_while_everything_is_watched(tmp_path: Path) -> None:
    async def check(made: Watching, clock: Clock, _: Source) -> None:
        assert made.is_blind
        await made.arm()
        clock.now += 1e6
        assert made.due() == []
        assert await made.heal() == []
        assert not made.is_blind

    with_watching(tmp_path, check)


def test_what_is_excluded_no_longer_is_watched_from_then_on(tmp_path: Path) -> None:
    rules, private = tmp_path / ".obsidian/app.json", tmp_path / "Private/deep"
    for folder in (rules.parent, private):
        folder.mkdir(parents=True)
    rules.write_text('{"userIgnoreFilters": ["Private/"]}')
    told: set[str] = set()

    async def check(made: Watching, _: Clock, source: Source) -> None:
        source.refresh_rules()
        await made.arm()
        rules.write_text("{}")
        assert source.refresh_rules(proven=True)
        await made.rearm()
        (private / "a.md").write_text("text")
        await eventually(lambda: "Private/deep/a.md" in told, "the note to be told")

    with_watching(tmp_path, check, on_hint=lambda path, _: told.add(path))
