"""OpenSearch and Elasticsearch on real nodes: what the contract does not ask, and what a server does to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from tests.backends import keys, put, values
from tests.harness import until
from tests.servers.fetched import FOLDER
from tests.servers.lucene.node import RealNode
from vragd.backends.base import Among, Batch, Entry
from vragd.backends.elasticsearch.dialect import Elasticsearch
from vragd.backends.elasticsearch.settings import ElasticsearchBackend
from vragd.backends.http.secrets import Basic
from vragd.backends.lucene.backend import LuceneBackend
from vragd.backends.lucene.writing import Writer
from vragd.backends.opensearch.dialect import OpenSearch
from vragd.backends.opensearch.settings import OpenSearchBackend
from vragd.errors import (
    BackendFull,
    BackendRefused,
    BackendUnavailable,
    CollectionMismatch,
    UnknownCollection,
    VectorsRefused,
    VragdError,
)
from vragd.terms.filter import And, Compare, Metadata, Moment, Prefix, equals, holds, one_of

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are fetched first"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]
DIM = 16
Make = Callable[..., LuceneBackend]
TYPES: dict[str, Any] = {
    "opensearch": (OpenSearchBackend, OpenSearch), "elasticsearch": (ElasticsearchBackend, Elasticsearch),
}  # fmt: skip


def some(n: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def entries(n: int) -> list[Entry]:
    return [Entry(f"k{i:05}", row) for i, row in enumerate(some(n))]


@pytest.fixture
def make(node: RealNode, tmp_path: Path) -> Iterator[Make]:
    prefix, opened = f"t{xxhash.xxh64_hexdigest(str(tmp_path).encode())}-", []

    def make(index_from: int = 10_000, writer: Writer | None = None, **given: Any) -> LuceneBackend:
        settings, dialect = TYPES[node.kind.name]
        place = {"type": node.kind.name, "host": node.host, "scheme": "http", "prefix": prefix}
        known = settings.model_validate(place | given)
        backend = LuceneBackend(known, dialect(known), Basic(None, None, "NONE"), index_from, writer)
        opened.append(backend)
        return backend

    yield make
    for backend in opened:
        backend.close()
    if node.is_running:
        for index in node.call("GET", f"/{prefix}*/_mapping"):
            node.call("DELETE", f"/{index}")


@pytest.fixture
def backend(make: Make) -> LuceneBackend:
    backend = make()
    backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    return backend


def index(backend: LuceneBackend) -> str:
    return str(backend.collection_info("sss").detail["index_name"])


def test_metadata_of_any_kind_comes_back_and_is_found(backend: LuceneBackend) -> None:
    odd: list[Metadata] = [
        {"a\0b": "x"}, {"v": "nul\0"}, {"v": "nul\x01"}, {"v": "nul"}, {"v": "\ud800"}, {"v": "\ud7ff"},
        {"v": "\ue000"}, {"v": "😀"}, {"": "x"}, {"v": "l" * 40_000}, {"v": "l" * 40_001}, {"v" * 3_000: "long"},
        {"v": 2**53 + 1}, {"v": float(2**53)}, {"v": 1e23}, {"v": 10**23}, {"v": float("inf")}, {"v": -2.5e-300},
        {"v": 'quo"te \\ # ! @ ? = % *'}, {"v": ()}, {"v": Moment(5)}, {"v": "%"}, {"v": ("\0", 3, True)},
    ]  # fmt: skip
    put(backend, "sss", [Entry(f"k{i}", row, odd[i]) for i, row in enumerate(some(len(odd)))])
    held = backend.get("sss", [f"k{i}" for i in range(len(odd))], values=False, metadata=True)
    assert [dict(held[f"k{i}"].metadata) for i in range(len(odd))] == odd
    asked = {value: None for data in odd for value in data.values() if not isinstance(value, tuple)}
    wheres: list[Any] = [Compare("v", op, value) for value in asked for op in ("=", "<", "<=", ">", ">=")]  # type: ignore[arg-type]
    wheres += [Prefix("v", text) for text in ("nul\0", "nul", "\ud800", 'quo"', "l" * 256)]
    wheres += [equals("a\0b", "x"), equals("v" * 3_000, "long"), one_of("v", [f"x{i}" for i in range(70_000)] + ["%"])]
    n_asked = 0
    for where in wheres:
        if backend.split("sss", where)[1] is None:
            found = {match.key for match in backend.query("sss", some(1)[0], 100, where=where).items}
            assert found == {f"k{i}" for i, data in enumerate(odd) if holds(where, data)}, where
            n_asked += 1
    assert n_asked > 80


def test_thousands_of_properties_do_not_make_the_mapping_grow(backend: LuceneBackend, node: RealNode) -> None:
    before = node.call("GET", f"/{index(backend)}/_mapping")
    put(backend, "sss", [Entry(f"k{i}", row, {f"p{i}": i, f"q{i}": "x"}) for i, row in enumerate(some(3_000))])
    assert node.call("GET", f"/{index(backend)}/_mapping") == before
    for i in (0, 1_499, 2_999):
        assert [match.key for match in backend.query("sss", some(1)[0], 5, where=equals(f"p{i}", i)).items] == [f"k{i}"]
    every = And(tuple(Compare(f"p{i}", ">=", 0) for i in range(300)))
    assert backend.query("sss", some(1)[0], 5, where=every).end == "exhausted"


def test_a_hundred_thousand_keys_narrow_a_question(backend: LuceneBackend) -> None:
    put(backend, "sss", entries(300))
    found = backend.query("sss", some(4)[3], 5, among=Among.of([f"k{i:05}" for i in range(7, 100_000)]))
    assert len(found.items) == 5
    assert "k00003" not in {match.key for match in found.items}


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "dot"])
def test_the_index_answers_as_a_scan_does(make: Make, metric: Any) -> None:
    scan, indexed = make(), make(index_from=500)
    scan.create_collection("sss", DIM, metric)
    rows = some(3_000)
    put(scan, "sss", [Entry(f"k{i:05}", row, {"n": i % 100, "half": i % 2}) for i, row in enumerate(rows)])
    assert (scan.collection_info("sss").exact, indexed.collection_info("sss").exact) == (True, False)
    for where, few in ((None, 10), (equals("n", 7), 10), (equals("half", 1), 10), (equals("n", 8), 40)):
        n_same = 0
        for query in some(20, seed=1):
            best, found = (one.query("sss", query, few, where=where) for one in (scan, indexed))
            same = {match.key: match.score for match in best.items}
            n_same += sum(match.key in same for match in found.items)
            assert len(found.items) == len(best.items)
            for match in found.items:
                assert match.score == pytest.approx(same.get(match.key, match.score), rel=1e-3, abs=1e-5)
        assert n_same >= 0.95 * 20 * min(few, 30 if where == equals("n", 8) else few)
    found = indexed.query("sss", some(1)[0], 100, where=equals("n", 7))
    assert (len(found.items), found.end) == (30, "exhausted")
    brute = sorted(range(3_000), key=lambda i: -_score(rows[i], rows[5], metric))[:10]
    exact = scan.query("sss", rows[5], 10)
    assert [match.key for match in exact.items] == [f"k{i:05}" for i in brute]
    wanted = [_score(rows[i], rows[5], metric) for i in brute]
    assert [match.score for match in exact.items] == pytest.approx(wanted, rel=1e-3)


def _score(row: np.ndarray, query: np.ndarray, metric: str) -> float:
    if metric == "euclidean":
        return float(1 / (1 + np.linalg.norm(row - query)))
    lengths = np.linalg.norm(row) * np.linalg.norm(query) if metric == "cosine" else 1
    return float(row @ query / lengths)


def test_long_keys_are_kept_whole(backend: LuceneBackend) -> None:
    named = ["k" * 1_024, "k" * 512, "k" * 513, "#" + "k" * 64, "#k", 'a b/../c?#%"\\\n\t', "\0"]
    put(backend, "sss", [Entry(name, row) for name, row in zip(named, some(7), strict=True)])
    assert keys(backend, "sss") == sorted(named)
    assert set(values(backend, "sss", named)) == set(named)
    backend.delete_vectors("sss", named[:3])
    assert keys(backend, "sss") == sorted(named[3:])


def test_others_read_what_the_document_says(make: Make, node: RealNode) -> None:
    backend = make(remote_text=True)
    backend.create_collection("sss", DIM, "cosine", model="maker/model")
    put(backend, "sss", [Entry("k", some(1)[0], {"tag": ("a", "b"), "n": 3}, {"content": "text"}, "0" * 16)])
    (hit,) = node.call("GET", f"/{index(backend)}/_search")["hits"]["hits"]
    source = hit["_source"]
    assert (source["key"], source["version"], hit["_id"]) == ("k", "0" * 16, "k")
    assert (source["properties"], source["payload"]) == ('{"tag":["a","b"],"n":3}', '{"content":"text"}')
    assert source["tok"] == sorted(['tag"a', 'tag"b', "tag?", "n#p40080000000000000000", "n?"])
    assert source["created_at"] == source["updated_at"]
    assert np.linalg.norm(source["vec"]) == pytest.approx(1)
    backend.put_metadata("sss", Batch.of([Entry("k", None, {"n": 4})]))
    (hit,) = node.call("GET", f"/{index(backend)}/_search")["hits"]["hits"]
    assert (hit["_source"]["created_at"], hit["_source"]["vec"]) == (source["created_at"], source["vec"])
    meta = node.call("GET", f"/{index(backend)}")[index(backend)]["mappings"]["_meta"]["vragd"]
    assert (meta["name"], meta["model"], meta["metric"]) == ("sss", "maker/model", "cosine")


# -- what the server does to it --------------------------------------------------------------------------------


def test_an_index_that_is_deleted_under_us_is_missed_and_made_again_with_its_own_mapping(
    backend: LuceneBackend, node: RealNode
) -> None:
    put(backend, "sss", entries(3))
    name, first = index(backend), backend.collection_info("sss")
    mapping = node.call("GET", f"/{name}")[name]["mappings"]["properties"]
    for call in (
        lambda: put(backend, "sss", entries(3)), lambda: backend.query("sss", some(1)[0], 3),
        lambda: backend.get("sss", ["a"]), lambda: backend.delete_vectors("sss", ["a"]), lambda: keys(backend, "sss"),
        lambda: backend.put_metadata("sss", Batch.of([Entry("k00001", None)])),
    ):  # fmt: skip
        backend.create_collection("sss", DIM, "cosine", space="a" * 32)
        backend.query("sss", some(1)[0], 3)
        node.call("DELETE", f"/{name}")
        with pytest.raises(UnknownCollection):
            call()
        assert node.call("GET", f"/{name}*/_mapping") == {}, "nothing was made by guessing"
    again = backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    assert again.identity != first.identity
    assert node.call("GET", f"/{name}")[name]["mappings"]["properties"] == mapping


def test_an_index_that_guessing_or_somebody_else_made_is_refused(backend: LuceneBackend, node: RealNode) -> None:
    node.call("PUT", f"/{index(backend).removesuffix('sss')}other/_doc/1", {"key": "k", "vec": [0.5] * DIM})
    with pytest.raises(CollectionMismatch, match="was not made by vragd") as caught:
        backend.create_collection("other", DIM, "cosine")
    assert caught.value.what == "owner"
    with pytest.raises(CollectionMismatch):
        backend.delete_collection("other", identity="0" * 16)
    assert backend.list_collections() == ["sss"]
    if node.kind.name == "elasticsearch":  # which takes that, and quantises from then on
        options = {"type": "int8_hnsw", "m": 16, "ef_construction": 100}
        vec = {"type": "dense_vector", "dims": DIM, "similarity": "cosine", "index": True, "index_options": options}
        node.call("PUT", f"/{index(backend)}/_mapping", {"properties": {"vec": vec}})
        with pytest.raises(CollectionMismatch, match="its field 'vec' was changed"):
            backend.create_collection("sss", DIM, "cosine", space="a" * 32)


def test_an_alias_that_somebody_led_elsewhere_is_missed_and_led_back(backend: LuceneBackend, node: RealNode) -> None:
    put(backend, "sss", entries(3))
    name, identity = index(backend), backend.collection_info("sss").identity
    other, alias = f"{name.removesuffix('sss')}other", f"{name}_{identity}"
    vec = node.call("GET", f"/{name}")[name]["mappings"]["properties"]["vec"]
    knn = {"settings": {"index": {"knn": True}}} if node.kind.name == "opensearch" else {}
    node.call("PUT", f"/{other}", {"mappings": {"properties": {"vec": vec}}, **knn})
    add = {"add": {"index": other, "alias": alias}}
    for actions, call in (
        ([{"remove": {"index": name, "alias": alias}}, add], lambda: backend.query("sss", some(1)[0], 3)),
        ([add], lambda: put(backend, "sss", entries(4))),
        ([{"add": {"index": name, "alias": alias, "filter": {"term": {"key": "none"}}}}],
         lambda: backend.query("sss", some(1)[0], 3)),
    ):  # fmt: skip
        node.call("POST", "/_aliases", {"actions": actions})
        with pytest.raises(UnknownCollection):
            call()
        backend.create_collection("sss", DIM, "cosine", space="a" * 32)
        assert list(node.call("GET", f"/_alias/{alias}")) == [name]
        assert len(backend.query("sss", some(1)[0], 3).items) == 3


def test_an_index_whose_template_leaves_vectors_out_is_refused(backend: LuceneBackend, node: RealNode) -> None:
    """A patch there takes the vector out of the index, and nobody is told."""
    other = f"{index(backend).removesuffix('sss')}other"
    template = {"index_patterns": [other], "template": {"mappings": {"_source": {"excludes": ["vec"]}}}}
    node.call("PUT", "/_index_template/short", template)
    try:
        with pytest.raises(CollectionMismatch, match="its field '_source' was changed"):
            backend.create_collection("other", DIM, "cosine")
    finally:
        node.call("DELETE", "/_index_template/short")
    node.call("DELETE", f"/{other}")
    backend.create_collection("other", DIM, "cosine")


def test_another_kind_of_server_is_refused(node: RealNode) -> None:
    other = next(kind for kind in TYPES if kind != node.kind.name)
    settings, dialect = TYPES[other]
    known = settings.model_validate({"type": other, "host": node.host, "scheme": "http"})
    backend = LuceneBackend(known, dialect(known), Basic(None, None, "NONE"))
    with pytest.raises(BackendRefused, match="makes no index of vectors"):
        backend.create_collection("sss", DIM, "cosine")
    backend.close()


def test_the_flood_stage_is_a_full_disk_and_is_got_over(backend: LuceneBackend, node: RealNode) -> None:
    put(backend, "sss", entries(5))
    block = "index.blocks.read_only_allow_delete"
    node.call("PUT", f"/{index(backend)}/_settings", {block: True})
    for call in (
        lambda: put(backend, "sss", entries(6)), lambda: backend.delete_vectors("sss", ["k00001"]),
        lambda: backend.put_metadata("sss", Batch.of([Entry("k00001", None, {"a": 1})])),
    ):  # fmt: skip
        with pytest.raises(BackendFull):
            call()
    assert len(backend.query("sss", some(1)[0], 9).items) == 5
    node.call("PUT", f"/{index(backend)}/_settings", {block: None})
    put(backend, "sss", entries(6))
    assert len(keys(backend, "sss")) == 6


def test_blocked_and_closed_indices_are_refused(backend: LuceneBackend, node: RealNode) -> None:
    put(backend, "sss", entries(5))
    name = index(backend)
    node.call("PUT", f"/{name}/_settings", {"index.blocks.write": True})
    with pytest.raises(BackendRefused, match="writes of this index switched off"):
        put(backend, "sss", entries(6))
    node.call("PUT", f"/{name}/_settings", {"index.blocks.write": False})
    node.call("POST", f"/{name}/_close")
    for call in (lambda: put(backend, "sss", entries(6)), lambda: backend.query("sss", some(1)[0], 3)):
        with pytest.raises(BackendRefused, match="is closed"):
            call()


def test_a_bulk_beyond_what_the_server_holds_is_halved(make: Make) -> None:
    writer = Writer(most_bytes=90 << 20)
    backend = make(writer=writer, remote_text=True)
    backend.create_collection("sss", DIM, "cosine")
    text = "x" * 2_000_000
    put(backend, "sss", [Entry(f"k{i}", row, {}, {"content": text}) for i, row in enumerate(some(30))])
    assert len(keys(backend, "sss")) == 30
    assert writer.most_bytes < 40 << 20


def test_a_document_the_server_refuses_is_named_and_the_others_are_kept(make: Make) -> None:
    backend = make()
    backend.create_collection("sss", DIM, "euclidean")
    rows = some(5)
    rows[2] = 3e38
    try:
        put(backend, "sss", [Entry(f"k{i}", row) for i, row in enumerate(rows)])
    except VectorsRefused as error:
        assert error.keys == ("k2",)
    assert set(keys(backend, "sss")) >= {"k0", "k1", "k3", "k4"}
    assert backend.query("sss", some(1)[0], 3).items[0].key == "k0"


def test_a_server_that_dies_inside_a_bulk_keeps_what_it_answered_and_takes_all_again(
    backend: LuceneBackend, node: RealNode
) -> None:
    put(backend, "sss", entries(50))
    failed: list[Exception] = []
    many = entries(6_000)

    def write() -> None:
        try:
            put(backend, "sss", many)
        except VragdError as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    name = index(backend)
    until(
        lambda: node.call("GET", f"/{name}/_doc/k01500?_source=false")["found"] if _there(node, name) else False, "it"
    )
    node.kill()
    thread.join(60)
    with pytest.raises(BackendUnavailable) as caught:
        backend.query("sss", some(1)[0], 3)
    assert caught.value.transient
    node.start()
    assert [isinstance(error, BackendUnavailable) for error in failed] in ([True], [])
    held = until(lambda: _listed(backend), "the shard to be there", 60)
    assert set(held) >= {f"k{i:05}" for i in range(50)}
    put(backend, "sss", many)
    assert len(keys(backend, "sss")) == 6_000


def _there(node: RealNode, name: str) -> bool:
    try:
        node.call("GET", f"/{name}/_doc/k01500?_source=false")
    except OSError:
        return False
    return True


def _listed(backend: LuceneBackend) -> list[str]:
    try:
        return keys(backend, "sss")
    except BackendUnavailable:
        return []


def test_while_it_starts_it_is_waited_for(backend: LuceneBackend, node: RealNode) -> None:
    put(backend, "sss", entries(5))
    node.kill()
    node.start()
    put(backend, "sss", entries(6))
    assert len(keys(backend, "sss")) == 6
