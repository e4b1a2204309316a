"""A store again, from the vault: nothing is embedded that need not be, and what was there answers until it is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.world import Recording, World, sql
from vragd.catalog import editions
from vragd.errors import EmbedderUnavailable

NOTES = {"a.md": "one text", "b.md": "another text", "c.md": "a third"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    for name, text in NOTES.items():
        made.write(name, text)
    made.apply(*NOTES)
    assert again(made) == []
    return made


def again(world: World) -> list[str]:
    """The notes that are to be read again, all of which a scan finds."""
    assert world.store.space is not None
    asked = sql(
        world.folder, "select path from note where reader = '' or space_id != ? order by path", world.store.space.id
    )
    found = [path.decode() for (path,) in asked]
    assert set(found) <= set(world.scan())
    return found


def test_every_note_is_read_again_and_nothing_is_embedded_or_put(world: World) -> None:
    n, log = len(world.embedder.texts), list(world.backend.log)
    before = world.texts()
    assert world.store.read_again() == 3
    assert world.texts() == before
    assert again(world) == sorted(NOTES)
    world.apply(*NOTES)
    assert (again(world), world.texts()) == ([], before)
    assert (world.embedder.texts[n:], world.backend.log) == ([], log)
    assert world.is_sound()


def test_what_the_catalog_has_wrong_is_right_afterwards(world: World) -> None:
    sql(world.folder, "update note set title = 'of another' where path = cast('a.md' as blob)")
    world.apply("a.md")
    assert titles(world)[0] == "of another", "whose file is as it was is not looked into"
    world.store.read_again()
    world.apply(*NOTES)
    assert titles(world) == ["a", "b", "c"]


def titles(world: World) -> list[str]:
    return [title for (title,) in sql(world.folder, "select title from note order by path")]


def test_what_was_to_be_read_again_still_is_after_a_restart(world: World) -> None:
    world.store.read_again()
    world.apply("a.md")
    world.restart()
    assert again(world) == ["b.md", "c.md"]


def test_with_embed_each_text_is_embedded_once_more_and_the_old_answer_until_the_last(world: World) -> None:
    n, old = len(world.embedder.texts), world.store.space
    world.store.read_again(embed=True)
    assert (world.store.space == old, world.store.rebuilding) == (False, True)
    assert again(world) == sorted(NOTES)
    world.apply("a.md", "b.md")
    answering = world.store.answering
    assert answering is not None
    assert answering.space == old
    answering.embed_query("a question")
    world.apply("c.md")
    answering = world.store.answering
    assert answering is not None
    assert (answering.space, world.store.rebuilding) == (world.store.space, False)
    assert sorted(text for text in world.embedder.texts[n:] if text != "a question") == sorted(NOTES.values())
    assert world.texts() == sorted(NOTES.items())
    assert world.is_sound()
    world.store.prepare()
    assert not world.store.rebuilding, "who embeds is who embedded"
    assert again(world) == []


def test_it_goes_on_after_a_restart_and_can_be_done_again(world: World) -> None:
    world.store.read_again(embed=True)
    world.apply("a.md")
    n = len(world.embedder.texts)
    world.restart()
    assert again(world) == ["b.md", "c.md"]
    world.apply(*again(world))
    assert sorted(world.embedder.texts[n:]) == sorted([NOTES["b.md"], NOTES["c.md"]])
    world.store.read_again(embed=True)
    world.apply(*again(world))
    assert len(world.embedder.texts) == n + 5
    assert world.is_sound()


def test_a_chunker_that_comes_later_takes_over_what_the_edition_embedded(world: World) -> None:
    world.store.read_again(embed=True)
    world.apply(*NOTES)
    world.embedder.chunker = "one that will be"
    n = len(world.embedder.texts)
    world.store.prepare()
    world.apply(*NOTES)
    assert world.embedder.texts[n:] == []
    assert not world.store.rebuilding


def test_where_nobody_embeds_nothing_is_begun(world: World) -> None:
    world.embedder.down = True
    with pytest.raises(EmbedderUnavailable):
        world.store.read_again(embed=True)
    world.embedder.down = False
    assert (again(world), world.store.rebuilding) == ([], False)


class Shared(Recording):
    """Others may feed it, too: one collection for all editions."""

    traits = replace(Recording.traits, private=False, durable=True)


def test_in_a_collection_that_others_feed_the_old_answer_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store.close()
    world.backend = Shared()
    world.open()
    world.store.prepare()
    for name, text in NOTES.items():
        world.write(name, text)
    world.apply(*NOTES)
    old = world.store.space
    assert old is not None
    world.store.read_again(embed=True)
    world.apply("a.md")
    answering = world.store.answering
    assert answering is not None
    assert (answering.space.id, answering.space.collection) == (old.id, old.collection)
    assert world.texts() == sorted(NOTES.items()), "every vector is still there"
    world.apply("b.md", "c.md")
    assert world.store.answering is not None
    assert world.store.answering.space == world.store.space
    assert world.is_sound()


def test_editions_are_counted_behind_the_chunkers_name() -> None:
    assert editions.of_edition("markdown-2", 3) == "markdown-2 #3"
    assert (editions.plain("a b #3"), editions.edition("a b #3"), editions.edition("a b")) == ("a b", 3, 0)
    assert editions.of_edition("a #3", 0) == "a"
