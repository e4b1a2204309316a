"""What the embedder for OpenAI-compatible servers makes of bad answers and long texts. Real HTTP throughout."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from email.utils import formatdate

import httpx
import numpy as np
import pytest

from tests.fakes.openai import FakeOpenAI
from tests.harness import until
from vragd.embed.openai.embedder import OpenAI
from vragd.errors import EmbedderRefused, EmbedderRejected, EmbedderUnavailable, VragdError

Making = Callable[..., OpenAI]
SECRET = "xylophone confession"
TEXTS = [f"word{n} common" for n in range(5)]


# --- answers that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>hello</html>", b"[]", b'"text"', b"{}", b'{"error": "x"}', b"\xff\xfe", b"[" * 9000,
     b'{"data": {"a": 1}}', b'{"data": [1, 2, 3]}', b'{"data": [{"embedding": [1]}]}'],
)  # fmt: skip
def test_garbage_is_unavailable_not_a_bug(ready: OpenAI, server: FakeOpenAI, body: bytes) -> None:
    server.garbage = body
    for ask in (lambda: ready.embed_query("q"), lambda: ready.embed_documents(["a"]), lambda: ready.space("c")):
        with pytest.raises(EmbedderUnavailable, match="answered"):
            ask()


@pytest.mark.parametrize("row", ["!!", "AAA", [[1]], ["x"], [], None, {"a": 1}, [1.0, 2.0]], ids=str)
def test_a_vector_that_is_none_is_an_error_of_ours(ready: OpenAI, server: FakeOpenAI, row: object) -> None:
    body = httpx.Response(200, json={"data": [{"index": 0, "embedding": row}]}).content
    server.garbage = body
    with pytest.raises((EmbedderRejected, EmbedderUnavailable)):
        ready.embed_query("q")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, '{"error": {"message": "Incorrect API key"}}', EmbedderRefused),
        (403, "{}", EmbedderRefused),
        (429, '{"error": {"message": "quota", "code": "insufficient_quota"}}', EmbedderRefused),
        (404, '{"error": {"message": "The model does not exist", "code": "model_not_found"}}', EmbedderUnavailable),
        (424, '{"error": "no embedder", "error_type": "backend"}', EmbedderUnavailable),
        (500, "<html>", EmbedderUnavailable),
        (502, '{"error": {"message": null}}', EmbedderUnavailable),
        (307, "moved", EmbedderUnavailable),
    ],
)
def test_a_failure_of_the_server_blames_no_text(
    ready: OpenAI, server: FakeOpenAI, status: int, body: str, kind: type[VragdError]
) -> None:
    server.fail_next(1, status, body.encode())
    with pytest.raises(kind) as caught:
        ready.embed_documents(TEXTS)
    assert type(caught.value) is kind
    assert ready.embed_documents(TEXTS).shape == (5, 64)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This model's maximum context length is 8192 tokens, however you requested 9000"),
        (400, "input (900 tokens) is longer than the maximum model length of 512"),
        (500, "input is too large to process. increase the physical batch size"),
        (500, "input (900 tokens) is too large to process. increase the physical batch size (current: 512)"),
        (413, "`inputs` must have less than 512 tokens. Given: 900"),
        (422, "batch size 40 > maximum allowed batch size 32"),
        (400, "the input length exceeds the context length"),
    ],
)
def test_what_is_too_long_is_embedded_in_parts_and_the_rest_of_its_batch_whole(
    ready: OpenAI, server: FakeOpenAI, status: int, said: str
) -> None:
    server.context_chars, server.too_long = 80, (status, said)
    long = " ".join(f"long{n}" for n in range(40))
    rows = ready.embed_documents([*TEXTS, long])
    assert np.allclose(rows[:5], [server.vector(text) for text in TEXTS], atol=1e-6)
    parts = [text for text in server.embedded_texts if text.startswith("long")]
    assert " ".join(parts) == long, "no word is cut or lost"
    weighed = sum(np.array(server.vector(part)) * len(part) for part in parts)
    assert float(rows[5] @ (weighed / np.linalg.norm(weighed))) > 0.99
    assert ready.embed_query(long).shape == (64,)


@pytest.mark.parametrize("text", ["a b c d " * 400, "x", "", "   "])
def test_a_text_that_never_fits_is_rejected_after_a_bounded_number_of_requests(
    ready: OpenAI, server: FakeOpenAI, text: str
) -> None:
    server.error_page = (413, b"")
    with pytest.raises(EmbedderRejected):
        ready.embed_documents([text])
    assert server.count("/v1/embeddings") <= 9


@pytest.mark.parametrize("status", [400, 401, 404, 422, 424, 500])
def test_no_error_quotes_a_note_or_the_key(making: Making, server: FakeOpenAI, status: int,
                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("MY_KEY", "sk-planted")
    embedder = making(key_env="MY_KEY")
    embedder.space("c")
    server.fail_next(1, status, f"cannot embed {SECRET!r} for sk-planted")
    with pytest.raises((EmbedderRejected, EmbedderUnavailable)) as caught:
        embedder.embed_documents([SECRET])
    told = "".join(traceback.format_exception(caught.value)) + caught.value.hint + repr(embedder)
    assert SECRET not in told
    assert "sk-planted" not in told


def test_servers_words_are_told_where_only_our_own_were_sent_and_never_the_key(
    making: Making, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted")
    server.fail_next(1, 400, "this model does not support embeddings; you are Bearer sk-planted")
    with pytest.raises(EmbedderUnavailable, match="does not support embeddings; you are Bearer …"):
        making(key_env="MY_KEY").space("c")


# --- patience --------------------------------------------------------------------------------------


def test_a_server_that_is_busy_for_a_moment_is_waited_for(ready: OpenAI, server: FakeOpenAI) -> None:
    server.extra_headers = {"Retry-After-Ms": "30"}
    server.fail_next(2, 429, "slow down")
    assert ready.embed_documents(TEXTS).shape == (5, 64)
    assert server.count("/v1/embeddings") == 3


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_that_is_busy_for_long_is_left_alone_so_long(ready: OpenAI, server: FakeOpenAI, form: str) -> None:
    server.extra_headers = {"Retry-After": "77" if form == "seconds" else formatdate(time.time() + 77, usegmt=True)}
    server.fail_next(1, 429, "slow down")
    for _ in range(2):
        with pytest.raises(EmbedderUnavailable) as caught:
            ready.embed_documents(TEXTS)
        assert caught.value.retry_after_s == pytest.approx(77, abs=5)
    assert server.count("/v1/embeddings") == 1
    assert ready.embed_query("questions have a line of their own").shape == (64,)


def test_a_hanging_server_is_given_up_after_the_time_set_for_each(making: Making, server: FakeOpenAI) -> None:
    embedder = making(timeout_s=0.3, query_timeout_s=0.1)
    space = embedder.space("c")
    server.hang = True
    with pytest.raises(EmbedderUnavailable, match=r"within 0\.3 s"):
        embedder.embed_documents(["text"])
    with pytest.raises(EmbedderUnavailable, match=r"within 0\.1 s"):
        embedder.embed_query("q")
    for ask in (lambda: embedder.embed_query("q"), lambda: embedder.still_makes(space)):
        with pytest.raises(EmbedderUnavailable, match="the last question in time"):
            ask()
    server.release()


def test_a_model_that_loads_longer_than_is_waited_for_is_loaded_beside(making: Making, server: FakeOpenAI) -> None:
    embedder = making(timeout_s=0.2, query_timeout_s=0.1)
    server.load_s = 1.0
    for ask in (lambda: embedder.space("c"), lambda: embedder.embed_documents(["a"])):
        with pytest.raises(EmbedderUnavailable):
            ask()
    until(lambda: server.loaded, "the model to be loaded")
    space = embedder.space("c")
    assert embedder.embed_documents(["a"]).shape == (1, 64)
    server.loaded = False
    server.stop()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_query("q")
    server.start()
    with pytest.raises(EmbedderUnavailable, match="did not answer within"):
        embedder.still_makes(space)
    until(lambda: server.loaded, "it to be loaded again")
    assert server.n_loads <= 5, "one load beside, however many ask"


def test_a_server_that_refuses_every_text_refuses_none_in_particular(ready: OpenAI, server: FakeOpenAI) -> None:
    server.error_page = (422, b"{}")
    with pytest.raises(EmbedderUnavailable, match="refuses every text"):
        ready.embed_documents(["a"])
    with pytest.raises(EmbedderUnavailable, match="refuses every text"):
        ready.embed_query("a")
    server.error_page = None
    server.fail_next(1, 422, "no")
    with pytest.raises(EmbedderRejected):
        ready.embed_documents(["a"])


def test_nobody_there_is_said_with_the_url(making: Making, server: FakeOpenAI) -> None:
    server.stop()
    embedder = making()
    for ask in (lambda: embedder.space("c"), lambda: embedder.embed_query("q")):
        with pytest.raises(EmbedderUnavailable, match=server.base):
            ask()
    assert "embedder-load" not in {thread.name for thread in threading.enumerate()}
    server.start()
    assert embedder.embed_documents(["text"]).shape == (1, 64)
    embedder.close()
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(["text"])
