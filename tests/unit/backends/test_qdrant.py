"""Qdrant: filters, settings, what a server refuses, and what others do to a collection. Over HTTP, on a stand-in."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models
from qdrant_client.local.payload_filters import check_filter

from tests.backends import keys, nearest, put
from tests.fakes.qdrant import FakeQdrant
from tests.unit.backends.qdrant_node import DIM, Make, made_on
from vragd.backends.base import Among, Batch, Entry
from vragd.backends.qdrant import filters, points
from vragd.backends.qdrant.backend import QdrantBackend
from vragd.backends.tokens import tokens
from vragd.errors import (
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    StoreMismatch,
    UnknownCollection,
    VectorsRefused,
    VragdError,
)
from vragd.terms.filter import And, Compare, Exists, Filter, In, Metadata, Moment, Not, Or, Prefix, equals, holds

EAST = np.eye(DIM, dtype=np.float32)[0]
VALUES: list[Any] = [
    "", "a", "ab", "l" * 300, "l" * 300 + "x", "\0", "\ud800", "😀", 0, -0.0, 1, 1.0, True, False, 2**53, 2**53 + 1,
    -(2**53), 10**400, -(10**400), math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 2.5, Moment(0),
    Moment(5, date_only=True), Moment(-5), Moment(2**60),
]  # fmt: skip
FIELDS = ["a", "a.b", 'a"[]', "", "n" * 300, "é\ud800"]


@pytest.fixture
def node() -> Iterator[FakeQdrant]:
    with FakeQdrant() as node:
        yield node


@pytest.fixture
def make(node: FakeQdrant) -> Iterator[Make]:
    with made_on(node) as make:
        yield make


@pytest.fixture
def backend(make: Make) -> QdrantBackend:
    backend = make()
    backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    return backend


def entries(n: int) -> list[Entry]:
    rows = np.random.default_rng(0).normal(size=(n, DIM)).astype(np.float32)
    return [Entry(f"k{i:05}", row, {"n": i % 3}) for i, row in enumerate(rows)]


def passes(where: Filter, data: Metadata) -> bool:
    """As the official client's local mode has it, of what went through JSON."""
    condition = models.Filter.model_validate(json.loads(json.dumps(filters.query(where, None))))
    held = {filters.TOKENS: tokens(data), filters.NUMBERS: filters.numbers(data)}
    return bool(check_filter(condition, json.loads(json.dumps(held)), 1, {}))


@given(
    data=st.dictionaries(
        st.sampled_from(FIELDS), st.sampled_from(VALUES) | st.lists(st.sampled_from(VALUES), max_size=3).map(tuple)
    ),
    field=st.sampled_from(FIELDS),
    op=st.sampled_from(["=", "<", "<=", ">", ">="]),
    value=st.sampled_from(VALUES),
)
def test_a_filter_holds_of_what_it_does_for_us(data: Metadata, field: str, op: Any, value: Any) -> None:
    for leaf in (Compare(field, op, value), In(field, (value, "a", 1)), Exists(field), In(field, ()), Or(()), And(())):
        for where in (leaf, Not(leaf), And((leaf, Exists(field))), Or((leaf, equals("a", 1)))):
            ours, rest = filters.split(where)
            if rest is None:
                assert passes(where, data) == holds(where, data), where
                assert ours is None or holds(ours, data) == holds(where, data)


def test_what_it_cannot_tell_exactly_is_left_over() -> None:
    for beyond in (
        Prefix("a", "x"),
        Compare("a", "<", "x"),
        Compare("a", "<", 2**53),
        Compare("a", ">", Moment(2**60)),
    ):
        assert filters.split(beyond) == (None, beyond)
        assert filters.split(And((beyond, Exists("b")))) == (Exists("b"), beyond)
        assert filters.split(Not(beyond)) == (None, Not(beyond))
    deep: Filter = Exists("a")
    for _ in range(40):
        deep = Not(deep)
    assert filters.split(deep) == (None, deep)


def test_many_keys_narrow_a_question(backend: QdrantBackend, node: FakeQdrant) -> None:
    put(backend, "sss", entries(30))
    wanted = Among.of([f"k{i:05}" for i in range(0, 30, 10)] + [f"never-{i}" for i in range(2_000)])
    assert [m.key for m in nearest(backend, "sss", EAST, 9, among=wanted, where=equals("n", 1))] == ["k00010"]
    assert len(nearest(backend, "sss", EAST, 9, among=wanted)) == 3


# -- how it is asked -----------------------------------------------------------------------------


