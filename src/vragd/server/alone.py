"""The route of questions where no daemon runs: the same request, the same answer."""

from __future__ import annotations

from vragd.config.load import Loaded
from vragd.server.routes import ROUTES
from vragd.server.table import encode, find, parse
from vragd.stores import unattended


def query(loaded: Loaded, body: bytes) -> bytes:
    """The answer to a request of `/v1/query`, as JSON; see `unattended.query`. Raises VragdError."""
    route, _, _ = find(ROUTES, "POST", "/v1/query")
    request = parse(route, body)
    assert request is not None
    asked = request.model_dump(exclude={"fresh_s"})
    asked["sources"] = frozenset(asked["sources"])
    return encode(unattended.query(loaded, asked.pop("stores"), **asked))
