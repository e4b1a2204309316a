"""`checked`, the gate every vector goes through, and the identity of a space."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from vragd.embed.base import Space, checked
from vragd.embed.registry import create_embedder
from vragd.errors import ConfigError, EmbedderChanged, EmbedderRejected


def test_rows_become_float32_unit_rows_in_order() -> None:
    rows = checked([[3, 4], [0, -2]], count=2, dimension=2)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert np.allclose(rows, [[0.6, 0.8], [0, -1]])


@pytest.mark.parametrize("size", [1e-5, 1.0, 1e18, 1e20, 1e30, 3e38, 1e100])
def test_the_length_of_a_row_does_not_matter(size: float) -> None:
    rows = checked([[size, size, 0.0]], count=1, dimension=3)
    assert np.allclose(rows, [[0.5**0.5, 0.5**0.5, 0.0]])


def test_large_float32_rows_neither_overflow_nor_vanish() -> None:
    given = np.full((2, 384), 1e30, dtype=np.float32)
    rows = checked(given, count=2, dimension=384)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)


def test_the_callers_array_is_left_as_it_was() -> None:
    given = np.array([[3.0, 4.0]], dtype=np.float32)
    checked(given, count=1, dimension=2)
    assert given.tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        ([[1.0, 2.0]], "shape"),
        ([[1.0], [2.0], [3.0]], "shape"),
        ([1.0, 2.0], "shape"),
        ([[[1.0]], [[2.0]]], "shape"),
        ([], "shape"),
        ([[], []], "shape"),
        ([[1.0, 2.0], [1.0]], "not a table of numbers"),
        ("vectors", "not a table of numbers"),
        ([[10**400, 1.0], [1.0, 1.0]], "not a table of numbers"),
        (None, "."),
        ([["a", "b"], ["c", "d"]], "not a table of numbers"),
        ([[1.0, float("nan")], [1.0, 1.0]], "not a finite number"),
        ([[1.0, float("inf")], [1.0, 1.0]], "not a finite number"),
        ([[1.0, None], [1.0, 1.0]], "not a finite number"),
        ([[1e300, 1e300], [1.0, 1.0]], "not a finite number"),
        ([[1.0, 1.0], [0.0, 0.0]], "zero vector"),
        ([[1.0, 1.0], [1e-7, 0.0]], "zero vector"),
    ],
)
def test_an_answer_that_is_not_a_row_for_each_text_is_rejected(vectors: Any, told: str) -> None:
    with pytest.raises(EmbedderRejected, match=told):
        checked(vectors, count=2, dimension=None)


def test_one_row_of_nothing_is_rejected() -> None:
    with pytest.raises(EmbedderRejected):
        checked([[]], count=1, dimension=None)
    with pytest.raises(EmbedderRejected):
        checked([[]], count=1, dimension=0)


def test_another_dimension_is_rejected_with_a_way_out() -> None:
    with pytest.raises(EmbedderChanged, match="2-d vectors, its space has 3") as caught:
        checked([[1.0, 0.0]], count=1, dimension=3)
    assert caught.value.hint


def test_no_texts_give_no_rows() -> None:
    assert checked(np.zeros((0, 384)), count=0, dimension=384).shape == (0, 384)


SPACE = Space("ollama", "nomic", "0123", 768, "search_document: ", "markdown-1")


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    assert SPACE.fingerprint() == dataclasses.replace(SPACE).fingerprint()
    assert SPACE.fingerprint() == "7e551fbd4ebbfea488d353c413146d83"


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Space)])
def test_every_part_of_a_space_is_in_its_fingerprint(field: str) -> None:
    other = dataclasses.replace(SPACE, **{field: 7 if field == "dimension" else "other"})
    assert other.fingerprint() != SPACE.fingerprint()


def test_an_unknown_embedder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown embedder type 'another'") as caught:
        create_embedder("another", None)
    assert caught.value.hint == "known: builtin, none, ollama, onnx, openai"
