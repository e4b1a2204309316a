"""Of a model that was left the embeddings are kept for a while: whoever comes back to it embeds what is new alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import keys
from tests.clock import FakeClock
from tests.world import World
from vragd.store.verify import compare_backend

NOTES = {"a.md": "A pangolin sleeps.", "b.md": "Another quokka.", "c.md": "The third wombat."}
A_DAY_S = 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock) -> Iterator[World]:
    world = World(tmp_path, clock=clock)
    for path, text in NOTES.items():
        world.write(path, text)
    world.apply(*NOTES)
    yield world
    world.store.close()


def change(world: World, digest: str) -> list[str]:
    """Have another model answer, and all be of it; the texts that were embedded for that."""
    world.embedder.digest, world.embedder.texts = digest, []
    world.store.prepare()
    world.apply(*NOTES)
    assert not world.store.rebuilding
    assert world.is_sound()
    assert compare_backend(world.store) == []
    return sorted(world.embedder.texts)


EVERY = sorted(NOTES.values())


def test_going_back_embeds_what_was_written_meanwhile_alone(world: World) -> None:
    assert change(world, "2") == EVERY
    assert len(world.store.catalog.spaces()) == 1
    assert world.backend.list_collections() == [world.collection], "the index of the other is gone"
    assert world.store.reader.counts().embeddings == len(NOTES)
    world.write("b.md", "A numbat came instead.")
    assert change(world, "1") == ["A numbat came instead."]
    assert len(keys(world.backend, world.collection)) == len(NOTES)
    assert change(world, "2") == ["A numbat came instead."]


def test_it_holds_after_a_restart_and_ends_when_the_time_is_over(world: World, clock: FakeClock) -> None:
    change(world, "2")
    world.restart()
    world.store.prepare()
    assert change(world, "1") == []
    clock.pass_(31 * A_DAY_S)
    world.store.prepare()
    assert world.store.catalog.left_spaces() == []
    assert change(world, "2") == EVERY


def test_who_keeps_no_embeddings_keeps_none_of_these(world: World) -> None:
    world.store.close()
    world.open(keep_embeddings_days=0)
    change(world, "2")
    assert world.store.catalog.left_spaces() == []
    assert change(world, "1") == EVERY


def test_what_is_to_be_embedded_again_takes_nothing_from_before(world: World) -> None:
    world.store.read_again(embed=True)
    world.embedder.texts = []
    world.apply(*NOTES)
    assert (sorted(world.embedder.texts), world.store.catalog.left_spaces()) == (EVERY, [])
    change(world, "2")
    assert change(world, "1") == [], "the edition of then is what is come back to"
    world.store.read_again(embed=True)
    world.embedder.texts = []
    world.apply(*NOTES)
    assert sorted(world.embedder.texts) == EVERY
