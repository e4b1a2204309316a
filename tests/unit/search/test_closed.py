"""What is closed is in a backend all the same: it takes no place of what an assistant is answered with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.world import World
from vragd.catalog.graph import File
from vragd.search.ask import Place, Target, ask
from vragd.search.asking import understood
from vragd.search.similar import Wanted, similar

N_CLOSED, N_OPEN = 120, 30


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    for n in range(N_CLOSED + N_OPEN):
        mark = "---\nmcp: false\n---\n" if n < N_CLOSED else ""
        world.write(f"n{n}.md", f"{mark}alpha {n}\n")
    world.apply(*(f"n{n}.md" for n in range(N_CLOSED + N_OPEN)))
    yield world
    world.store.close()


def target(world: World, *, assistant: bool) -> Target:
    store, source = world.store, world.source
    places = {source.label: Place(source.uid, source.path, in_obsidian=False)}
    reader, embed = store.reader_for(assistant=assistant), world.embedder.embed_query
    return Target(store.name, reader, store.backend, store.space, embed, places, assistant=assistant)


def without_closed(world: World) -> None:
    for n in range(N_CLOSED):
        (world.vault / f"n{n}.md").unlink()
    world.apply(*(f"n{n}.md" for n in range(N_CLOSED)))


def test_a_backend_that_gives_no_more_than_closed_notes_is_not_the_end(world: World) -> None:
    world.backend.traits = replace(world.backend.traits, max_matches=5)
    question = understood(text="alpha beta", mode="vector", top_k=20, weak=True)
    found = ask(target(world, assistant=True), question).hits
    world.backend.traits = replace(world.backend.traits, max_matches=None)
    without_closed(world)
    assert found == ask(target(world, assistant=False), question).hits
    assert len(found) == 20


def test_related_notes_are_looked_for_deeper_where_closed_ones_are_nearer(world: World) -> None:
    depths = list[int]()
    world.backend.after_query = lambda: depths.append(len(depths))
    wanted = Wanted(understood(top_k=30), File("vault", f"n{N_CLOSED}.md"))
    found = similar(target(world, assistant=True), wanted, exact_chunks=0).hits
    assert len(depths) > 1
    without_closed(world)
    assert found == similar(target(world, assistant=False), wanted, exact_chunks=0).hits
    assert found
