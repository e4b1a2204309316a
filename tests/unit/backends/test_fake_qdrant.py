"""The stand-in of Qdrant answers what the official client understands, and finds what that one's local mode does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.qdrant import FakeQdrant

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


@pytest.fixture(scope="module")
def client() -> Any:
    from qdrant_client import QdrantClient  # takes two seconds to import, in each worker

    with FakeQdrant() as node:
        client = QdrantClient(url=f"http://{node.host}", check_compatibility=False, trust_env=False)
        yield client
        client.close()


def test_the_official_client_understands_every_answer(client: QdrantClient) -> None:
    from qdrant_client import models
    from qdrant_client.http.exceptions import UnexpectedResponse

    size = models.VectorParams(size=2, distance=models.Distance.EUCLID)
    assert client.info().version == "1.16.0"
    assert client.create_collection("c", size, metadata={"a": {"b": 1}}, hnsw_config=models.HnswConfigDiff(m=0))
    with pytest.raises(UnexpectedResponse, match="already exists"):
        client.create_collection("c", size)
    client.create_payload_index("c", "tok", models.PayloadSchemaType.KEYWORD)
    info = client.get_collection("c")
    assert (info.config.metadata, info.config.hnsw_config.m, set(info.payload_schema)) == ({"a": {"b": 1}}, 0, {"tok"})
    assert [it.name for it in client.get_collections().collections] == ["c"]
    points = [models.PointStruct(id=i, vector=[i, 0.0], payload={"key": f"k{i}", "tok": ["x"] * i}) for i in range(3)]
    client.upsert("c", points)
    assert client.count("c").count == 3
    assert [it.payload for it in client.retrieve("c", [1], with_payload=["key"])] == [{"key": "k1"}]
    page, after = client.scroll("c", limit=2)
    assert ([it.id for it in page], after) == ([0, 1], 2)
    having = models.Filter(must=[models.FieldCondition(key="tok", match=models.MatchAny(any=["x"]))])
    found = client.query_points("c", [0.0, 0.0], query_filter=having, limit=5).points
    assert [(it.id, it.score) for it in found] == [(1, 1.0), (2, 2.0)]
    change = models.SetPayload(payload={"key": "new"}, points=[2])
    client.batch_update_points("c", [models.OverwritePayloadOperation(overwrite_payload=change)])
    client.delete("c", models.PointIdsList(points=[1]))
    assert [it.payload for it in client.scroll("c")[0]] == [{"key": "k0", "tok": []}, {"key": "new"}]
    assert client.delete_collection("c")


def test_what_is_not_there_or_no_request_is_refused_as_a_server_does(client: QdrantClient) -> None:
    from qdrant_client.http.exceptions import UnexpectedResponse

    with pytest.raises(UnexpectedResponse, match=r"doesn.*exist") as caught:
        client.count("gone")
    assert caught.value.status_code == 404
    assert client.delete_collection("gone") is False
