"""Backends on the stand-in of Qdrant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.qdrant import FakeQdrant
from vragd.backends.qdrant.backend import QdrantBackend
from vragd.backends.qdrant.server import ApiKey
from vragd.backends.qdrant.settings import QdrantBackend as Settings

DIM = 8
Make = Callable[..., QdrantBackend]


@contextmanager
def made_on(node: FakeQdrant) -> Iterator[Make]:
    """Makes backends on this server, and closes them."""
    opened = []

    def make(index_from: int = 10_000, **given: Any) -> QdrantBackend:
        settings = Settings.model_validate({"type": "qdrant", "host": node.host, "scheme": "http", **given})
        opened.append(QdrantBackend(settings, ApiKey(settings), index_from))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()
