"""What is kept of notes for filters: what they say now, and nothing of what is gone or wants to be left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, sql

TABLES = ("note_source", "note_head", "note_tag", "note_property")
NOTE = "---\ntags: [one]\nstatus: open\n---\nA numbat.\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.write("kept.md", "A plain note.\n")
    world.write("a.md", NOTE)
    world.apply("kept.md", "a.md")
    yield world
    world.store.close()


def kept(world: World) -> dict[str, int]:
    return {table: sql(world.folder, f"select count(*) from {table}")[0][0] for table in TABLES}


def test_a_note_has_its_text_tags_and_properties(world: World) -> None:
    assert kept(world) == {"note_source": 2, "note_head": 1, "note_tag": 1, "note_property": 2}


@pytest.mark.parametrize("text", ["---\nvragd: false\ntags: [one]\n---\nA numbat.\n", "A\0binary file", None])
def test_nothing_is_kept_of_a_note_that_is_gone_or_left_out(world: World, text: str | None) -> None:
    if text is None:
        (world.vault / "a.md").unlink()
    else:
        world.write("a.md", text)
    world.apply("a.md")
    world.store.catalog.sweep_words(1.0, 0.0)  # and what was deleted leaves the log, too
    assert kept(world) == {"note_source": 1, "note_head": 0, "note_tag": 0, "note_property": 0}
    file = b"".join(path.read_bytes() for path in world.folder.glob("catalog.db*"))
    assert b"status: open" not in file


def test_what_a_note_no_longer_says_is_forgotten(world: World) -> None:
    world.write("a.md", "A numbat. #two\n")
    world.apply("a.md")
    assert kept(world) == {"note_source": 2, "note_head": 0, "note_tag": 1, "note_property": 0}
    assert sql(world.folder, "select tag, shown from note_tag") == [("two", "two")]
