"""A model that is not in memory, a server that refuses everything, and what is sent to whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
import pytest

from tests.fakes.ollama import FakeOllama
from vragd.embed.base import Embedder
from vragd.embed.ollama.line import gets_key
from vragd.errors import EmbedderRejected, EmbedderUnavailable

Make = Callable[..., Embedder]
CHUNKER = "chunker-1"


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


# --- loading ---------------------------------------------------------------------------------------


def test_a_model_that_loads_longer_than_a_question_waits_is_loaded_beside(make: Make, fake: FakeOllama) -> None:
    embedder = make(query_timeout_s=0.2)
    embedder.space(CHUNKER)
    fake.load_s, fake.loaded = 1.0, False
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_query("q")
    until(lambda: fake.n_loads_aborted == 1, "the question's own load to be given up")
    until(lambda: fake.loaded, "the model to be loaded all the same")
    until(lambda: _answers(embedder), "the next question to be answered")
    assert fake.n_loads == 2, "one load beside, however many ask"


def test_a_model_that_loads_longer_than_a_batch_waits_is_loaded_beside(make: Make, fake: FakeOllama) -> None:
    embedder = make(timeout_s=0.2)
    fake.load_s = 1.0
    with pytest.raises(EmbedderUnavailable):
        embedder.space(CHUNKER)
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(["a"])
    until(lambda: fake.loaded, "the model to be loaded")
    assert embedder.embed_documents(["a"]).shape == (1, 64)


def test_a_server_that_accepts_nothing_is_not_waited_for_beside(make: Make, fake: FakeOllama) -> None:
    embedder = make()
    embedder.space(CHUNKER)
    fake.stop()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_query("q")
    assert "embedder-load" not in {thread.name for thread in threading.enumerate()}


def _answers(embedder: Embedder) -> bool:
    try:
        return embedder.embed_query("q").shape == (64,)
    except EmbedderUnavailable:
        return False


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, 'time: unknown unit " min" in duration "10 min"'),
        (400, "invalid options"),
        (422, "no"),
        (400, 'Post "http://x": EOF'),
    ],
)
def test_a_server_that_refuses_every_text_refuses_none_in_particular(
    embedder: Embedder, fake: FakeOllama, status: int, error: str
) -> None:
    fake.error_page = (status, b'{"error": "%s"}' % error.replace('"', "'").encode())
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(["a" * 1000])
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_query("a")
    fake.error_page = None
    assert embedder.embed_documents(["a"]).shape == (1, 64)


def test_a_text_that_is_refused_where_others_are_not_is_at_fault(embedder: Embedder, fake: FakeOllama) -> None:
    fake.fail_next(1, 400, "invalid input")
    with pytest.raises(EmbedderRejected):
        embedder.embed_documents(["a"])


@pytest.mark.parametrize("error", ["this model does not support embeddings", '"x" does not support embedding'])
def test_a_model_that_embeds_nothing_blames_no_text(embedder: Embedder, fake: FakeOllama, error: str) -> None:
    fake.fail_next(9, 400, error)
    with pytest.raises(EmbedderUnavailable, match="none that embeds"):
        embedder.embed_documents(["a"])


@pytest.mark.parametrize("status", [400, 500])
def test_a_text_that_what_runs_the_model_dies_of_is_embedded_in_parts(
    embedder: Embedder, fake: FakeOllama, status: int
) -> None:
    fake.fail_next(1, status, 'do embedding request: Post "http://127.0.0.1:61135/embedding": EOF')
    assert embedder.embed_documents(["word zebra " * 100]).shape == (1, 64)


def test_a_request_that_is_too_large_for_a_server_in_between_is_cut(embedder: Embedder, fake: FakeOllama) -> None:
    fake.fail_next(2, 413, b"<html>413 Request Entity Too Large</html>")
    assert embedder.embed_documents(["a b", "c d"]).shape == (2, 64)


@pytest.mark.parametrize("truncate", [False, True])
def test_a_text_of_many_symbols_is_too_long_even_where_it_may_be_cut(fake: FakeOllama, truncate: bool) -> None:
    fake.context_chars, fake.stubborn = 8, "∑"
    body = {"model": "fake-embed", "input": ["∑" * 9], "truncate": truncate}
    answer = httpx.post(f"{fake.url}/api/embed", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": "the input length exceeds the context length"})


# --- what is sent to whom --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "given"),
    [
        ("https://ollama.com", "", True),
        ("https://ollama.com:443", "http://elsewhere", True),
        ("http://ollama.com", "", False),
        ("https://ollama.com.example.org", "", False),
        ("https://sub.ollama.com", "", False),
        ("http://127.0.0.1:11434", "", False),
        ("http://127.0.0.1:11434", "127.0.0.1:11434", True),
        ("http://127.0.0.1:11434", "127.0.0.1", True),
        ("http://127.0.0.1:11434", "http://127.0.0.1:11435", False),
        ("https://ai.example.com", "https://ai.example.com", True),
        ("http://nas.lan:11434", "http://nas.lan:11434", False),
        ("https://ai.example.com", "https://other.example.com", False),
    ],
)
def test_the_key_goes_only_to_whom_it_was_given_for(url: str, host: str, given: bool) -> None:
    assert gets_key(url, {"OLLAMA_HOST": host} if host else {}) is given


def test_a_server_on_this_machine_is_sent_no_key_and_asked_through_no_proxy(
    make: Make, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "sk-secret")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for url in (fake.url, fake.url.replace("127.0.0.1", "127.1"), fake.url.replace("127.0.0.1", "0.0.0.0")):
        make(url=url, allow_remote=True).space(CHUNKER)
    assert fake.headers
    assert not [headers for headers in fake.headers if "authorization" in headers]


# --- the stand-in ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/", None, 200, "Ollama is running"),
        ("POST", "/api/tags", {"a": 1}, 405, "405 method not allowed"),
        ("GET", "/api/never", None, 404, "404 page not found"),
        ("POST", "/api/embed", {"model": "absent", "input": [1]}, 400, "invalid input type"),
        (
            "POST",
            "/api/embed",
            {"model": "absent", "input": "a"},
            404,
            'model \\"absent\\" not found, try pulling it first',
        ),
        ("POST", "/api/embed", {"model": "fake-embed", "input": []}, 200, '"embeddings":[]'),
        ("POST", "/api/embed", {"model": "fake-embed"}, 200, '"embeddings":[]'),
    ],
)
def test_the_stand_in_answers_as_the_real_one(
    fake: FakeOllama, method: str, path: str, body: object, status: int, said: str
) -> None:
    answer = httpx.request(method, fake.url + path, json=body)
    assert answer.status_code == status
    assert said in answer.text
