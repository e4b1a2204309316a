"""What the Ollama embedder makes of bad answers, long texts and errors. Real HTTP throughout."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import numpy as np
import pytest

from tests.fakes.ollama import FakeOllama
from vragd.embed.base import Embedder
from vragd.errors import ConfigError, EmbedderChanged, EmbedderRejected, EmbedderUnavailable

CHUNKER = "chunker-1"
SECRET = "xylophone confession"

Make = Callable[..., Embedder]


# --- bad answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("knob", ["wrong_count", "nan", "zero", "null"])
def test_a_vector_that_is_not_one_is_rejected(embedder: Embedder, fake: FakeOllama, knob: str) -> None:
    setattr(fake, knob, True)
    with pytest.raises(EmbedderRejected):
        embedder.embed_documents(["a", "b"])
    with pytest.raises(EmbedderRejected):
        embedder.embed_query("a")
    setattr(fake, knob, False)
    assert embedder.embed_documents(["a", "b"]).shape == (2, 64)


def test_another_dimension_means_another_model(embedder: Embedder, fake: FakeOllama) -> None:
    fake.wrong_dimension = True
    with pytest.raises(EmbedderChanged):
        embedder.embed_documents(["a", "b"])
    with pytest.raises(EmbedderChanged):
        embedder.embed_query("a")
    fake.wrong_dimension = False
    assert embedder.embed_documents(["a", "b"]).shape == (2, 64)


@pytest.mark.parametrize(
    "body",
    [
        b'{"embeddings": null}',
        b'{"embeddings": [[null, 1.0]]}',
        b'{"embeddings": [["x"]]}',
        b'{"embeddings": []}',
        b'{"embeddings": [[]]}',
        b'{"embeddings": [[1.0, 2.0], [1.0]]}',
    ],
)
def test_a_table_that_is_not_one_is_rejected(make: Make, fake: FakeOllama, body: bytes) -> None:
    fake.garbage = body
    with pytest.raises(EmbedderRejected):
        make().embed_query("q")  # its dimension is not known yet


@pytest.mark.parametrize(
    "body", [b"", b"<html>hello</html>", b"[]", b'"text"', b"{}", b'{"error": "x"}', b"\xff\xfe", b"[" * 9000]
)
def test_garbage_is_unavailable_not_a_bug(make: Make, fake: FakeOllama, body: bytes) -> None:
    embedder = make()
    embedder.space(CHUNKER)
    fake.garbage = body
    for ask in (
        lambda: embedder.space(CHUNKER),
        lambda: embedder.embed_query("q"),
        lambda: embedder.embed_documents(["a"]),
    ):
        with pytest.raises(EmbedderUnavailable):
            ask()


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[]", b'{"error": {"code": 1}}', b"null"])
def test_an_error_page_is_unavailable_not_a_bug(embedder: Embedder, fake: FakeOllama, body: bytes) -> None:
    fake.fail_next(1, 502, body)
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(["a"])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, "failed to encode response: json: unsupported value: NaN"),
        (500, "embedding contains NaN or Inf values"),
        (400, "invalid input type"),
    ],
)
def test_a_failure_of_the_text_is_rejected(embedder: Embedder, fake: FakeOllama, status: int, error: str) -> None:
    fake.fail_next(1, status, error)
    with pytest.raises(EmbedderRejected):
        embedder.embed_documents(["a", "b"])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, "llama runner process has terminated: signal: killed"),
        (500, "model requires more system memory (5.0 GiB) than is available (1.2 GiB)"),
        (503, "server busy, please try again.  maximum pending requests exceeded"),
        (502, "bad gateway"),
        (429, "too many requests"),
        (401, "unauthorized"),
        (403, b""),
        (404, b"404 page not found"),
        (405, "method not allowed"),
        (501, "this server does not support embeddings. Start it with `--embeddings`"),
        (307, "moved"),
    ],
)
def test_a_failure_of_the_server_is_unavailable(
    embedder: Embedder, fake: FakeOllama, status: int, error: str | bytes
) -> None:
    fake.fail_next(1, status, error)
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(["a", "b"])
    assert embedder.embed_documents(["a", "b"]).shape == (2, 64)


def test_a_poison_text_is_found_by_asking_for_fewer(embedder: Embedder, fake: FakeOllama) -> None:
    fake.poison = "cursed"
    with pytest.raises(EmbedderRejected):
        embedder.embed_documents(["fine", "cursed", "good"])
    assert embedder.embed_documents(["fine", "good"]).shape == (2, 64)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500, 503])
def test_no_error_quotes_a_note(embedder: Embedder, fake: FakeOllama, status: int) -> None:
    fake.fail_next(1, status, f"cannot embed {SECRET!r}")
    with pytest.raises((EmbedderRejected, EmbedderUnavailable)) as caught:
        embedder.embed_documents([SECRET])
    assert SECRET not in caught.value.message + caught.value.hint
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# --- texts longer than the context -----------------------------------------------------------------


def test_a_text_longer_than_the_context_is_embedded_in_parts(embedder: Embedder, fake: FakeOllama) -> None:
    text = " ".join(f"word{n}" for n in range(60))
    whole = embedder.embed_documents([text])[0]
    del fake.embedded_texts[:]
    fake.context_chars = 80
    parts = embedder.embed_documents([text])[0]
    assert " ".join(fake.embedded_texts) == text, "no word is cut or lost"
    assert all(len(part) <= 80 for part in fake.embedded_texts)
    assert np.isclose(np.linalg.norm(parts), 1)
    assert float(whole @ parts) > 0.9


def test_parts_weigh_as_much_as_they_hold(embedder: Embedder, fake: FakeOllama) -> None:
    fake.context_chars = 30
    row = embedder.embed_documents(["aaaa bbbb cccc " + "d" * 28])[0].astype(np.float64)
    parts = [(np.array(fake.vector(part)), len(part)) for part in fake.embedded_texts[-2:]]
    assert [size for _, size in parts] == [14, 28]
    mean = sum(vector * size for vector, size in parts)
    assert np.allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_long_text_leaves_the_rest_of_its_batch_alone(embedder: Embedder, fake: FakeOllama) -> None:
    texts = ["short one", "long " * 20, "short two"]
    fake.context_chars = 60
    rows = embedder.embed_documents(texts)
    assert np.array_equal(rows[0], embedder.embed_documents([texts[0]])[0])
    assert np.array_equal(rows[2], embedder.embed_documents([texts[2]])[0])


def test_a_long_question_is_embedded_in_parts(embedder: Embedder, fake: FakeOllama) -> None:
    fake.context_chars = 40
    assert embedder.embed_query("why is the sky blue " * 8).shape == (64,)


def test_a_text_without_spaces_is_cut_all_the_same(embedder: Embedder, fake: FakeOllama) -> None:
    fake.context_chars = 40
    assert embedder.embed_documents(["x" * 300]).shape == (1, 64)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "input exceeds maximum context length"),
        (500, "input (900 tokens) is too large to process. increase the physical batch size"),
        (400, '{"error":{"message":"request (9 tokens) exceeds the available context size (5 tokens)"}}'),
    ],
)
def test_other_wordings_of_too_long_are_understood(
    embedder: Embedder, fake: FakeOllama, status: int, error: str
) -> None:
    fake.fail_next(1, status, error)
    assert embedder.embed_documents(["two words"]).shape == (1, 64)


@pytest.mark.parametrize("text", ["a b c d " * 400, "x", "   ", ""])
def test_a_text_that_never_fits_is_rejected_after_a_bounded_number_of_requests(
    embedder: Embedder, fake: FakeOllama, text: str
) -> None:
    fake.fail_next(1000, 400, "the input length exceeds the context length")
    with pytest.raises(EmbedderRejected):
        embedder.embed_documents([text])
    assert fake.count("/api/embed") <= 1 + 1 + 8, "the probe, the whole, and eight halvings"


# --- privacy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://ollama.example.com:11434",
        "http://192.168.1.5:11434",
        "http://0.0.0.0:11434",
        "http://localhost.example.com",
        "http://[2001:db8::1]:11434",
    ],
)
def test_a_remote_url_must_be_allowed(make: Make, url: str) -> None:
    with pytest.raises(ConfigError, match="not on this machine") as caught:
        make(url=url)
    assert "allow_remote: true" in caught.value.hint
    make(url=url, allow_remote=True)


@pytest.mark.parametrize("url", ["http://0.0.0.0:11434", "http://[::]:11434"])
def test_where_a_server_listens_is_told_from_where_it_is_asked(make: Make, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(url=url)
    assert "127.0.0.1" in caught.value.hint


@pytest.mark.parametrize("url", ["http://localhost:11434", "http://127.8.8.8", "http://[::1]:11434"])
def test_a_local_url_needs_no_leave(make: Make, url: str) -> None:
    make(url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1", "http://127.0.0.1@example.com"])
def test_a_url_that_is_not_one_is_a_config_error(make: Make, url: str) -> None:
    with pytest.raises(ConfigError):
        make(url=url)


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert make().embed_query("q").shape == (64,)


def test_a_redirect_takes_no_note_to_another_host(make: Make, fake: FakeOllama) -> None:
    with FakeOllama() as elsewhere:
        fake.redirect_to = elsewhere.url
        with pytest.raises(EmbedderUnavailable):
            make().embed_query(SECRET)
        assert elsewhere.requests == []
