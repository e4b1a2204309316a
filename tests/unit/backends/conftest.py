"""Fixtures of several backends' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.lucene import FakeNode
from tests.unit.backends.faiss_folder import Open
from tests.unit.backends.lucene_node import DIM, TYPES, Make
from vragd.backends.lucene.backend import LuceneBackend
from vragd.backends.lucene.writing import Writer


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    return Open(tmp_path)


@pytest.fixture(params=["opensearch", "elasticsearch"])
def node(request: pytest.FixtureRequest) -> Iterator[FakeNode]:
    with FakeNode(request.param) as node:
        yield node
        assert node.violations == []


@pytest.fixture
def make(node: FakeNode) -> Iterator[Make]:
    opened = []

    def make(index_from: int = 10_000, pauses: list[float] | None = None, **given: Any) -> LuceneBackend:
        settings, dialect, credentials = TYPES[node.kind]
        known = settings.model_validate({"type": node.kind, "host": node.host, "scheme": "http", **given})
        slept = [] if pauses is None else pauses
        backend = LuceneBackend(known, dialect(known), credentials(known), index_from, Writer(slept.append))
        opened.append(backend)
        return backend

    yield make
    for backend in opened:
        backend.close()


@pytest.fixture
def backend(make: Make) -> LuceneBackend:
    backend = make()
    backend.create_collection("sss", DIM, "cosine", space="a" * 32)
    return backend
