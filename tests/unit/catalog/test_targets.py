"""What is kept of a collection, and what a target that is behind has to be told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from vragd.catalog.model import ChunkRow, NoteChange, NoteRemoval
from vragd.catalog.replicas import NEVER, ReplicaRow
from vragd.catalog.writer import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "catalog.db")
    catalog.register_source("vault", "uid")
    catalog.remember_opened("sss", "s3vectors", "arn")
    catalog.register_space("sss", "f" * 32, "{}", 4)
    yield catalog
    catalog.close()


def note(catalog: Catalog, *chunks: ChunkRow, space_id: int = 1) -> NoteChange:
    return NoteChange(
        1, "a.md", catalog.next_seq(), (1, 2, 3, 4), False, b"d", "title", space_id, "indexed", chunks=chunks
    )


def chunk(key: str, told: bytes = b"told", *, embedded: bool = True) -> ChunkRow:
    return ChunkRow(key, key.encode(), ("heading",), (1, 2), key, embedded, told)


def changed(catalog: Catalog) -> dict[str, int]:
    """The generation of each chunk, read past the catalog."""
    db = apsw.Connection(str(catalog.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return dict(db.execute("select key, changed from chunk"))
    finally:
        db.close()


def write(catalog: Catalog, sql: str) -> list[tuple[object, ...]]:
    db = apsw.Connection(str(catalog.path))
    try:
        return list(db.execute(sql))
    finally:
        db.close()


def test_a_chunk_is_of_the_generation_that_changed_what_a_backend_is_told(catalog: Catalog) -> None:
    first = catalog.commit(1, [note(catalog, chunk("one"), chunk("two"))]).generation
    assert changed(catalog) == {"one": first, "two": first}
    second = catalog.commit(1, [note(catalog, chunk("one"), chunk("two", b"told otherwise"))]).generation
    assert second == first + 1
    assert changed(catalog) == {"one": first, "two": second}
    third = catalog.commit(
        1, [note(catalog, chunk("one", embedded=False), chunk("two", b"told otherwise"), chunk("new"))]
    ).generation
    assert changed(catalog) == {"one": third, "two": second, "new": third}
    catalog.remember_opened("other", "s3vectors", "arn 2")
    other = catalog.register_space("other", "e" * 32, "{}", 4)
    fourth = catalog.commit(
        other.target, [note(catalog, chunk("two", b"told otherwise"), space_id=other.id)]
    ).generation
    assert changed(catalog) == {"two": fourth}, "a vector of another space is another vector"


def test_what_a_backend_was_told_comes_back_with_the_chunk(catalog: Catalog) -> None:
    catalog.commit(1, [note(catalog, chunk("one", b"12345678"))])
    (row,) = catalog.rows_for(["one", "of nobody"])
    assert (row.uid, row.label, row.path, row.title) == ("uid", "vault", "a.md", "title")
    assert row.chunk == chunk("one", b"12345678")


def test_a_key_that_died_is_kept_for_as_long_as_there_is_a_replica(catalog: Catalog) -> None:
    catalog.commit(1, [note(catalog, chunk("one"))])
    catalog.commit(1, [note(catalog, chunk("two"))])
    assert write(catalog, "select * from tombstone") == []
    row = catalog.follow("copy", "faiss", "", "sss", 1, "id")
    assert row == ReplicaRow(row.id, "copy", "faiss", "", "sss", 1, "id", NEVER)
    third = catalog.commit(1, [note(catalog, chunk("one"))]).generation
    assert write(catalog, "select * from tombstone") == [("two", third)]
    fourth = catalog.commit(1, [note(catalog, chunk("two"))]).generation
    assert write(catalog, "select * from tombstone") == [("one", fourth)], "the other lives again"
    catalog.commit(1, [NoteRemoval(1, "a.md", catalog.next_seq())])
    assert write(catalog, "select key from tombstone order by key") == [("one",), ("two",)]
    catalog.remember_applied(row.id, fourth)
    assert write(catalog, "select key from tombstone") == [("two",)], "what it was told is forgotten"
    catalog.leave_replica(row.id)
    assert write(catalog, "select key from tombstone") == []
    assert catalog.replica_rows() == [replace(row, applied=fourth, space_id=None)]
    assert catalog.follow("copy", "faiss", "", "sss", 1, "id").applied == NEVER, "it was told nothing meanwhile"


def test_a_collection_that_is_another_one_by_now_has_to_be_filled_anew(catalog: Catalog) -> None:
    (space,) = catalog.spaces()
    catalog.begin_filling(space.target, "here")
    catalog.remember_filled(space.target, "k")
    catalog.remember_opened("sss", "s3vectors", "arn")
    found = catalog.target("sss")
    assert found is not None
    assert (found.place, found.filled_to, found.swept) == ("here", "k", False)
    catalog.remember_filled(space.target, None)
    catalog.remember_swept(space.target)
    assert catalog.target("sss") == replace(found, filled_to=None, swept=True)
    catalog.remember_opened("sss", "s3vectors", "another arn")
    assert catalog.target("sss") == replace(found, identity="another arn", place="", filled_to=None, swept=True)


def test_what_was_filled_is_behind_once_another_is(catalog: Catalog) -> None:
    (space,) = catalog.spaces()
    catalog.begin_filling(space.target, "here")
    other = catalog.register_space("other", "e" * 32, "{}", 4)
    catalog.begin_filling(other.target, "here")
    assert [catalog.target(name).place for name in ("sss", "other")] == ["", "here"]  # type: ignore[union-attr]
    assert catalog.put_off_filling() is True
    assert catalog.put_off_filling() is False


def test_a_space_loses_its_collection_to_another_of_the_same_name_and_gets_one_again(catalog: Catalog) -> None:
    catalog.intend(1, ["a"])
    second = catalog.register_space("sss", "e" * 32, "{}", 4)
    first = next(row for row in catalog.spaces() if row.id == 1)
    assert (first.collection, first.target, second.collection) == ("", 0, "sss")
    assert catalog.intents(second.target) == []
    again = catalog.register_space("sss.2", "f" * 32, "{}", 4)
    assert (again.id, again.collection) == (1, "sss.2")


def test_which_collection_was_opened_is_known_when_its_space_is_forgotten(catalog: Catalog) -> None:
    catalog.forget_space(1)
    assert catalog.spaces() == []
    found = catalog.target("sss")
    assert found is not None and found.identity == "arn"


def test_a_source_is_remembered_by_its_identity_when_it_is_configured_no_longer(catalog: Catalog) -> None:
    catalog.add_own("uid")
    catalog.ask("uid")
    catalog.set_mounts("uid", ["b", "caf\udce9"])
    catalog.set_mounts("uid", ["caf\udce9", "a"])
    catalog.set_hidden("uid", ["a/1.md", "b/2.md"])
    catalog.set_hidden("uid", ["a/caf\udce9.md"])
    catalog.forget_source(1)
    assert catalog.own_uids() == {"uid"}
    assert catalog.was_asked("uid")
    assert sorted(catalog.mounts("uid")) == ["a", "caf\udce9"]
    assert catalog.hidden("uid") == {"a/caf\udce9.md"}
    assert not catalog.was_asked("of nobody")


def test_a_catalog_on_another_machine_has_other_keys_and_nothing_of_its_own(catalog: Catalog) -> None:
    catalog.add_own("uid")
    catalog.commit(1, [note(catalog, replace(chunk("one"), key="uid-one"))])
    catalog.intend(1, ["uid-two"])
    catalog.settle("there", {"uid": "new"})
    assert catalog.machine() == "there"
    assert catalog.live_keys(1) == {"new-one"}
    assert (catalog.intents(1), catalog.own_uids(), [row.uid for row in catalog.sources()]) == ([], {"new"}, ["new"])
    catalog.add_own("new")
    catalog.settle("elsewhere")
    assert catalog.own_uids() == {"new"}
    catalog.settle("elsewhere again", {})
    assert catalog.own_uids() == set()


def test_json_of_a_space_stays_as_it_was_given(catalog: Catalog) -> None:
    row = catalog.register_space("json", "a" * 32, json.dumps({"b": 1}), 4)
    assert json.loads(catalog.record_embedder(row, "{}").identity) == {"b": 1}
    assert catalog.spaces()[-1].embedder == "{}"


def test_on_another_machine_a_source_keeps_what_is_known_of_its_rules(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.db")
    catalog.register_source("Vault", "old-uid")
    for uid in ("old-uid", "of a source before"):
        catalog.add_own(uid)
    catalog.ask("old-uid")
    catalog.set_rules("old-uid", {".obsidian": ["Private/"]})
    catalog.settle("another machine", {"old-uid": "new-uid"})
    assert catalog.own_uids() == {"new-uid"}
    assert catalog.rules("new-uid") == {".obsidian": ["Private/"]}
    assert catalog.was_asked("new-uid")
    catalog.close()
