"""What a request may hold, beside what the document says of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from vragd.server.bodies import Request
from vragd.server.query_schemas import QueryRequest
from vragd.server.schemas import IndexRequest, StoreRequest, SyncRequest, VerifyRequest
from vragd.server.table import complaint

OLLAMA = {"type": "ollama", "model": "m"}


def read(kind: type[Request], **fields: Any) -> Any:
    return kind.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (QueryRequest, {"text": "a", "top_k": True}),
        (QueryRequest, {"text": "a", "top_k": "5"}),
        (QueryRequest, {"text": "a", "top_k": 1.5}),
        (QueryRequest, {"mode": "vector", "vector": [True, 0]}),
        (QueryRequest, {"mode": "vector", "vector": ["1", 0]}),
        (SyncRequest, {"wait_s": True}),
        (SyncRequest, {"wait_s": "1"}),
        (SyncRequest, {"tickets": {"notes": False}}),
        (SyncRequest, {"confirm_deletes": "yes"}),
        (SyncRequest, {"confirm_deletes": 1}),
        (VerifyRequest, {"repair": "on"}),
        (StoreRequest, {"name": "a", "replace": 1}),
        (StoreRequest, {"name": "a", "sources": [{"path": "/a", "watch": 0}]}),
        (StoreRequest, {"name": "a", "embedder": {"type": "builtin", "threads": True}}),
        (StoreRequest, {"name": "a", "embedder": {**OLLAMA, "timeout_s": True}}),
        (StoreRequest, {"name": "a", "embedder": {**OLLAMA, "timeout_s": "5"}}),
        (IndexRequest, {"store": "a", "path": "/a", "include": "*.md"}),
    ],
)
def test_a_value_of_another_type_is_refused(kind: type[Request], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(kind, **fields)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """JSON Schema, which the document is made of, has 1.0 among the integers."""
    assert read(QueryRequest, text="a", top_k=7.0).top_k == 7
    assert read(SyncRequest, tickets={"notes": 3.0}, wait_s=1).tickets == {"notes": 3}
    assert read(StoreRequest, name="a", embedder={"type": "builtin", "threads": 2.0}).embedder.threads == 2
    made = read(StoreRequest, name="a", embedder={**OLLAMA, "batch_size": 4.0, "timeout_s": 5}).embedder
    assert (made.batch_size, made.timeout_s) == (4, 5.0)


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (QueryRequest, {"where": ["a"] * 100}, r"where: .* at most \d+ items"),
        (QueryRequest, {"where": ["a", 3]}, "where.1: Input should be a valid string"),
        (QueryRequest, {"where": 3}, "where: Input should be a valid"),
        (SyncRequest, {"path": "a\0"}, "path: a path cannot hold a NUL"),
    ],
)
def test_a_complaint_names_the_place_and_what_is_wrong_there(
    kind: type[Request], fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        read(kind, **fields)
    assert re.match(says, complaint(caught.value))
