"""Where scores are defined: exact, and the same for every backend that computes them here."""

from __future__ import annotations

import numpy as np

from vragd.terms.metric import Metric

_BLOCK = 4096  # rows scored at once: bounds the float64 copy


def prepared(rows: np.ndarray, metric: Metric) -> np.ndarray:
    """`rows` as they are stored: of length 1 for cosine, as they are otherwise. A zero row stays zero."""
    if metric != "cosine":
        return rows
    wide = rows.astype(np.float64)  # the square of a small float32 is zero
    length = np.sqrt((wide * wide).sum(axis=-1, keepdims=True))
    unit: np.ndarray = (wide / np.where(length == 0, 1, length)).astype(np.float32)
    return unit


def exact_scores(rows: np.ndarray, query: np.ndarray, metric: Metric) -> np.ndarray:
    """
    The score of each of `rows`, shape (n,), float64, as `Match.score` defines it. Both are `prepared`.

    Equal rows get equal scores wherever they stand; a BLAS product does not promise that.
    """
    scores = np.empty(len(rows), dtype=np.float64)
    wide = query.astype(np.float64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float64)
        if metric == "euclidean":
            distance = np.sqrt(((block - wide) ** 2).sum(axis=1))
            scores[start : start + _BLOCK] = 1 / (1 + distance)
        else:
            scores[start : start + _BLOCK] = (block * wide).sum(axis=1)
    return scores.clip(-1, 1) if metric == "cosine" else scores
