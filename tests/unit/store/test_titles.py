"""The vectors of titles are those of the model of their space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.world import WordEmbedder, World
from vragd.catalog.titles import missing
from vragd.store.titles import embed_titles
from vragd.sync.pace import PACE


class Replaced(WordEmbedder):
    """Something happens `beside` each call."""

    beside: Callable[[], object] = staticmethod(lambda: None)

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        self.beside()
        return super().embed_documents(texts)


@pytest.fixture
def server() -> Replaced:
    return Replaced()


@pytest.fixture
def world(tmp_path: Path, server: Replaced) -> Iterator[World]:
    world = World(tmp_path, PACE, server)
    world.write("a.md", "about quokkas")
    world.apply("a.md")
    yield world
    world.store.close()


def waiting(world: World) -> list[str]:
    assert world.store.space is not None
    with world.store.reader.snapshot() as now:
        return [title for _, title in missing(now.db, world.store.space.id, 9)]


def test_a_title_embedded_by_a_model_that_came_in_the_middle_has_no_vector(world: World, server: Replaced) -> None:
    server.beside = lambda: setattr(server, "digest", "2")
    assert not embed_titles(world.store)
    assert waiting(world) == ["a"]
    server.beside = lambda: None
    server.digest = "1"
    assert embed_titles(world.store)
    assert waiting(world) == []
