"""What nobody thought of is met with one note, and is a state of that note."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, sql
from vragd.catalog.model import NoteChange
from vragd.sync import change, readers
from vragd.vault.source import Source


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


class Bug(Exception):
    """Of a kind nobody expects."""


def times(world: World) -> list[tuple[int, int]]:
    """The size and the time of `a.md`, as the catalog has them."""
    found = sql(world.folder, "select size, mtime_ns from note where path = ?", b"a.md")
    return [(size, modified) for size, modified in found]


@pytest.mark.parametrize("where", ["read", "write"])
def test_a_bug_met_with_one_note_is_a_state_of_that_note_with_its_reason(
    world: World, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("a.md", "first text")
    world.write("b.md", "other text")
    world.apply("a.md", "b.md")
    (had,) = times(world)
    world.write("a.md", "second text")
    if where == "read":
        monkeypatch.setattr(readers, "read_note", lambda *_: (_ for _ in ()).throw(Bug()))
        monkeypatch.setattr(change, "_chunk_rows", lambda *_: (_ for _ in ()).throw(Bug()))
        monkeypatch.setattr(Source, "read", lambda *_: (_ for _ in ()).throw(Bug()))
    else:
        real = world.store.catalog.commit

        def commit(collection: str, changes: list[NoteChange]) -> Any:
            if any(one.path == "a.md" and one.state == "indexed" for one in changes):
                raise Bug
            return real(collection, changes)

        monkeypatch.setattr(world.store.catalog, "commit", commit)
    world.apply("a.md")
    (row,) = [row for row in world.store.reader.files() if row.path == "a.md"]
    assert (row.state, row.reason) == ("failed", "unexpected_Bug")
    assert row.retry_at is not None
    assert ("a.md", "first text") in world.texts(), "its last good version stays"
    assert times(world) == [had], "and is of the time it was of, not of 1970"
    assert world.is_sound(), "what it had put is forgotten"
