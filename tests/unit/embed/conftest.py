"""Fixtures of the tests that speak to a stand-in for an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.openai import FakeOpenAI
from vragd.embed.openai.embedder import OpenAI, create
from vragd.embed.openai.settings import OpenAIEmbedder

MakeOpenAI = Callable[..., OpenAI]


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
def making(server: FakeOpenAI) -> Iterator[MakeOpenAI]:
    made: list[OpenAI] = []

    def making(**given: Any) -> OpenAI:
        settings = OpenAIEmbedder(type="openai", **{"model": "fake-embed", "url": server.base, **given})
        embedder = create(settings)
        assert isinstance(embedder, OpenAI)
        made.append(embedder)
        return embedder

    yield making
    for embedder in made:
        embedder.close()


@pytest.fixture
def ready(making: MakeOpenAI, server: FakeOpenAI) -> OpenAI:
    """An embedder that has seen who answers; what it asked for that is forgotten."""
    embedder = making()
    embedder.space("c")
    server.forget_requests()
    return embedder