def test_above_a_number_of_vectors_the_index_is_asked_and_all_are_compared_where_it_finds_too_few(
    make: Make, node: FakeQdrant
) -> None:
    backend = make(index_from=20, ef_search=40)
    backend.create_collection("sss", DIM, "cosine")
    put(backend, "sss", entries(20))
    nearest(backend, "sss", EAST, 5)
    assert [sent["params"] for _, sent in node.sent] == [{"exact": True}]
    assert backend.collection_info("sss").exact
    put(backend, "sss", entries(30))
    backend.tend("sss")
    node.sent.clear()
    nearest(backend, "sss", EAST, 5)
    assert [sent["params"] for _, sent in node.sent] == [{"hnsw_ef": 40}]
    assert backend.query("sss", EAST, 30).end == "exhausted"
    assert [sent["params"] for _, sent in node.sent][1:] == [{"hnsw_ef": 40}, {"exact": True}]
    info = backend.collection_info("sss")
    assert not info.exact
    told = ("index", "m", "ef_construction", "ef_search", "qdrant", "collection")
    assert [info.detail[key] for key in told] == ["hnsw", 16, 100, 40, "1.16.0", "vragd-sss"]


def test_without_an_index_all_are_compared(make: Make, node: FakeQdrant) -> None:
    backend = make(index_from=1, index="exact")
    backend.create_collection("sss", DIM, "dot")
    put(backend, "sss", entries(5))
    nearest(backend, "sss", EAST, 2)
    assert [sent["params"] for _, sent in node.sent] == [{"exact": True}]
    assert backend.collection_info("sss").exact
    assert node.graphs["vragd-sss"]["m"] == 0


def test_a_request_is_never_too_large(backend: QdrantBackend, node: FakeQdrant) -> None:
    put(backend, "sss", entries(1_001))
    assert node.calls["PUT points"] == 3
    assert [len(json.loads(body)["points"]) for body in points.requests(['"' + "x" * (5 << 20) + '"'] * 3)] == [1, 1, 1]
    assert list(points.requests([])) == []


def test_other_programs_find_rows_that_they_understand(make: Make, node: FakeQdrant) -> None:
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "euclidean")
    row = Entry("a", EAST, {"due": Moment(5)}, {"path": "a.md", "content": "text"}, "0" * 16)
    put(backend, "sss", [row])
    backend.put_metadata("sss", Batch.of([Entry("a", None, {"done": True}, {"content": "new"}, "1" * 16)]))
    (point,) = node.local.scroll("vragd-sss", with_vectors=True)[0]
    held = point.payload or {}
    assert point.id == points.point_id("a")
    assert point.vector == EAST.tolist()
    assert json.loads(held["properties"]) == {"done": True}
    assert json.loads(held["payload"]) == {"content": "new"}
    assert held["created_at"] <= held["updated_at"]
    assert (held["key"], held["version"]) == ("a", "1" * 16)
    with pytest.raises(VectorsRefused, match="cannot hold 'secret'"):
        put(backend, "sss", [Entry("a", EAST, {}, {"secret": 1})])


# -- what others do ------------------------------------------------------------------------------


def test_a_collection_that_somebody_deleted_is_unknown_and_can_be_made_again(
    backend: QdrantBackend, node: FakeQdrant
) -> None:
    put(backend, "sss", entries(2))
    node.local.delete_collection("vragd-sss")
    with pytest.raises(UnknownCollection):
        put(backend, "sss", entries(2))
    assert node.local.get_collections().collections == [], "it was made by guessing"
    backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    put(backend, "sss", entries(2))
    assert len(keys(backend, "sss")) == 2


def test_what_is_not_ours_is_refused_and_left(make: Make, node: FakeQdrant) -> None:
    backend, size = make(), models.VectorParams(size=DIM, distance=models.Distance.COSINE)
    node.local.create_collection("vragd-theirs", vectors_config=size)
    node.local.create_collection("else", vectors_config=size)
    for call in (lambda: backend.create_collection("theirs", DIM, "cosine"), lambda: keys(backend, "theirs")):
        with pytest.raises(CollectionMismatch, match="was not made by vragd") as caught:
            call()
        assert caught.value.what == "owner"
    assert backend.list_collections() == []
    backend.create_collection("sss", DIM, "cosine")
    assert backend.list_collections() == ["sss"]
    meta = node.local.get_collection("vragd-sss").config.metadata or {}
    dot = models.VectorParams(size=DIM, distance=models.Distance.DOT)
    for made, changed in ((dot, meta), (size, {"vragd": meta["vragd"] | {"format": 9}})):
        node.local.delete_collection("vragd-sss")
        node.local.create_collection("vragd-sss", vectors_config=made, metadata=changed)
        with pytest.raises(VragdError, match=r"not as vragd made them|another version of vragd"):
            backend.collection_info("sss")


def test_a_collection_that_was_made_anew_with_another_dimension_is_told(
    backend: QdrantBackend, node: FakeQdrant
) -> None:
    node.fail(400, {"status": {"error": "Wrong input: Vector dimension error: expected dim: 4, got 8"}})
    with pytest.raises(CollectionMismatch, match="another length") as caught:
        put(backend, "sss", entries(1))
    assert caught.value.what == "dimension"


def test_whoever_made_a_collection_and_came_no_further_is_helped(make: Make, node: FakeQdrant) -> None:
    node.denies = lambda method, path: path.endswith("/index")
    with pytest.raises(BackendRefused):
        make().create_collection("sss", DIM, "cosine")
    node.denies = lambda method, path: False
    make().create_collection("sss", DIM, "cosine")
    assert node.indexed == {"vragd-sss": {"tok", "id"}}
    make().create_collection("sss", DIM, "cosine")
    assert node.calls["PUT index"] == 3


