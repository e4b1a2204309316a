"""A backend is compared in steps, between which notes are written: what is found is true all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import keys
from tests.world import World, sql
from vragd.store.verify import Problem, backend_steps, compare_backend

N = 12


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    for i in range(N):
        world.write(f"{i}.md", f"note {i}")
    world.apply(*(f"{i}.md" for i in range(N)))
    yield world
    world.store.close()


def test_notes_that_change_come_and_go_between_two_steps_are_no_problems(world: World) -> None:
    n_steps = 0
    for found in backend_steps(world.store, 2):
        assert found == []
        n_steps += 1
        world.write(f"new{n_steps}.md", "one more")
        world.write("11.md", f"another text {n_steps}")
        (world.vault / f"{n_steps}.md").unlink(missing_ok=True)
        world.apply(f"new{n_steps}.md", "11.md", f"{n_steps}.md")
    assert n_steps >= N / 2 + 3
    assert compare_backend(world.store) == []


def test_what_differs_is_found_in_whichever_step_it_is(world: World) -> None:
    some = sorted(keys(world.backend, world.collection))
    world.backend.delete_vectors(world.collection, [some[0]])
    sql(world.folder, "delete from embedding where text_hash = (select text_hash from chunk where key = ?)", some[-1])
    found = [problem for step in backend_steps(world.store, 2) for problem in step]
    assert [(problem.kind, problem.detail) for problem in found if problem.kind != "catalog"] == [
        ("missing_vector", some[0]), ("missing_embedding", some[-1]),
    ]  # fmt: skip
    assert found == compare_backend(world.store)


def test_a_model_that_is_changed_between_two_steps_ends_the_comparison(world: World) -> None:
    steps = backend_steps(world.store, 2)
    assert [next(steps) for _ in range(4)] == [[]] * 4
    world.embedder.digest = "2"
    world.store.prepare()
    (last,) = steps
    detail = "the backend: another catalog or model has been taken meanwhile"
    assert last == [Problem("not_checked", detail=detail)]
