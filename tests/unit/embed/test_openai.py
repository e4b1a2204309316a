"""The embedder for OpenAI-compatible servers against one with the faults they are known for. Real HTTP throughout."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from tests.fakes.openai import FakeOpenAI
from vragd.embed.openai.embedder import OpenAI
from vragd.embed.probes import PROBES
from vragd.embed.prompts import prompts_for
from vragd.errors import EmbedderChanged, EmbedderUnavailable

Making = Callable[..., OpenAI]
TEXTS = [f"word{n} common" for n in range(5)]


def expected(server: FakeOpenAI, texts: list[str]) -> np.ndarray:
    return np.array([server.vector(text) for text in texts], dtype=np.float32)


def notes_sent(server: FakeOpenAI) -> list[list[str]]:
    """The texts of each request that are none of ours."""
    batches = [[text for text in batch if text not in PROBES] for batch in server.embed_batches()]
    return [batch for batch in batches if batch]


# --- vectors ---------------------------------------------------------------------------------------


def test_rows_are_unit_vectors_in_the_order_of_the_texts(ready: OpenAI, server: FakeOpenAI) -> None:
    rows = ready.embed_documents(TEXTS)
    assert rows.dtype == np.float32
    assert np.allclose(rows, expected(server, TEXTS), atol=1e-6)
    assert server.embed_batches() == [[PROBES[0], *TEXTS, PROBES[-1]]]


@pytest.mark.parametrize("knobs", [{"as_base64": True}, {"shuffled": "true"}], ids=str)
def test_other_forms_of_a_right_answer_are_understood(ready: OpenAI, server: FakeOpenAI, knobs: dict[str, Any]) -> None:
    for name, value in knobs.items():
        setattr(server, name, value)
    assert np.allclose(ready.embed_documents(TEXTS), expected(server, TEXTS), atol=1e-6)
    assert server.count("/v1/embeddings") == 1


def test_texts_are_sent_in_batches_of_so_many_and_of_so_many_characters(making: Making, server: FakeOpenAI) -> None:
    embedder = making(batch_size=5, batch_chars=1000)
    assert embedder.batch_size == 3
    embedder.embed_documents(list("abcdefgh"))
    assert notes_sent(server) == [list("abc"), list("def"), list("gh")]
    server.forget_requests()
    long = ["x " * 300, "y " * 300, "z " * 900, "s"]
    embedder.embed_documents(long)
    assert notes_sent(server) == [[text] for text in long]


def test_no_request_has_more_than_a_server_takes_by_default(making: Making, server: FakeOpenAI) -> None:
    server.most_texts = 32  # text-embeddings-inference
    assert making(batch_size=32).embed_documents([f"t{n}" for n in range(64)]).shape == (64, 64)
    assert max(map(len, server.embed_batches())) == 32
    assert making(batch_size=100).embed_documents([f"t{n}" for n in range(64)]).shape == (64, 64), "it is halved"


def test_prompts_are_a_setting_or_those_of_the_model(making: Making, server: FakeOpenAI) -> None:
    server.models = {"text-embedding-nomic-embed-text-v1.5"}
    (model,) = server.models
    known, own = making(model=model), making(model=model, document_prompt="{text}", query_prompt="ask: {text}")
    spaces = known.space("c"), own.space("c")
    assert spaces[0].prompts == prompts_for("nomic-embed-text").identity != spaces[1].prompts
    server.forget_requests()
    for embedder in (known, own):
        embedder.embed_documents(["a {text}"])
        embedder.embed_query("b")
    assert notes_sent(server) == [["search_document: a {text}"], ["search_query: b"], ["a {text}"], ["ask: b"]]


def test_questions_may_have_a_model_of_their_own_which_is_part_of_the_space(making: Making, server: FakeOpenAI) -> None:
    server.models = {"fake-embed:latest", "for-questions:latest"}
    plain, own = making(), making(query_model="for-questions")
    own.embed_documents(["a note"])
    server.forget_requests()
    own.embed_query("a question")
    assert [request.body["model"] for request in server.requests] == ["for-questions"]
    own.still_makes(own.space("c"))
    own.embed_documents(["another"])
    assert {request.body["model"] for request in server.requests[1:]} == {"fake-embed"}
    assert own.space("c") != plain.space("c")
    assert (own.space("c").model, own.space("c").digest) == (plain.space("c").model, plain.space("c").digest)


def test_shortened_vectors_are_units_and_another_space(making: Making, server: FakeOpenAI) -> None:
    whole, short = making(), making(dimensions=16)
    texts = [" ".join(f"word{n}" for n in range(start, start + 30)) for start in (0, 30)]
    rows = short.embed_documents(texts)
    cut = expected(server, texts)[:, :16]
    assert np.allclose(rows, cut / np.linalg.norm(cut, axis=1, keepdims=True), atol=1e-5)
    assert short.embed_query(texts[0]) == pytest.approx(rows[0], abs=1e-5)
    assert short.space("c").dimension == 16
    assert short.space("c").digest == whole.space("c").digest + ":16"
    assert not short.still_makes(whole.space("c"))
    assert not whole.still_makes(short.space("c"))
    with pytest.raises(EmbedderUnavailable, match="vectors of 64 numbers"):
        making(dimensions=65).space("c")


def test_a_question_is_answered_while_bulk_hangs_and_asked_alone(ready: OpenAI, server: FakeOpenAI) -> None:
    server.hang_word = "bulk"
    with ThreadPoolExecutor() as pool:
        bulk = pool.submit(ready.embed_documents, ["bulk"])
        server.wait_until_hanging()
        assert ready.embed_query("question") == pytest.approx(server.vector("question"), abs=1e-6)
        assert server.embed_batches()[-1] == ["question"]
        server.release()
        assert bulk.result().shape == (1, 64)


# --- who answers -----------------------------------------------------------------------------------


def test_a_space_is_the_same_for_every_instance_and_in_spite_of_noise(making: Making, server: FakeOpenAI) -> None:
    space = making().space("c")
    assert (space.provider, space.model, space.dimension, space.chunker) == ("openai", "fake-embed", 64, "c")
    assert making(url=server.base.replace("127.0.0.1", "localhost") + "/").space("c") == space
    server.noise = 3e-4  # a cosine of 0.999998 or so, as between two machines
    noisy = [making().space("c") for _ in range(4)]
    assert all(one.is_like(space) for one in noisy)
    assert making().still_makes(space)
    assert not space.is_like(replace(space, chunker="d"))


def test_what_goes_along_proves_the_model_and_nothing_is_asked_besides(ready: OpenAI, server: FakeOpenAI) -> None:
    space = ready.space("c")
    ready.embed_documents(TEXTS)
    assert ready.still_makes(space)
    assert ready.space("c") == space
    assert server.count("/v1/embeddings") == 1


@pytest.mark.parametrize("batch_size", [16, 1])
def test_a_model_swapped_under_its_name_is_found_before_a_vector_is_kept(
    making: Making, server: FakeOpenAI, batch_size: int
) -> None:
    embedder = making(batch_size=batch_size)
    before = embedder.space("c")
    server.digest = "b" * 64
    with pytest.raises(EmbedderChanged, match="another model"):
        embedder.embed_documents(TEXTS)
    after = embedder.space("c")
    assert not after.is_like(before)
    assert not embedder.still_makes(before)
    assert np.allclose(embedder.embed_documents(TEXTS), expected(server, TEXTS), atol=1e-6)
    server.digest = "a" * 64
    server.stop()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_query("q")
    server.start()
    assert embedder.still_makes(before), "it is asked who it is after a reconnect"
    assert embedder.space("c") == before


def test_a_model_of_another_dimension_is_another(ready: OpenAI, server: FakeOpenAI) -> None:
    server.dimension = 32
    with pytest.raises(EmbedderChanged):
        ready.embed_query("q")
    assert ready.space("c").dimension == 32
    server.dimension = 64
    with pytest.raises(EmbedderChanged):
        ready.embed_documents(TEXTS)
    assert ready.space("c").dimension == 64


@pytest.mark.parametrize("when", ["from the start", "later"])
def test_an_order_that_indexes_deny_is_found_and_texts_are_asked_for_one_by_one(
    making: Making, server: FakeOpenAI, when: str
) -> None:
    embedder = making()
    if when == "later":
        embedder.space("c")
    server.shuffled = "false"
    assert np.allclose(embedder.embed_documents(TEXTS), expected(server, TEXTS), atol=1e-6)
    server.shuffled, server.digest = "", "b" * 64
    with pytest.raises(EmbedderChanged):
        embedder.embed_documents(TEXTS)


# --- the stand-in ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"model": "absent", "input": "a"}, 404, "does not exist"),
        ({"model": "fake-embed", "input": ""}, 400, "invalid"),
        ({"model": "fake-embed", "input": ["a", ""]}, 400, "invalid"),
        ({"model": "fake-embed", "input": [1]}, 400, "invalid"),
        ({"model": "fake-embed", "input": ["a"] * 2049}, 400, "too many"),
        ({"model": "fake-embed", "input": "word " * 9000}, 400, "maximum context length"),
        ({"model": "fake-embed", "input": ["word " * 4000] * 70}, 400, "tokens per request"),
        ({"model": "fake-embed", "input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"model": "fake-embed", "input": "a"}, 200, '"index":0'),
    ],
)
def test_the_stand_in_has_openais_limits(server: FakeOpenAI, body: object, status: int, said: str) -> None:
    answer = httpx.post(f"{server.base}/embeddings", json=body)
    assert (answer.status_code, said in answer.text) == (status, True)
