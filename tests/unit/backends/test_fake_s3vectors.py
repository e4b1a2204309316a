"""The stand-in for S3 Vectors refuses what AWS documents as refused, and fails as it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.fakes.s3vectors import FakeS3Vectors

HERE = {"vectorBucketName": "my-bucket", "indexName": "my.index"}
SHAPE = {"dataType": "float32", "dimension": 2, "distanceMetric": "cosine"}
QUERY = {**HERE, "queryVector": {"float32": [1.0, 0.0]}, "topK": 5}


@pytest.fixture
def aws(s3: FakeS3Vectors) -> Iterator[Any]:
    """The real client, which does not retry, on a bucket with one index."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 1})
    client = boto3.Session().client("s3vectors", endpoint_url=s3.url, config=config)
    client.create_vector_bucket(vectorBucketName=HERE["vectorBucketName"])
    hidden = {"nonFilterableMetadataKeys": ["content"]}
    client.create_index(**HERE, **SHAPE, metadataConfiguration=hidden)
    yield client
    client.close()


def item(key: str, **metadata: Any) -> dict[str, Any]:
    return {"key": key, "data": {"float32": [1.0, 0.5]}, "metadata": metadata}


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize("bucket", ["my.bucket", "-bucket", "bucket-", "Bucket", "my_bucket"])
def test_a_bucket_has_a_name_of_letters_digits_and_hyphens(s3: FakeS3Vectors, aws: Any, bucket: str) -> None:
    assert refused(aws.create_vector_bucket, vectorBucketName=bucket) == "ValidationException"
    assert refused(aws.get_index, **{**HERE, "vectorBucketName": bucket}) == "ValidationException"
    assert len(s3.violations) == 2


@pytest.mark.parametrize("index", [".index", "index.", "Index", "my_index"])
def test_an_index_may_have_dots_inside_its_name_and_nothing_else_more(aws: Any, index: str) -> None:
    assert aws.get_index(**HERE)["index"]["indexName"] == "my.index"
    assert refused(aws.create_index, **{**HERE, "indexName": index}, **SHAPE) == "ValidationException"


@pytest.mark.parametrize(
    "condition",
    [
        {"$or": []},
        {"$and": []},
        {"source": {"$in": []}},
        {"source": {"$nin": []}},
        {"$and": [{"source": {"$eq": "s"}}, {"$or": []}]},
        {"source": {"$like": "s"}},
        {"content": {"$eq": "c"}},
    ],
)
def test_a_filter_it_cannot_evaluate_is_refused_whatever_the_index_holds(
    s3: FakeS3Vectors, aws: Any, condition: dict[str, Any]
) -> None:
    assert refused(aws.query_vectors, **QUERY, filter=condition) == "ValidationException"
    aws.put_vectors(**HERE, vectors=[item("a", source="s")])
    assert refused(aws.query_vectors, **QUERY, filter=condition) == "ValidationException"
    assert len(s3.violations) == 2


def test_filters_of_lists_are_evaluated(aws: Any) -> None:
    aws.put_vectors(**HERE, vectors=[item("a", source="s", folder=["x", "x/y"]), item("b", source="t")])

    def found(condition: dict[str, Any]) -> list[str]:
        return sorted(match["key"] for match in aws.query_vectors(**QUERY, filter=condition)["vectors"])

    assert found({"$or": [{"source": {"$eq": "s"}}, {"source": {"$eq": "t"}}]}) == ["a", "b"]
    assert found({"$and": [{"source": {"$in": ["s", "t"]}}, {"folder": {"$eq": "x"}}]}) == ["a"]
    assert found({"source": {"$nin": ["s"]}}) == ["b"]


def test_a_query_for_metadata_needs_the_permission_to_get_vectors_as_one_with_a_filter_does(
    s3: FakeS3Vectors, aws: Any
) -> None:
    aws.put_vectors(**HERE, vectors=[item("a", source="s")])
    s3.denied = frozenset({"GetVectors"})
    assert refused(aws.query_vectors, **QUERY, returnMetadata=True) == "AccessDeniedException"
    assert refused(aws.query_vectors, **QUERY, filter={"source": "s"}) == "AccessDeniedException"
    assert [match["key"] for match in aws.query_vectors(**QUERY, returnDistance=True)["vectors"]] == ["a"]


def test_writes_are_what_is_applied_and_dropped_unless_told_otherwise(s3: FakeS3Vectors, aws: Any) -> None:
    s3.apply_then_drop = 1
    aws.create_index(**{**HERE, "indexName": "another"}, **SHAPE)
    with pytest.raises(ConnectionClosedError):
        aws.put_vectors(**HERE, vectors=[item("a")])
    assert s3.keys("my-bucket", "my.index") == {"a"}
    assert s3.apply_then_drop == 0


def test_an_index_can_be_made_without_an_answer(s3: FakeS3Vectors, aws: Any) -> None:
    s3.apply_then_drop, s3.drop_operations = 1, frozenset({"CreateIndex"})
    aws.put_vectors(**HERE, vectors=[item("a")])
    assert refused(aws.create_index, **HERE, **SHAPE) == "ConflictException"  # nothing was applied
    with pytest.raises(ConnectionClosedError):
        aws.create_index(**{**HERE, "indexName": "another"}, **SHAPE)
    assert aws.get_index(**{**HERE, "indexName": "another"})["index"]["dimension"] == 2
    assert s3.apply_then_drop == 0


@pytest.mark.parametrize("bad", [item("cursed"), item("b", path="a cursed note.md"), item("b", folder=["x", "cursed"])])
def test_poison_refuses_the_whole_request_and_blames_no_client(
    s3: FakeS3Vectors, aws: Any, bad: dict[str, Any]
) -> None:
    s3.poison = "cursed"
    assert refused(aws.put_vectors, **HERE, vectors=[item("good"), bad]) == "ValidationException"
    assert s3.keys("my-bucket", "my.index") == set()
    aws.put_vectors(**HERE, vectors=[item("good", path="n.md", line_from=1)])
    assert s3.keys("my-bucket", "my.index") == {"good"}
    assert s3.violations == []
