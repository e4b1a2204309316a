"""The Ollama embedder against a server with every fault Ollama is known for. Real HTTP throughout."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.fakes.ollama import FakeOllama

from vragd.embed.base import Embedder, create_embedder
from vragd.embed.prompts import prompts_for
from vragd.errors import ConfigError, EmbedderRejected, EmbedderUnavailable
from vragd.settings import OllamaEmbedder

CHUNKER = "chunker-1"
SECRET = "xylophone confession"

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


# --- vectors ---------------------------------------------------------------------------------------


def test_rows_are_unit_vectors_in_the_order_of_the_texts(embedder: Embedder) -> None:
    texts = [f"word{n} common" for n in range(5)]
    rows = embedder.embed_documents(texts)
    assert rows.shape == (5, 64)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert all(np.array_equal(rows[n], embedder.embed_documents([texts[n]])[0]) for n in range(5))


def test_a_question_is_nearest_to_the_text_that_shares_its_words(embedder: Embedder) -> None:
    rows = embedder.embed_documents(["how bread is baked", "the moons of jupiter", "tax of last year"])
    question = embedder.embed_query("moons jupiter")
    assert question.shape == (64,)
    assert question.dtype == np.float32
    assert int(np.argmax(rows @ question)) == 1


def test_no_texts_give_no_rows_of_the_right_dimension(make: Make, fake: FakeOllama) -> None:
    fake.dimension = 10
    assert make().embed_documents([]).shape == (0, 10)


def test_more_texts_than_a_batch_are_sent_in_batches(make: Make, fake: FakeOllama) -> None:
    embedder = make(batch_size=3)
    embedder.space(CHUNKER)
    del fake.requests[:]
    assert embedder.batch_size == 3
    assert embedder.embed_documents(list("abcdefgh")).shape == (8, 64)
    assert fake.embed_batches() == [list("abc"), list("def"), list("gh")]


def test_prompts_of_the_model_are_put_around_texts(make: Make, fake: FakeOllama) -> None:
    fake.models = {"nomic-embed-text:latest"}
    embedder = make(model="nomic-embed-text")
    embedder.space(CHUNKER)
    del fake.embedded_texts[:]
    embedder.embed_documents(["a note"])
    embedder.embed_query("a question")
    assert fake.embedded_texts == ["search_document: a note", "search_query: a question"]


def test_the_server_is_asked_not_to_truncate_and_to_keep_the_model(make: Make, fake: FakeOllama) -> None:
    make(keep_alive="7m").embed_query("q")
    make(keep_alive="-1").embed_query("q")
    bodies = [request.body for request in fake.requests]
    assert [(body["truncate"], body["keep_alive"]) for body in bodies] == [(False, "7m"), (False, -1)]


def test_a_text_that_is_not_unicode_is_embedded_all_the_same(embedder: Embedder) -> None:
    assert embedder.embed_documents(["broken \ud800 surrogate"]).shape == (1, 64)


# --- the space -------------------------------------------------------------------------------------


def test_space_names_weights_and_dimension(make: Make, fake: FakeOllama) -> None:
    space = make().space(CHUNKER)
    assert (space.provider, space.model, space.digest) == ("ollama", "fake-embed:latest", fake.digest)
    assert (space.dimension, space.chunker) == (64, CHUNKER)
    assert space.prompts == prompts_for("fake-embed").identity


@pytest.mark.parametrize(
    "spelling",
    ["fake-embed:latest", "Fake-Embed", "library/fake-embed", "registry.ollama.ai/library/fake-embed:latest"],
)
def test_spellings_of_one_model_share_a_space(make: Make, spelling: str) -> None:
    assert make(model=spelling).space(CHUNKER) == make().space(CHUNKER)


def test_a_tag_is_part_of_the_model(make: Make, fake: FakeOllama) -> None:
    fake.models = {"fake-embed:v2"}
    assert make(model="fake-embed:v2").space(CHUNKER).model == "fake-embed:v2"
    with pytest.raises(EmbedderUnavailable):
        make(model="fake-embed").space(CHUNKER)


def test_the_dimension_is_asked_once_per_digest(make: Make, fake: FakeOllama) -> None:
    embedder = make()
    first = embedder.space(CHUNKER)
    embedder.space(CHUNKER)
    embedder.embed_documents(["text"])
    assert fake.count("/api/embed") == 2
    fake.digest, fake.dimension = "b" * 64, 32
    second = embedder.space(CHUNKER)
    assert (second.digest, second.dimension) == ("b" * 64, 32)
    assert second.fingerprint() != first.fingerprint()
    assert embedder.embed_documents(["text"]).shape == (1, 32)


def test_a_model_replaced_by_one_of_another_dimension_is_refused(
    embedder: Embedder, fake: FakeOllama
) -> None:
    fake.dimension = 32
    with pytest.raises(EmbedderRejected, match="32-d"):
        embedder.embed_documents(["text"])
    with pytest.raises(EmbedderRejected, match="32-d"):
        embedder.embed_query("text")


def test_a_model_that_cannot_embed_is_unavailable_in_the_servers_words(make: Make, fake: FakeOllama) -> None:
    fake.fail_next(1, 501, "this model does not support embeddings")
    with pytest.raises(EmbedderUnavailable, match="does not support embeddings"):
        make().space(CHUNKER)


def test_a_probe_that_is_refused_blames_no_note(make: Make, fake: FakeOllama) -> None:
    with pytest.raises(EmbedderUnavailable, match="missing unit in duration"):
        make(keep_alive="ten minutes").space(CHUNKER)
    fake.nan = True
    with pytest.raises(EmbedderUnavailable, match="cannot embed"):
        make().space(CHUNKER)


# --- absence ---------------------------------------------------------------------------------------


def test_constructing_contacts_nobody(make: Make, fake: FakeOllama) -> None:
    make()
    assert fake.requests == []


def test_no_server_names_the_url_and_the_command(make: Make, fake: FakeOllama) -> None:
    fake.stop()
    embedder = make()
    for ask in (lambda: embedder.space(CHUNKER), lambda: embedder.embed_query("q")):
        with pytest.raises(EmbedderUnavailable, match=fake.url) as caught:
            ask()
        assert caught.value.hint == "start it: ollama serve"


def test_a_server_that_comes_later_is_found(make: Make, fake: FakeOllama) -> None:
    fake.stop()
    embedder = make()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(["text"])
    fake.start()
    assert embedder.embed_documents(["text"]).shape == (1, 64)
    fake.stop()
    fake.start()
    assert embedder.embed_documents(["text"]).shape == (1, 64)


def test_a_server_that_dies_in_the_middle_is_unavailable(embedder: Embedder, fake: FakeOllama) -> None:
    fake.hang = True
    with ThreadPoolExecutor() as pool:
        bulk = pool.submit(embedder.embed_documents, ["text"])
        fake.wait_until_hanging()
        fake.stop()
        with pytest.raises(EmbedderUnavailable, match="broke off"):
            bulk.result()


def test_model_not_pulled_names_the_command(make: Make, fake: FakeOllama) -> None:
    embedder = make(model="user/absent:v1")
    for ask in (lambda: embedder.space(CHUNKER), lambda: embedder.embed_query("q")):
        with pytest.raises(EmbedderUnavailable, match="user/absent:v1") as caught:
            ask()
        assert fake.url in caught.value.message
        assert caught.value.hint == "ollama pull user/absent:v1"


def test_a_call_after_close_is_unavailable(embedder: Embedder) -> None:
    embedder.close()
    embedder.close()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(["text"])


# --- patience --------------------------------------------------------------------------------------


def test_query_is_answered_while_bulk_hangs(embedder: Embedder, fake: FakeOllama) -> None:
    fake.hang_word = "bulk"
    with ThreadPoolExecutor() as pool:
        bulk = pool.submit(embedder.embed_documents, ["bulk"])
        fake.wait_until_hanging()
        assert embedder.embed_query("question").shape == (64,)
        assert not bulk.done()
        fake.release()
        assert bulk.result().shape == (1, 64)


def test_a_hanging_server_is_given_up_after_the_time_set_for_each(make: Make, fake: FakeOllama) -> None:
    embedder = make(timeout_s=0.3, query_timeout_s=0.1)
    embedder.space(CHUNKER)
    fake.hang = True
    started = time.monotonic()
    with pytest.raises(EmbedderUnavailable, match=r"within 0\.1 s"):
        embedder.embed_query("q")
    with pytest.raises(EmbedderUnavailable, match=r"within 0\.3 s"):
        embedder.embed_documents(["text"])
    assert 0.4 <= time.monotonic() - started < 2


def test_a_slow_server_is_waited_for(make: Make, fake: FakeOllama) -> None:
    fake.delay_s = 0.2
    with pytest.raises(EmbedderUnavailable, match=r"within 0\.05 s"):
        make(query_timeout_s=0.05).embed_query("q")
    assert make(query_timeout_s=10).embed_query("q").shape == (64,)


def test_many_threads_get_their_own_answers(make: Make, fake: FakeOllama) -> None:
    embedder = make(batch_size=4)
    texts = [f"alpha{n} beta{n % 7} gamma{n % 3}" for n in range(96)]
    with ThreadPoolExecutor(8) as pool:
        parts = [pool.submit(embedder.embed_documents, texts[n : n + 12]) for n in range(0, 96, 12)]
        asked: list[Future[np.ndarray]] = [pool.submit(embedder.embed_query, text) for text in texts]
    rows = np.concatenate([part.result() for part in parts])
    expected = np.array([fake.vector(text) for text in texts], dtype=np.float32)
    assert np.allclose(rows, expected, atol=1e-6)
    assert np.allclose([row.result() for row in asked], expected, atol=1e-6)


# --- bad answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("knob", ["wrong_count", "wrong_dimension", "nan", "zero", "null"])
def test_a_vector_that_is_not_one_is_rejected(embedder: Embedder, fake: FakeOllama, knob: str) -> None:
    setattr(fake, knob, True)
    with pytest.raises(EmbedderRejected):
        embedder.embed_documents(["a", "b"])
    with pytest.raises(EmbedderRejected):
        embedder.embed_query("a")
    setattr(fake, knob, False)
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
def test_a_failure_of_the_text_is_rejected(
    embedder: Embedder, fake: FakeOllama, status: int, error: str
) -> None:
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
        (404, b"404 page not found"),
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


@pytest.mark.parametrize("url", ["http://localhost:11434", "http://127.8.8.8", "http://[::1]:11434"])
def test_a_local_url_needs_no_leave(make: Make, url: str) -> None:
    make(url=url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://[::1", "http://127.0.0.1@example.com"])
def test_a_url_that_is_not_one_is_a_config_error(make: Make, url: str) -> None:
    with pytest.raises(ConfigError):
        make(url=url)


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
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
