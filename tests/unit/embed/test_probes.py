"""Which models are one, by the vectors of three texts: within what a server's arithmetic changes, and no further."""

from __future__ import annotations

import numpy as np
import pytest

from vragd.embed.probes import alike, sketch

N = 60


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def n_alike(dimension: int, cosine: float) -> int:
    """Of `N` models, how many are taken for the one whose vectors have that cosine with theirs."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(N):
        rows = unit(rng.normal(size=(3, dimension)) + rng.normal(size=dimension))  # texts of one model share something
        aside = rng.normal(size=(3, dimension))
        aside = unit(aside - (aside * rows).sum(axis=1, keepdims=True) * rows)
        found += alike(sketch(rows), sketch(unit(cosine * rows + np.sqrt(1 - cosine**2) * aside)))
    return found


@pytest.mark.parametrize("dimension", [64, 384, 3072])
def test_rounding_is_no_other_model_and_another_quantisation_is(dimension: int) -> None:
    assert n_alike(dimension, 0.9999) == N
    assert n_alike(dimension, 0.98) <= 1
    assert n_alike(dimension, 0.0) == 0


def test_a_sketch_is_the_same_everywhere_and_only_sketches_are_alike() -> None:
    rows = unit(np.arange(1, 193, dtype=np.float64).reshape(3, 64) % 7 - 2.5)
    one = sketch(rows)
    assert one == sketch(rows.copy())
    assert one == "probe-a78a684bbb8a97b8b748786a8686677667798ba687976a56"
    assert alike(one, one)
    assert not alike(one, one + ":16")
    assert alike(one + ":16", one + ":16")
    assert not alike("a" * 64, "a" * 64), "a digest that is no sketch is equal or another"
    assert not alike(one, "probe-0")
