"""What a backend is told of a chunk beside its vector: verification finds what is cut or old there, and mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.s3vectors import FakeS3Vectors
from tests.unit.store.test_collections import BUCKET, Machine
from tests.world import World
from vragd.backends.base import Batch, Entry
from vragd.store.verify import compare_backend, mend_backend

NOTE = "# A heading that is told\n\nsome text\n"


@pytest.fixture
def one(s3: FakeS3Vectors, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(s3, tmp_path / "one")
    (tmp_path / "one/vault/folder").mkdir()
    machine.write("vault/folder/a.md", NOTE).write("vault/b.md", "another\n").work()
    yield machine
    machine.store.close()


def kinds(store: Any) -> list[str]:
    return [problem.kind for problem in compare_backend(store)]


def told(s3: FakeS3Vectors) -> dict[str, dict[str, Any]]:
    return {key: json.loads(json.dumps(data)) for key, data in s3.metadata(BUCKET, "notes").items()}


def payload(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    """A change of the payload, in the metadata it is kept in."""

    def changed(metadata: dict[str, Any]) -> None:
        kept = json.loads(metadata["payload"])
        change(kept)
        metadata["payload"] = json.dumps(kept)

    return changed


@pytest.mark.parametrize(
    "damage",
    [
        lambda metadata: metadata.pop("payload"),
        lambda metadata: metadata.pop("folder"),
        lambda metadata: metadata.update(source="of somebody else"),
        lambda metadata: metadata.update(version="0123456789abcdef"),
        lambda metadata: metadata.update(payload="no text of ours"),
        payload(lambda kept: kept.pop("path")),
        payload(lambda kept: kept.update(path="elsewhere/a.md")),
        payload(lambda kept: kept.update(title="")),
        payload(lambda kept: kept.update(heading=[])),
        payload(lambda kept: kept.update(heading=["Another heading"])),
        payload(lambda kept: kept.update(line_from=7)),
    ],
)
def test_metadata_that_is_cut_or_old_in_a_bucket_is_found_and_mended(
    s3: FakeS3Vectors, one: Machine, damage: Callable[[dict[str, Any]], None]
) -> None:
    assert kinds(one.store) == []
    before = told(s3)
    (vector,) = [held for held in s3.moto.get_index(BUCKET, "notes", "").vectors.values() if "folder" in held.metadata]
    damage(vector.metadata)
    problems = compare_backend(one.store)
    assert [(problem.kind, problem.detail) for problem in problems] == [("wrong_metadata", vector.key)]
    embedded = len(one.embedder.texts)
    mend_backend(one.store, problems)
    assert told(s3) == before
    assert kinds(one.store) == []
    assert len(one.embedder.texts) == embedded


def test_what_aws_finds_too_much_is_told_by_verification_until_it_is_taken(s3: FakeS3Vectors, one: Machine) -> None:
    one.write("vault/bad.md", "# Cursed heading\n\nsixth\n")
    s3.poison = "Cursed"
    one.work()
    problems = compare_backend(one.store)
    assert [problem.kind for problem in problems] == ["wrong_metadata"]
    s3.poison = None
    mend_backend(one.store, problems)
    assert kinds(one.store) == []
    assert any("Cursed" in str(metadata) for metadata in told(s3).values())


def test_what_is_shortened_for_a_bucket_is_no_difference(s3: FakeS3Vectors, one: Machine) -> None:
    deep = Path("vault", *(f"a folder with a name that is long {i}" for i in range(60)))
    (one.home / deep).mkdir(parents=True)
    one.write(str(deep / "c.md"), "---\ntitle: " + "é" * 900 + "\n---\n# " + "ü" * 400 + "\n\ntext\n").work()
    assert any(folder.startswith("#") for data in told(s3).values() for folder in data.get("folder", []))
    assert kinds(one.store) == []


def test_metadata_that_is_wrong_in_a_backend_of_our_own_is_found_and_mended(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.write("folder/a.md", NOTE)
        world.apply("folder/a.md")
        world.write("folder/a.md", "\n\n" + NOTE)
        world.apply("folder/a.md")
        assert kinds(world.store) == [], "it is not told of lines"
        ((key, _),) = world.backend.list_keys(world.collection)
        values = world.backend.get(world.collection, [key])[key].values
        wrong = Entry(key, values, {"source": world.source.uid, "folder": ("elsewhere",)})
        world.backend.put_vectors(world.collection, Batch.of([wrong]))
        problems = compare_backend(world.store)
        assert [(problem.kind, problem.detail) for problem in problems] == [("wrong_metadata", key)]
        mend_backend(world.store, problems)
        assert kinds(world.store) == []
    finally:
        world.store.close()
