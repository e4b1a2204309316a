"""The Ollama embedder against a server with every fault Ollama is known for. Real HTTP throughout."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from tests.fakes.ollama import FakeOllama
from vragd.embed.base import Embedder
from vragd.embed.prompts import prompts_for
from vragd.errors import EmbedderChanged, EmbedderUnavailable

CHUNKER = "chunker-1"
SECRET = "xylophone confession"

Make = Callable[..., Embedder]


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


def test_a_model_replaced_by_one_of_another_dimension_is_refused(embedder: Embedder, fake: FakeOllama) -> None:
    fake.dimension = 32
    with pytest.raises(EmbedderChanged, match="32-d"):
        embedder.embed_documents(["text"])
    with pytest.raises(EmbedderChanged, match="32-d"):
        embedder.embed_query("text")


def test_a_model_that_cannot_embed_is_unavailable_in_the_servers_words(make: Make, fake: FakeOllama) -> None:
    fake.fail_next(1, 501, "this model does not support embeddings")
    with pytest.raises(EmbedderUnavailable, match="does not support embeddings"):
        make().space(CHUNKER)


def test_a_probe_that_is_refused_blames_no_note(make: Make, fake: FakeOllama) -> None:
    with pytest.raises(EmbedderUnavailable, match="invalid duration"):
        make(keep_alive="ten minutes").space(CHUNKER)
    fake.nan = True
    with pytest.raises(EmbedderUnavailable, match="cannot embed"):
        make().space(CHUNKER)


def test_shortened_vectors_are_units_and_another_space(make: Make, fake: FakeOllama) -> None:
    whole, short = make(), make(dimensions=16)
    text = " ".join(f"word{n}" for n in range(30))
    (row,) = short.embed_documents([text])
    cut = np.array(fake.vector(text)[:16])
    assert row == pytest.approx(cut / np.linalg.norm(cut), abs=1e-6)
    assert short.embed_query(text) == pytest.approx(row, abs=1e-6)
    space = short.space(CHUNKER)
    assert (space.dimension, space.digest) == (16, fake.digest + ":16")
    assert (short.still_makes(space), whole.still_makes(space)) == (True, False)
    assert not short.still_makes(whole.space(CHUNKER))
    assert short.embed_documents([]).shape == (0, 16)
    with pytest.raises(EmbedderUnavailable, match="vectors of 64 numbers"):
        make(dimensions=65).space(CHUNKER)


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
        assert caught.value.hint == "start it: ollama serve; or install Ollama first"


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
