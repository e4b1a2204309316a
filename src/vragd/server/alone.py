"""The route of questions where no daemon runs: the same request, the same answer. No other route is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vragd.server.query_schemas import QueryRequest
from vragd.server.table import encode, parsed


def query(body: bytes, answered: Callable[..., dict[str, Any]]) -> bytes:
    """
    The answer to a request of `/v1/query`, as JSON: what `answered` says to the names of stores, and to what is asked
    by key. Raises VragdError.
    """
    asked = parsed(QueryRequest, body).model_dump(exclude={"fresh_s"})
    asked["sources"] = frozenset(asked["sources"])
    return encode(answered(asked.pop("stores"), **asked))
