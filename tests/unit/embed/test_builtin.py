"""The builtin embedder, with its real model."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from vragd.embed.builtin import embedder as builtin
from vragd.embed.builtin.embedder import DIMENSION, MODEL_DIR, MODEL_SHA256, MiniLM
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.registry import create_embedder
from vragd.errors import EmbedderUnavailable


@pytest.fixture(scope="module")
def embedder() -> MiniLM:
    return MiniLM(threads=1)


def nearness(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b)


def test_the_model_is_the_one_the_space_names(embedder: MiniLM) -> None:
    with (MODEL_DIR / "model.onnx").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == MODEL_SHA256
    space = embedder.space("chunker-1")
    assert MODEL_SHA256.startswith(space.digest)
    assert (space.dimension, space.chunker) == (DIMENSION, "chunker-1")


def test_rows_are_unit_vectors_in_the_order_of_the_texts(embedder: MiniLM) -> None:
    texts = [
        "short",
        "a rather longer text about nothing much at all " * 8,
        "",
        "mid sized text",
        "日本語",
        "\0 \x07",
    ]
    rows = embedder.embed_documents(texts)
    assert rows.shape == (len(texts), DIMENSION)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for text, row in zip(texts, rows, strict=True):
        assert np.array_equal(row, embedder.embed_query(text)), "a vector depends on its text and nothing else"


@pytest.mark.slow
def test_the_order_of_a_batch_does_not_matter(embedder: MiniLM) -> None:
    texts = [f"note {i} about " + "rain and rivers " * (i * 7 % 40) for i in range(24)]
    rows = embedder.embed_documents(texts)
    backwards = embedder.embed_documents(texts[::-1])[::-1]
    assert (np.sum(rows * backwards, axis=1) > 0.98).all()
    assert np.argmax(rows @ backwards.T, axis=1).tolist() == list(range(24))


def test_the_same_batch_gives_the_same_rows(embedder: MiniLM) -> None:
    texts = ["one", "two two", "three three three"]
    assert np.array_equal(embedder.embed_documents(texts), embedder.embed_documents(texts))


def test_no_texts_give_an_empty_table(embedder: MiniLM) -> None:
    rows = embedder.embed_documents([])
    assert rows.shape == (0, DIMENSION)
    assert rows.dtype == np.float32


def test_the_tail_of_a_long_text_matters(embedder: MiniLM) -> None:
    filler = "The committee met again and discussed the minutes of the previous meeting. " * 60
    plain, tailed = embedder.embed_documents(
        [filler, filler + "Sourdough starter needs flour, water and warmth to rise. " * 20]
    )
    query = embedder.embed_query("feeding a sourdough starter")
    assert nearness(tailed, query) > nearness(plain, query) + 0.1


def test_sentences_that_mean_the_same_are_nearer(embedder: MiniLM) -> None:
    rows = embedder.embed_documents(
        ["How do I grind coffee for a French press?", "Bicycle chains should be oiled after rain."]
    )
    coffee = embedder.embed_query("coarse grind for cafetière coffee")
    bicycle = embedder.embed_query("lubricating the chain of my bike")
    assert nearness(rows[0], coffee) > nearness(rows[1], coffee) + 0.2
    assert nearness(rows[1], bicycle) > nearness(rows[0], bicycle) + 0.2


def test_a_query_is_answered_while_bulk_work_goes_on() -> None:
    begun, answered = threading.Event(), threading.Event()
    real, asking = builtin.session(), threading.current_thread()

    class Held:
        """Does not return to bulk work before the query was answered."""

        def run(self, *args: object) -> object:
            if threading.current_thread() is not asking:
                begun.set()
                assert answered.wait(30), "the query waits for the bulk work"
            return real.run(*args)

    embedder = MiniLM(2, open_session=lambda _: Held())
    bulk = threading.Thread(target=embedder.embed_documents, args=(["text", "another"],))
    bulk.start()
    assert begun.wait(30)
    assert embedder.embed_query("question").shape == (DIMENSION,)
    answered.set()
    bulk.join(30)
    assert not bulk.is_alive()


def test_many_threads_at_once_get_their_own_answers(embedder: MiniLM) -> None:
    texts = [f"topic {i} " * 5 for i in range(6)]
    alone = [embedder.embed_query(text) for text in texts]
    found: dict[int, np.ndarray] = {}

    def ask(i: int) -> None:
        found[i] = embedder.embed_query(texts[i]) if i % 2 else embedder.embed_documents([texts[i]])[0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for i, row in enumerate(alone):
        assert nearness(row, found[i]) > 0.999


def test_the_registry_makes_it_from_settings() -> None:
    made = create_embedder("builtin", BuiltinEmbedder(threads=1))
    assert made.embed_query("x").shape == (DIMENSION,)
    made.close()


@pytest.mark.parametrize("broken", ["model.onnx", "tokenizer.json"])
def test_a_damaged_model_is_told_without_a_path(tmp_path: Path, broken: str) -> None:
    for file in builtin.MODEL_DIR.glob("*.*"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / broken).unlink()
    (tmp_path / broken).write_bytes(b"no such thing")
    with pytest.raises(EmbedderUnavailable, match="cannot be loaded") as caught:
        MiniLM(1, tmp_path)
    assert caught.value.hint
    assert str(tmp_path) not in caught.value.message


@pytest.mark.slow
def test_the_model_leaves_nothing_behind_and_calls_nobody(tmp_path: Path) -> None:
    script = (
        "from vragd.embed.builtin.embedder import create; from vragd.embed.builtin.settings import BuiltinEmbedder;"
        "create(BuiltinEmbedder()).embed_query('a question')"
    )
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "ORT_DISABLE_TELEMETRY": "0"}
    subprocess.run([sys.executable, "-c", script], env=os.environ | home, check=True)
    assert list(tmp_path.rglob("*")) == []
