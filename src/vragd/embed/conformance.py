"""The embedder contract as checks: one function per promise, every embedder, no opting out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from vragd.embed.base import Embedder
from vragd.errors import EmbedderRejected

NewEmbedder = Callable[[], Embedder]
TEXTS = ["knead the dough", "oil the chain", "water the tomatoes", "knead the dough"]


def check_a_text_gives_a_unit_row_in_its_place(new_embedder: NewEmbedder) -> None:
    e = new_embedder()
    rows = e.embed_documents(TEXTS)
    assert rows.dtype == np.float32
    assert rows.shape == (len(TEXTS), e.space("c").dimension)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert rows[0] == pytest.approx(rows[3], abs=1e-5)
    assert (rows[0] @ rows[1]) < 0.999
    backwards = e.embed_documents(TEXTS[::-1])
    assert backwards[::-1] == pytest.approx(rows, abs=1e-4), "a text's vector depends on its neighbours"


def check_no_text_gives_no_row(new_embedder: NewEmbedder) -> None:
    e = new_embedder()
    assert e.embed_documents([]).shape == (0, e.space("c").dimension)


def check_a_question_gives_one_unit_row(new_embedder: NewEmbedder) -> None:
    e = new_embedder()
    row = e.embed_query("dough")
    assert row.dtype == np.float32
    assert row.shape == (e.space("c").dimension,)
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)


def check_the_space_is_the_same_for_every_instance(new_embedder: NewEmbedder) -> None:
    one, two = new_embedder(), new_embedder()
    space = one.space("chunker-1")
    assert space == two.space("chunker-1")
    assert space.chunker == "chunker-1"
    assert space.provider
    assert space.digest, "nothing tells these weights from others"
    assert space.meaning == one.space("chunker-2").meaning
    assert one.embed_documents(TEXTS) == pytest.approx(two.embed_documents(TEXTS), abs=1e-5)


def check_another_space_is_told_from_its_own(new_embedder: NewEmbedder) -> None:
    e = new_embedder()
    space = e.space("c")
    assert e.still_makes(space)
    assert not e.still_makes(replace(space, digest="0" * 16))


def check_odd_texts_are_embedded_or_refused_by_the_right_error(new_embedder: NewEmbedder) -> None:
    e = new_embedder()
    for text in ("", " ", "\0", "\ud800", "日本語", "🙂" * 3, "word " * 5_000):
        try:
            rows = e.embed_documents([text])
        except EmbedderRejected:
            continue
        assert np.linalg.norm(rows, axis=1) == pytest.approx([1], abs=1e-5)


def check_it_may_be_asked_from_several_threads(new_embedder: NewEmbedder) -> None:
    e = new_embedder()
    alone = e.embed_documents(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(lambda _: e.embed_documents(TEXTS), range(8)):
            assert rows == pytest.approx(alone, abs=1e-4)


def check_it_says_how_many_texts_to_hand_over(new_embedder: NewEmbedder) -> None:
    e = new_embedder()
    assert 1 <= e.batch_size <= 4096


CHECKS = [fn for name, fn in sorted(globals().items()) if name.startswith("check_")]
