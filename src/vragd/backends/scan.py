"""The nearest of rows that come in blocks: exact, and never all of them in memory."""

from __future__ import annotations

import numpy as np

from vragd.backends.scores import exact_scores
from vragd.terms.metric import Metric

_KEPT = 1_024  # rows that are held before the worse of them are left out

# A product of `n` float32 numbers is off by n * 2**-23 of the product of the lengths at the most, twice the bound of
# Higham, Accuracy and Stability of Numerical Algorithms, 3.1: room for a library that adds up in another order.
_ERROR = 2.0**-23


class Nearest:
    """
    Collects the `top_k` nearest to `query`, and what scores as well as the last of them. For one thread.

    `query` is `prepared`, shape (dimension,), float32; so are the rows.
    """

    def __init__(self, query: np.ndarray, metric: Metric, top_k: int) -> None:
        self._query, self._metric, self._top_k = query, metric, max(top_k, 1)
        self._margin = 2 * len(query) * _ERROR if metric == "cosine" else 0.0
        self._places = np.empty(0, dtype=np.int64)
        self._rows = np.empty((0, len(query)), dtype=np.float32)
        self._scores = np.empty(0, dtype=np.float64)  # of cosine only nearly: exact ones cost more than they decide
        self.n_seen = 0

    def add(self, places: np.ndarray, rows: np.ndarray) -> None:
        """Look at rows, shape (n, dimension), float32; `places`, int64, is what `best` calls them."""
        self.n_seen += len(rows)
        scores = rows @ self._query if self._metric == "cosine" else exact_scores(rows, self._query, self._metric)
        scores = scores.astype(np.float64)
        both = np.concatenate([self._scores, scores])
        if len(both) > self._top_k + _KEPT:
            least = np.partition(both, -self._top_k)[-self._top_k] - self._margin
            good, still = scores >= least, self._scores >= least
            places, rows, scores = places[good], rows[good], scores[good]
            self._places, self._rows, self._scores = self._places[still], self._rows[still], self._scores[still]
        self._places = np.concatenate([self._places, places])
        self._rows = np.concatenate([self._rows, rows])
        self._scores = np.concatenate([self._scores, scores])

    def best(self) -> list[tuple[int, float]]:
        """Place and exact score, best first; of those that score as the last one does, all."""
        scores = exact_scores(self._rows, self._query, self._metric)
        order = np.argsort(-scores, kind="stable")
        if len(order) > self._top_k:
            order = order[: np.searchsorted(-scores[order], -scores[order[self._top_k - 1]], side="right")]
        return list(zip(self._places[order].tolist(), scores[order].tolist(), strict=True))
