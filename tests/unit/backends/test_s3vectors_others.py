"""S3 Vectors: which buckets there are, indexes that somebody made anew, pages, and a service that is far away."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from tests.backends import keys, put
from tests.fakes.s3vectors import FakeS3Vectors
from vragd.backends.base import Entry
from vragd.backends.s3vectors.backend import S3VectorsBackend
from vragd.backends.s3vectors.settings import S3VectorsBackend as Settings
from vragd.cli.main import main
from vragd.errors import CollectionMismatch, StoreMismatch, UnknownCollection, UsageError
from vragd.stores import elsewhere

DIM = 8


def backend(s3: FakeS3Vectors, bucket: str = "bbb") -> S3VectorsBackend:
    return S3VectorsBackend(Settings(type="s3vectors", bucket=bucket, endpoint_url=s3.url))


def opened(s3: FakeS3Vectors, bucket: str = "bbb") -> S3VectorsBackend:
    it = backend(s3, bucket)
    it.create_collection("sss", DIM, "cosine")
    return it


def vectors(n: int, dim: int = DIM) -> list[Entry]:
    rows = np.random.default_rng(3).normal(size=(n, dim)).astype(np.float32)
    return [Entry(f"k{i}", row) for i, row in enumerate(rows)]


def test_an_unknown_bucket_names_the_nearest_or_those_there_are(s3: FakeS3Vectors) -> None:
    for name in ("my-vectors", "recipes"):
        opened(s3, name)
    for asked, hint in (("my-vector", "did you mean 'my-vectors'?"), ("zzz", "there are: my-vectors, recipes")):
        with pytest.raises(UnknownCollection, match=f"no vector bucket '{asked}'") as caught:
            backend(s3, asked).list_collections()
        assert caught.value.hint == hint
        with pytest.raises(UnknownCollection) as caught:
            elsewhere.resolve(backend(s3, asked), "sss")
        assert caught.value.hint == hint
    s3.denied = frozenset({"ListVectorBuckets"})
    with pytest.raises(UnknownCollection) as caught:
        backend(s3, "zzz").list_collections()
    assert caught.value.hint == "check bucket and region"


def test_store_list_without_a_bucket_lists_buckets(s3: FakeS3Vectors, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "list", "--endpoint-url", s3.url, "--bucket"]) == 0
    assert capsys.readouterr().err == "there is no vector bucket in this region\n"
    for name in ("recipes", "my-vectors"):
        opened(s3, name)
    s3.list_page = 1
    assert main(["store", "list", "--endpoint-url", s3.url, "--bucket"]) == 0
    assert capsys.readouterr().out == "my-vectors\nrecipes\n"
    assert main(["store", "list", "--endpoint-url", s3.url, "--json", "--bucket"]) == 0
    assert json.loads(capsys.readouterr().out) == {"buckets": ["my-vectors", "recipes"]}


def test_a_flag_beside_no_bucket_is_named_if_it_is_at_fault() -> None:
    with pytest.raises(UsageError, match="--endpoint-url: expected https://"):
        elsewhere_of("--endpoint-url", "http://example.org", "--bucket")


def elsewhere_of(*flags: str) -> None:
    from vragd.cli import bucket
    from vragd.cli.main import parser

    bucket.list_stores(parser().parse_args(["store", "list", *flags]))


def test_every_list_is_read_page_by_page(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    it.create_collection("other", DIM, "cosine")
    put(it, "sss", vectors(7))
    s3.list_page = 2
    s3.forget_calls()
    assert it.list_collections() == ["other", "sss"]
    assert sorted(keys(it, "sss")) == [f"k{i}" for i in range(7)]
    assert s3.calls == {"ListIndexes": 1, "ListVectors": 4}


@pytest.mark.parametrize(
    ("dimension", "metric", "told"),
    [(4, "cosine", "the dimension of index 'sss' is 4 by now, it was 8"),
     (8, "euclidean", "the metric of index 'sss' is euclidean by now, it was cosine")],
)  # fmt: skip
def test_after_a_refusal_what_differs_of_the_index_is_named(
    s3: FakeS3Vectors, dimension: int, metric: str, told: str
) -> None:
    it = opened(s3)
    put(it, "sss", vectors(1))
    s3.moto.delete_index("bbb", "sss", "")
    backend(s3).create_collection("sss", dimension, metric)  # type: ignore[arg-type]
    s3.fail(400, "ValidationException", operations=["QueryVectors"])
    with pytest.raises(CollectionMismatch, match=told) as caught:
        it.query("sss", vectors(1)[0].values, 1)  # type: ignore[arg-type]
    assert caught.value.what == told.split()[1]
    again = opened_as_before(s3)
    s3.fail(400, "ValidationException", times=3, operations=["PutVectors"])
    with pytest.raises(CollectionMismatch, match=told):
        put(again, "sss", vectors(1))


def opened_as_before(s3: FakeS3Vectors) -> S3VectorsBackend:
    """A backend that has seen the index of 8 numbers and cosine, where there is another by now."""
    it = backend(s3)
    now = s3.moto.get_index("bbb", "sss", "")
    dimension, metric = now.dimension, now.distance_metric
    now.dimension, now.distance_metric = DIM, "cosine"
    it.create_collection("sss", DIM, "cosine")
    now.dimension, now.distance_metric = dimension, metric
    s3.moved()
    return it


def test_a_refusal_of_an_index_that_is_as_it_was_stays_one(s3: FakeS3Vectors) -> None:
    it = opened(s3)
    s3.fail(400, "ValidationException", operations=["QueryVectors"])
    with pytest.raises(StoreMismatch, match="refuses QueryVectors") as caught:
        it.query("sss", vectors(1)[0].values, 1)  # type: ignore[arg-type]
    assert not isinstance(caught.value, CollectionMismatch)


@pytest.mark.slow
def test_a_service_that_is_far_away_costs_one_call_a_batch_and_one_a_question(s3: FakeS3Vectors) -> None:
    it = opened(s3)

    def loaded_in() -> float:
        began = time.monotonic()
        put(it, "sss", vectors(2_000))
        return time.monotonic() - began

    own = loaded_in()
    s3.latency_s = 0.3
    s3.forget_calls()
    assert loaded_in() < 4 / 2.5 + max(2, 2 * own), "2.5 batches a second, and what this machine needs for itself"
    assert s3.calls == {"PutVectors": 4}
    it.query("sss", vectors(1)[0].values, 5)  # type: ignore[arg-type]
    assert s3.calls == {"PutVectors": 4, "QueryVectors": 1}