def test_a_server_that_keeps_no_metadata_is_refused(make: Make, node: FakeQdrant) -> None:
    node.version = "1.15.5"
    with pytest.raises(BackendRefused, match=r"1\.15\.5 keeps no metadata of collections") as caught:
        make().create_collection("sss", DIM, "cosine")
    assert "1.16" in caught.value.hint
    assert node.calls["PUT vragd-sss"] == 0


def test_a_point_that_is_deleted_while_it_is_changed_is_missing(backend: QdrantBackend, node: FakeQdrant) -> None:
    put(backend, "sss", entries(3))
    change = Batch.of([Entry(f"k{i:05}", None, {"n": 7}) for i in range(3)])
    left = ["k00001"]

    def delete(call: str) -> None:
        if call == "POST batch" and left:
            node.local.delete("vragd-sss", models.PointIdsList(points=[points.point_id(left.pop())]))

    node.before = delete
    assert backend.put_metadata("sss", change) == {"k00001"}
    assert {m.key for m in nearest(backend, "sss", EAST, 9, where=equals("n", 7))} == {"k00000", "k00002"}
    node.fail(404, {"status": {"error": "Not found: No point with id 1 found"}}, times=3)
    with pytest.raises(BackendUnavailable, match="deleted while they are changed"):
        backend.put_metadata("sss", change)


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (401, b"Invalid API key or JWT", BackendRefused, "wants an API key"),
        (403, {"status": {"error": "Forbidden: planted"}}, BackendRefused, "denies it"),
        (429, {"status": {"error": "Rate limiting exceeded: planted"}}, BackendUnavailable, "is busy"),
        (503, {"status": {"error": "planted"}}, BackendUnavailable, "is busy"),
        (500, {"status": {"error": "Service internal error: No space left on device"}}, BackendFull, "no disk left"),
        (400, {"status": {"error": "Wrong input: planted"}}, StoreMismatch, "refuses what was sent"),
        (418, {"status": {"error": "planted"}}, BackendRefused, "refuses"),
        (404, {"status": {"error": "Not found: planted"}}, UnknownCollection, "there is no store 'sss'"),
        (404, b"<html>planted</html>", BackendUnavailable, "answers in its place (status 404)"),
        (200, b"<html>planted</html>", BackendUnavailable, "answers in its place (status 200)"),
        (502, b"planted", BackendUnavailable, "answers in its place (status 502)"),
    ],
)
def test_an_error_says_what_to_do_and_nothing_that_was_sent(
    backend: QdrantBackend, node: FakeQdrant, status: int, body: object, kind: type[VragdError], told: str
) -> None:
    node.fail(status, body)
    with pytest.raises(kind) as caught:
        put(backend, "sss", entries(1))
    assert told in caught.value.message
    assert "planted" not in caught.value.message + caught.value.hint
    put(backend, "sss", entries(1))


def test_what_was_applied_and_dropped_is_put_again(backend: QdrantBackend, node: FakeQdrant) -> None:
    node.apply_then_drop = 1
    put(backend, "sss", entries(3))  # over a connection that was kept: it is sent again
    assert node.keys("vragd-sss") == {"k00000", "k00001", "k00002"}
    node.full = True
    for change in (lambda: put(backend, "sss", entries(3)), lambda: backend.delete_vectors("sss", ["k00000"])):
        with pytest.raises(BackendFull):
            change()
    assert len(nearest(backend, "sss", EAST, 9)) == 3


def test_a_server_that_is_gone_is_told_and_found_again(backend: QdrantBackend, node: FakeQdrant) -> None:
    node.stop()
    with pytest.raises(BackendUnavailable, match="Qdrant cannot be reached"):
        put(backend, "sss", entries(1))
    node.start()
    put(backend, "sss", entries(1))


def test_closing_ends_whoever_waits(backend: QdrantBackend, node: FakeQdrant) -> None:
    put(backend, "sss", entries(1))
    nearest(backend, "sss", EAST, 1)
    node.hangs, told = threading.Event(), list[Exception]()

    def ask() -> None:
        try:
            backend.query("sss", EAST, 1, timeout_s=60)
        except BackendUnavailable as error:
            told.append(error)

    waiting = threading.Thread(target=ask)
    before = node.calls["POST query"]
    waiting.start()
    while node.calls["POST query"] == before:
        waiting.join(0.01)
    backend.close()
    waiting.join(20)
    node.hangs.set()
    assert len(told) == 1


def test_a_question_that_takes_too_long_is_told(make: Make, node: FakeQdrant) -> None:
    backend = make(query_timeout_s=0.2)
    backend.create_collection("sss", DIM, "cosine")
    node.hangs = threading.Event()
    with pytest.raises(BackendUnavailable, match="takes too long"):
        nearest(backend, "sss", EAST, 1)
    node.hangs.set()
