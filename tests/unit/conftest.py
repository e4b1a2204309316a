"""Fixtures of the tests that speak to a stand-in for Ollama."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.ollama import FakeOllama
from vragd.embed.base import Embedder
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.registry import create_embedder

CHUNKER = "chunker-1"

Make = Callable[..., Embedder]


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with FakeOllama() as server:
        yield server


@pytest.fixture
def make(fake: FakeOllama) -> Iterator[Make]:
    made: list[Embedder] = []

    def make(**settings: Any) -> Embedder:
        chosen = {"model": "fake-embed", "url": fake.url, **settings}
        made.append(create_embedder("ollama", OllamaEmbedder(type="ollama", **chosen)))
        return made[-1]

    yield make
    for embedder in made:
        embedder.close()


@pytest.fixture
def embedder(make: Make) -> Embedder:
    """An embedder whose space is known, so that knobs turned later meet documents."""
    embedder = make()
    embedder.space(CHUNKER)
    return embedder
