"""The backend contract on changes: metadata, versions, identities, bulk work, and what traits claim."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from vragd.backends.base import Batch, Entry
from vragd.backends.conformance.holding import (
    DIM,
    EAST,
    NORTH,
    NewBackend,
    ask,
    keys,
    opened,
    put,
    some,
    there,
    values_of,
)
from vragd.errors import CollectionMismatch, StoreMismatch, Unsupported, VectorsRefused, VragdError
from vragd.terms.filter import Metadata, Moment, equals

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


def check_metadata_and_version_come_back(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    data: Metadata = {"t": "x", "n": 3, "r": 2.5, "yes": True, "at": Moment(5, date_only=True), "l": ("a", "b")}
    put(b, [Entry("a", EAST, data, {}, OLD), Entry("b", NORTH)])
    held = b.get("sss", ["a", "b", "c"], values=False, metadata=True)
    assert set(held) == {"a", "b"}
    assert (dict(held["a"].metadata), held["a"].version, held["b"].version) == (data, OLD, "")
    assert held["a"].values is None
    assert {type(value) for value in held["a"].metadata.values()} == {str, int, float, bool, Moment, tuple}
    assert dict(b.list_keys("sss", versions=True)) == {"a": OLD, "b": ""}


def check_metadata_changes_under_a_kept_vector(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST, {"g": "old"}, {}, OLD), Entry("b", NORTH, {"g": "old"}, {}, OLD)])
    change = Batch.of([Entry("a", None, {"g": "new"}, {}, NEW), Entry("gone", None, {"g": "new"}, {}, NEW)])
    if not b.traits.patches:
        with pytest.raises(Unsupported):
            b.put_metadata("sss", change)
        put(b, [Entry("a", EAST, {"g": "new"}, {}, NEW)])
    else:
        assert b.put_metadata("sss", change) == {"gone"}
    assert [m.key for m in ask(b, EAST, 5, equals("g", "new"))] == ["a"]
    assert [m.key for m in ask(b, EAST, 5, equals("g", "old"))] == ["b"]
    held = b.get("sss", ["a", "b"], metadata=True)
    assert [(held[key].metadata["g"], held[key].version) for key in "ab"] == [("new", NEW), ("old", OLD)]
    assert values_of(b, ["a"])["a"] == pytest.approx(EAST, abs=1e-3)
    assert keys(b) == ["a", "b"]


def check_changed_metadata_survives_with_its_vector(new_backend: NewBackend) -> None:
    """Opened again, a backend may have lost a change whole, but never half of it."""
    b = opened(new_backend)
    put(b, [Entry("a", EAST, {"g": "old"}, {}, OLD)])
    b.close()
    b = opened(new_backend)
    if "a" not in keys(b):
        put(b, [Entry("a", EAST, {"g": "old"}, {}, OLD)])
    if b.traits.patches:
        b.put_metadata("sss", Batch.of([Entry("a", None, {"g": "new"}, {}, NEW)]))
    else:
        put(b, [Entry("a", EAST, {"g": "new"}, {}, NEW)])
    b.close()
    again = opened(new_backend)
    for held in again.get("sss", ["a"], metadata=True).values():
        assert (held.metadata["g"], held.version) == ("new", NEW)
        assert [m.key for m in ask(again, EAST, 5, equals("g", "new"))] == ["a"]


def check_a_put_is_visible_when_it_returns(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(40)
    for i, row in enumerate(rows):
        b.put_vectors("sss", Batch.of([Entry(f"k{i}", row, {"n": i})]), visible=True)
        assert ask(b, row, 1)[0].key == f"k{i}"
        assert [m.key for m in ask(b, row, 1, equals("n", i))] == [f"k{i}"]
        b.delete_vectors("sss", [f"k{i}"])
        assert ask(b, row, 1) == []


def check_bulk_work_is_whole_at_its_end(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(700)
    put(b, [Entry("before", EAST)])
    with b.bulk("sss", 700):
        for start in range(0, 700, 100):
            batch = Batch.of([Entry(f"k{i}", rows[i]) for i in range(start, start + 100)])
            b.put_vectors("sss", batch, visible=False)
        b.delete_vectors("sss", ["k3"])
    assert len(keys(b)) == 700
    assert ask(b, rows[699], 1)[0].key == "k699"
    with pytest.raises(ZeroDivisionError), b.bulk("sss", 10):
        put(b, [Entry("last", NORTH)])
        raise ZeroDivisionError
    assert ask(b, NORTH, 1)[0].key == "last", "an error inside leaves what was put"


def check_keys_are_listed_by_prefix_and_onwards(new_backend: NewBackend) -> None:
    b, rows = opened(new_backend), some(1_100)
    names = [f"{'ab'[i % 2]}-{i:04}" for i in range(1_100)]
    put(b, [Entry(name, row) for name, row in zip(names, rows, strict=True)])
    put(b, [Entry("a", EAST), Entry("a%b_", NORTH), Entry("A-0001", NORTH)])
    assert sorted(key for key, _ in b.list_keys("sss", "a-")) == sorted(name for name in names if name[0] == "a")
    assert [key for key, _ in b.list_keys("sss", "b-", "b-1001")] == [n for n in sorted(names) if n > "b-1001"]
    assert [key for key, _ in b.list_keys("sss", "a%")] == ["a%b_"]
    assert [key for key, _ in b.list_keys("sss", "A")] == ["A-0001"]
    assert list(b.list_keys("sss", "c")) == []


def check_another_collection_of_the_name_is_not_deleted(new_backend: NewBackend) -> None:
    b = new_backend()
    first = b.create_collection("sss", DIM, "cosine", space="a" * 32, model="one")
    b.delete_collection("sss", identity=first.identity)
    second = b.create_collection("sss", DIM, "cosine", space="a" * 32, model="one")
    put(b, [Entry("a", EAST)])
    with pytest.raises(CollectionMismatch) as caught:
        b.delete_collection("sss", identity=first.identity)
    assert caught.value.what == "identity"
    assert keys(b) == ["a"]
    assert b.collection_info("sss").identity == second.identity


def check_of_several_that_create_one_is_first(new_backend: NewBackend) -> None:
    b = new_backend()
    made: list[str] = []
    failed: list[Exception] = []

    def create() -> None:
        try:
            made.append(b.create_collection("sss", DIM, "cosine", space="a" * 32, model="one").identity)
        except VragdError as error:
            failed.append(error)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert set(made) == {b.collection_info("sss").identity}


def check_the_identity_outlives_a_restart_if_the_collection_does(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    identity = b.collection_info("sss").identity
    b.close()
    again = new_backend()
    if there(again):
        assert again.collection_info("sss").identity == identity


def check_refusals_name_the_keys(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    nan = EAST.copy()
    nan[0] = np.nan
    with pytest.raises(VectorsRefused) as caught:
        put(b, [Entry("good", EAST), Entry("bad", nan)])
    assert (caught.value.keys, caught.value.part) == (("bad",), "values")
    with pytest.raises(VectorsRefused) as caught:
        put(b, [Entry("good", EAST), Entry("kéy", EAST)])
    assert (caught.value.keys, caught.value.part) == (("kéy",), "key")
    with pytest.raises(VectorsRefused):
        b.put_vectors("sss", Batch.of([Entry("a", None, {"g": "x"})]))


def check_traits_claim_what_is(new_backend: NewBackend) -> None:
    """A claim that is left empty to be let off a check is a claim too: that it cannot."""
    b = opened(new_backend)
    assert "cosine" in b.traits.metrics
    assert b.traits.max_dimension >= 1_024
    with pytest.raises(StoreMismatch):
        b.create_collection("wide", b.traits.max_dimension + 1, "cosine")
    assert not (b.traits.private and b.traits.keeps_payload), "others cannot put into what is ours alone"
    row = some(1)[0]
    put(b, [Entry("a", row * 7)])
    values = b.get("sss", ["a"])["a"].values
    assert (values is None) == (b.traits.value_error is None)
    if values is not None and b.traits.value_error is not None:
        assert b.traits.value_error <= 1 / 512
        assert np.abs(values - row).max() / np.abs(row).max() <= b.traits.value_error + 1e-6
    info = b.collection_info("sss")
    assert (info.name, info.dimension, info.metric, bool(info.place)) == ("sss", DIM, "cosine", True)


def check_what_was_not_asked_for_is_not_told(new_backend: NewBackend) -> None:
    b = opened(new_backend)
    put(b, [Entry("a", EAST, {"g": "x"}, {"path": "n.md"}, OLD)])
    held = b.get("sss", ["a"], values=True)["a"]
    assert held.values is not None
    assert held.values.dtype == np.float32
    assert b.get("sss", []) == {}
    (match,) = ask(b, EAST, 1, payload=True)
    assert (match.payload.get("path") == "n.md") == b.traits.keeps_payload
