"""How many of the nearest an index finds is measured on what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import put
from vragd.backends.base import Entry, Matches
from vragd.backends.faiss.backend import FaissBackend
from vragd.backends.faiss.collection import Tuning
from vragd.backends.recall import measure
from vragd.cli.bucket import recall_told
from vragd.terms.metric import Metric

DIM, N = 16, 1_500


def filled(tmp_path: Path, kind: type[FaissBackend] = FaissBackend, metric: Metric = "cosine") -> FaissBackend:
    backend = kind("ivf", tmp_path, Tuning(scan_from=40, ivf_from=40))
    backend.create_collection("sss", DIM, metric)
    rows = np.random.default_rng(1).normal(size=(N, DIM)).astype(np.float32)
    put(backend, "sss", [Entry(f"k{i}", row) for i, row in enumerate(rows)])
    return backend


class Halving(FaissBackend):
    """Leaves out every second of the best."""

    def query(self, name: str, vector: np.ndarray, top_k: int, **narrowed: Any) -> Matches:  # type: ignore[override]
        return Matches(super().query(name, vector, 2 * top_k, **narrowed).items[::2], "more")


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "dot"])
def test_an_index_that_finds_all_but_a_few_has_nearly_all(tmp_path: Path, metric: Metric) -> None:
    found = measure(filled(tmp_path, metric=metric), "sss")
    assert (found.n_questions, found.n_vectors, found.exact) == (20, N, False)
    assert 0.8 <= found.at_10 <= 1


def test_one_that_leaves_out_every_second_has_half(tmp_path: Path) -> None:
    assert measure(filled(tmp_path, Halving), "sss").at_10 == pytest.approx(0.5, abs=0.05)


def test_where_all_are_compared_nothing_is_asked(tmp_path: Path) -> None:
    backend = FaissBackend("flat", tmp_path)
    backend.create_collection("sss", DIM, "cosine")
    found = measure(backend, "sss")
    assert (found.at_10, found.n_questions, found.exact) == (1, 0, True)
    assert recall_told(vars_of(found)) == "recall@10: exact (every vector is compared)"


def test_an_empty_index_misses_nothing(tmp_path: Path) -> None:
    backend = filled(tmp_path)
    backend.delete_vectors("sss", [f"k{i}" for i in range(N)])
    assert measure(backend, "sss").at_10 == 1
    told = {"exact": False, "at_10": 0.98765, "n_questions": 20, "n_vectors": 5}
    assert recall_told(told) == "recall@10: 0.988 of 20 questions that are stored vectors"


def vars_of(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("at_10", "n_questions", "n_vectors", "exact")}
