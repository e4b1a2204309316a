"""The route of questions where no daemon runs: the same request, the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vragd.server.routes import ROUTES
from vragd.server.table import encode, find, parse


def query(body: bytes, answered: Callable[..., dict[str, Any]]) -> bytes:
    """
    The answer to a request of `/v1/query`, as JSON: what `answered` says to the names of stores, and to what is asked
    by key. Raises VragdError.
    """
    route, _, _ = find(ROUTES, "POST", "/v1/query")
    request = parse(route, body)
    assert request is not None
    asked = request.model_dump(exclude={"fresh_s"})
    asked["sources"] = frozenset(asked["sources"])
    return encode(answered(asked.pop("stores"), **asked))
