"""What befalls a backend on Lucene, on the stand-in: what it refuses, and who else is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends import keys, put, values
from tests.fakes.lucene import FakeNode, basic
from tests.unit.backends.lucene_node import DIM, TYPES, Make, entries, some
from vragd.backends.base import Batch, Entry
from vragd.backends.lucene.backend import LuceneBackend
from vragd.errors import (
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    UnknownCollection,
    VectorsRefused,
)

# -- refusals ------------------------------------------------------------------------------------------------


def test_items_that_are_refused_for_a_while_are_sent_again_and_only_those(make: Make, node: FakeNode) -> None:
    pauses: list[float] = []
    backend = make(pauses=pauses)
    backend.create_collection("sss", DIM, "cosine")
    node.busy_items, node.absent_items = 5, 3
    put(backend, "sss", entries(40))
    assert (len(keys(backend, "sss")), pauses, node.calls["_bulk"]) == (40, [0.1], 2)
    node.busy_items = 10_000
    with pytest.raises(BackendUnavailable, match="does not take so much at once"):
        put(backend, "sss", entries(3))
    assert len(pauses) == 6


def test_a_bulk_that_is_too_large_is_halved_and_the_next_one_is_not(backend: LuceneBackend, node: FakeNode) -> None:
    node.most_bytes = 120_000
    put(backend, "sss", entries(900))
    first, node.calls["_bulk"] = node.calls["_bulk"], 0
    assert len(keys(backend, "sss")) == 900
    put(backend, "sss", entries(900))
    assert node.calls["_bulk"] < first


def test_a_bulk_that_is_never_taken_is_given_up(make: Make, node: FakeNode) -> None:
    pauses: list[float] = []
    backend = make(pauses=pauses)
    backend.create_collection("sss", DIM, "cosine")
    node.most_bytes = 10
    with pytest.raises(BackendUnavailable) as caught:
        put(backend, "sss", entries(300))
    assert caught.value.transient
    assert len(pauses) == 5
    assert node.calls["_bulk"] < 20


def test_a_full_disk_is_said_and_questions_go_on(backend: LuceneBackend, node: FakeNode) -> None:
    put(backend, "sss", entries(5))
    node.flooded = True
    for call in (lambda: put(backend, "sss", entries(6)), lambda: backend.delete_vectors("sss", ["k00001"])):
        with pytest.raises(BackendFull, match="next to no disk left") as caught:
            call()
        assert caught.value.transient
    assert len(backend.query("sss", some(1)[0], 9).items) == 5
    node.flooded = False
    put(backend, "sss", entries(6))
    assert len(keys(backend, "sss")) == 6


def test_an_index_that_is_closed_to_writers_is_refused(backend: LuceneBackend, node: FakeNode) -> None:
    node.blocked = True
    with pytest.raises(BackendRefused, match="writes of this index switched off"):
        put(backend, "sss", entries(2))


def test_a_document_at_fault_is_named_and_the_others_are_kept(backend: LuceneBackend, node: FakeNode) -> None:
    node.poison = "k00003"
    with pytest.raises(VectorsRefused) as caught:
        put(backend, "sss", entries(9))
    assert (caught.value.keys, caught.value.part) == (("k00003",), "metadata")
    assert len(keys(backend, "sss")) == 8
    node.poison = "planted"
    with pytest.raises(VectorsRefused) as caught:
        backend.put_metadata("sss", Batch.of([Entry("k00004", None, {"a": "planted"})]))
    assert caught.value.keys == ("k00004",)


def test_serverless_is_refused_with_the_reason(backend: LuceneBackend, node: FakeNode) -> None:
    node.serverless = True
    with pytest.raises(BackendRefused, match="Serverless, which takes no ids of ours"):
        put(backend, "sss", entries(2))


def test_another_kind_of_server_is_refused(make: Make, node: FakeNode) -> None:
    other = "elasticsearch" if node.kind == "opensearch" else "opensearch"
    settings, dialect, credentials = TYPES[other]
    known = settings.model_validate({"type": other, "host": node.host, "scheme": "http"})
    backend = LuceneBackend(known, dialect(known), credentials(known))
    with pytest.raises(BackendRefused, match="makes no index of vectors") as caught:
        backend.create_collection("sss", DIM, "cosine")
    assert "see that host leads to" in caught.value.hint
    backend.close()


def test_who_is_not_let_in_is_told_where_a_password_is_looked_for(
    make: Make, node: FakeNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node.word = basic("me", "right")
    file = tmp_path / "word"
    file.touch(0o600)
    file.write_text("wrong\n")
    backend = make(user="me", password_file=str(file))
    with pytest.raises(BackendRefused, match="does not accept user or password"):
        backend.create_collection("sss", DIM, "cosine")
    file.write_text("right\n")
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", entries(3))
    node.denies = lambda method, path: path.endswith("_bulk")
    with pytest.raises(BackendRefused, match="denies it"):
        put(backend, "sss", entries(4))


def test_who_may_only_read_can(make: Make, node: FakeNode) -> None:
    writer, reader = make(), make()
    info = writer.create_collection("sss", DIM, "cosine")
    put(writer, "sss", entries(5))
    node.denies = lambda method, path: method in ("PUT", "DELETE") or path.endswith(("_bulk", "_refresh", "_aliases"))
    assert (reader.list_collections(), len(keys(reader, "sss")), reader.collection_info("sss").count) == (["sss"], 5, 5)
    assert len(reader.query("sss", some(1)[0], 9).items) == len(values(reader, "sss", ["k00001"])) + 4 == 5
    for call in (
        lambda: put(reader, "sss", entries(2)), lambda: reader.delete_vectors("sss", ["k00001"]),
        lambda: reader.delete_collection("sss", identity=info.identity),
        lambda: reader.create_collection("other", DIM, "cosine"),
    ):  # fmt: skip
        with pytest.raises(BackendRefused, match="denies"):
            call()
    with pytest.raises(BackendRefused), writer.bulk("sss", 3):
        node.denies = lambda method, path: path.endswith("_refresh")
        writer.put_vectors("sss", Batch.of(entries(3)), visible=False)


# -- who else is there ---------------------------------------------------------------------------------------


def test_an_index_that_is_deleted_under_us_is_missed_and_made_again_as_it_was(
    backend: LuceneBackend, node: FakeNode
) -> None:
    put(backend, "sss", entries(3))
    first = backend.collection_info("sss")
    mapping = node.indices["vragd-sss"].mappings["properties"]
    for call in (
        lambda: put(backend, "sss", entries(3)), lambda: backend.query("sss", some(1)[0], 3),
        lambda: backend.get("sss", ["a"]), lambda: backend.delete_vectors("sss", ["a"]), lambda: keys(backend, "sss"),
        lambda: backend.put_metadata("sss", Batch.of([Entry("k00001", None)])), lambda: backend.tend("sss"),
    ):  # fmt: skip
        again = backend.create_collection("sss", DIM, "cosine", space="a" * 32)
        backend.query("sss", some(1)[0], 3)
        node.indices.clear()
        with pytest.raises(UnknownCollection):
            call()
        assert node.indices == {}, "nothing was made by guessing"
    again = backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    assert again.identity != first.identity
    assert node.indices["vragd-sss"].mappings["properties"] == mapping


def test_a_writer_of_before_does_not_write_into_a_successor(make: Make) -> None:
    one, other = make(), make()
    first = one.create_collection("sss", DIM, "cosine")
    put(one, "sss", entries(3))
    other.delete_collection("sss", identity=first.identity)
    other.create_collection("sss", DIM, "cosine")
    with pytest.raises(UnknownCollection):
        put(one, "sss", entries(3))
    assert keys(other, "sss") == []


def test_an_alias_that_was_taken_away_is_put_back(backend: LuceneBackend, node: FakeNode, make: Make) -> None:
    put(backend, "sss", entries(3))
    node.indices["vragd-sss"].aliases.clear()
    with pytest.raises(UnknownCollection):
        put(backend, "sss", entries(3))
    backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    assert len(keys(backend, "sss")) == len(keys(make(), "sss")) == 3


def test_an_index_of_somebody_else_is_refused_and_left(make: Make, node: FakeNode) -> None:
    backend = make()
    backend.create_collection("sss", DIM, "cosine")
    node.indices["vragd-other"] = node.indices.pop("vragd-sss")
    for call in (
        lambda: backend.create_collection("other", DIM, "cosine"), lambda: backend.collection_info("other"),
        lambda: backend.delete_collection("other", identity="0" * 16),
    ):  # fmt: skip
        with pytest.raises(CollectionMismatch) as caught:
            call()
        assert caught.value.what == "owner"
    assert list(node.indices) == ["vragd-other"]
    assert backend.list_collections() == []


def test_long_keys_are_kept_whole(backend: LuceneBackend) -> None:
    named = ["k" * 1_024, "k" * 512, "k" * 513, "#" + "k" * 64, "#k", 'a b/../c?#%"\\\n\t']
    put(backend, "sss", [Entry(name, row) for name, row in zip(named, some(6), strict=True)])
    assert keys(backend, "sss") == sorted(named)
    assert set(values(backend, "sss", named)) == set(named)
    assert backend.query("sss", some(6)[0], 1).items[0].key == named[0]
    backend.delete_vectors("sss", named[:3])
    assert keys(backend, "sss") == sorted(named[3:])
    assert backend.get("sss", ["é", ""]) == {}
