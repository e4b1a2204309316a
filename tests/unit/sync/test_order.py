"""The order of writes: who may put and delete, in which steps, and what stands where when one of them fails."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vragd
from tests.backends import keys
from tests.world import World
from vragd.catalog.model import SpaceRow
from vragd.store import spaces
from vragd.sync import feed, order
from vragd.sync.vectors import meta_hash

SOURCE = Path(vragd.__file__).parent
WRITES = {"put_vectors", "delete_vectors", "put_metadata"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.store.close()


def named(tree: ast.AST) -> set[str]:
    """Every name and attribute that stands in a module, whether it is called or handed on."""
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def modules_that_name(names: set[str]) -> set[str]:
    return {
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        if "backends" not in file.relative_to(SOURCE).parts and named(ast.parse(file.read_text())) & names
    }


def test_vectors_are_put_and_deleted_by_the_order_of_writes_alone() -> None:
    assert modules_that_name(WRITES) == {"sync/order.py", "sync/feed.py", "stores/moves/transfer.py"}


def test_what_removes_a_note_stands_in_the_way_in() -> None:
    way_in = {f"sync/{name}.py" for name in ("change", "prepared", "round", "order")}
    inside = way_in | {"catalog/notes.py", "catalog/model.py"}
    assert modules_that_name({"NoteRemoval"}) <= inside


def test_the_steps_have_the_names_the_documents_give_them() -> None:
    assert [step.name for step in order.WRITE] == ["intent", "put", "commit", "delete", "clear"]
    assert [step.name for step in order.RECOVER] == ["delete", "put", "clear"]
    assert [step.name for step in order.FILL] == ["put", "remember"]
    assert [step.name for step in order.SWEEP] == ["delete", "remember"]
    assert [step.name for step in feed.FEED] == ["put", "delete", "remember"]
    assert [step.name for step in spaces.LEAVE] == ["leave", "clear", "forget"]


def space_of(world: World) -> SpaceRow:
    assert world.store.space is not None
    return world.store.space


def test_live_keys_are_put_as_the_catalog_has_them_and_others_are_not(world: World) -> None:
    world.write("folder/a.md", "# Heading\n\ntext")
    world.apply("folder/a.md")
    (key,) = world.store.catalog.live_keys(space_of(world).id)
    world.backend.delete_vectors(world.collection, [key])
    space = space_of(world)
    assert order.put_live(world.store.catalog, world.backend, space, [key, "of nobody"]) == 1
    (match,) = world.backend.query(world.collection, world.embedder.embed_query("x"), 5).items
    assert (match.key, match.metadata) == (key, {"source": world.source.uid, "folder": ("folder",)})


def test_refilling_leaves_exactly_the_keys_it_is_told(world: World) -> None:
    for name in "abc":
        world.write(f"{name}.md", f"text of {name}")
    world.apply("a.md", "b.md", "c.md")
    live = sorted(world.store.catalog.live_keys(space_of(world).id))
    world.backend.delete_vectors(world.collection, live[:1])
    assert order.refill(world.store.catalog, world.backend, space_of(world), live[:2]) == (1, 1)
    assert sorted(keys(world.backend, world.collection)) == live[:2]


def test_a_sweep_leaves_the_live_keys(world: World) -> None:
    world.write("a.md", "text")
    world.apply("a.md")
    space = space_of(world)
    live = world.store.catalog.live_keys(space.id)
    world.store.catalog.commit(space.target, [])
    assert order.sweep(world.store.catalog, world.backend, space) == 0
    assert set(keys(world.backend, world.collection)) == live


def test_a_source_that_is_configured_no_longer_leaves_by_recovery(world: World) -> None:
    world.write("a.md", "text")
    world.apply("a.md")
    space = space_of(world)
    order.purge(world.store.catalog, space, world.source.id, ["a.md"])
    assert world.store.catalog.live_keys(space.id) == set()
    assert len(keys(world.backend, world.collection)) == 1, "not yet"
    assert order.recover(world.store.catalog, world.backend, space) == 1
    assert keys(world.backend, world.collection) == []
    assert world.store.catalog.intents(space.target) == []


def test_what_a_backend_is_told_has_another_hash_when_any_of_it_differs() -> None:
    told = ("vault", "a/b.md", "title", ("one", "two"), (1, 2), b"text")
    others = [
        ("Vault", *told[1:]),
        (told[0], "a.md", *told[2:]),
        (*told[:2], "Title", *told[3:]),
        (*told[:3], ("one", "two", ""), *told[4:]),
        (*told[:3], ("one\0two",), *told[4:]),
        (*told[:4], (1, 3), told[5]),
        (*told[:5], b"texT"),
        (told[0], "a/b\udce9.md", *told[2:]),
    ]
    hashes = {meta_hash(*each) for each in [told, *others]}  # type: ignore[arg-type]
    assert len(hashes) == len(others) + 1
    assert {len(each) for each in hashes} == {8}
    assert meta_hash(*told) in hashes
