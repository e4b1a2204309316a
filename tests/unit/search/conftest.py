"""A store of notes without any, and how questions see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World
from vragd.search.ask import Place, Target


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def target(world: World) -> Target:
    store, source = world.store, world.source
    places = {source.label: Place(source.uid, source.path, in_obsidian=False)}
    return Target(store.name, store.reader, store.backend, store.space, world.embedder.embed_query, places)
