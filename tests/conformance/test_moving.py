"""Ten thousand chunks go from FAISS into each backend and back, and are found there as they are found here."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.conformance.factories import FACTORIES, REAL, local
from tests.harness import until
from vragd.backends.base import Batch, VectorBackend
from vragd.backends.recall import measure
from vragd.stores.moves.places import Collection
from vragd.stores.moves.transfer import transfer
from vragd.terms.filter import equals

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

N, DIMENSION, N_QUERIES = 10_000, 64, 20
RARE = 100
"""One in so many passes the filter."""
APPROXIMATE = {
    "elasticsearch", "elasticsearch-node", "elasticsearch-node-hnsw", "faiss-hnsw", "faiss-ivf", "opensearch",
    "opensearch-node", "opensearch-node-hnsw", "pgvector", "pgvector-halfvec", "qdrant", "s3vectors",
}  # fmt: skip
"""Those that have an index for so many. The stand-ins among them compare every vector."""


class Stored(NamedTuple):
    keys: list[str]
    rows: np.ndarray
    """Unit rows in clusters, as those of notes are: float32, shape (N, DIMENSION)."""
    queries: np.ndarray


@functools.cache
def stored() -> Stored:
    draw = np.random.default_rng(5)
    middles = draw.normal(size=(50, DIMENSION))
    rows = middles[draw.integers(50, size=N)] + draw.normal(size=(N, DIMENSION))
    queries = middles[draw.integers(50, size=N_QUERIES)] + draw.normal(size=(N_QUERIES, DIMENSION))
    rows, queries = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (rows, queries))
    return Stored([f"{'s' * 12}-{i:05}" for i in range(N)], rows.astype(np.float32), queries.astype(np.float32))


def put_all(backend: VectorBackend) -> None:
    backend.create_collection("notes", DIMENSION, "cosine")
    keys, rows, _ = stored()
    parts = [{"source": "s" * 12, "rare": i % RARE} for i in range(N)]
    backend.put_vectors("notes", Batch(keys, rows, parts, [{}] * N, [f"{i:016x}" for i in range(N)]))


def moved(one: VectorBackend, other: VectorBackend) -> None:
    """All of it, as `vragd store copy` does: there is nobody who embeds."""
    other.create_collection("notes", DIMENSION, "cosine")
    done = transfer(Collection(one, one.collection_info("notes"), ""), other, "notes")
    assert (done.n_put, done.is_whole) == (N, True)


def ten(backend: VectorBackend, query: np.ndarray, rare: int | None) -> dict[str, float]:
    """The nearest ten and their scores, the best first; of those alone that pass the filter, if it is one."""
    where = None if rare is None else equals("rare", rare)
    pushed, left = backend.split("notes", where)
    assert left is None
    return {match.key: match.score for match in backend.query("notes", query, 10, where=pushed).items}


def test_ten_thousand_go_there_and_back_and_are_found_as_they_are_here(backend_name: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("here", "there", "back")]
    for folder in folders:
        folder.mkdir()
    here, there, back = (
        make(folder)
        for make, folder in zip(
            (local("faiss", index="flat"), (FACTORIES | REAL)[backend_name], local("faiss", index="flat")), folders,
            strict=True,
        )
    )  # fmt: skip
    put_all(here)
    moved(here, there)
    is_exact = backend_name not in APPROXIMATE
    until(lambda: there.collection_info("notes").exact is is_exact, "the index that is meant for so many", 120)
    moved(there, back)
    rounded = there.traits.value_error or 0
    keys, rows, queries = stored()
    for rare in (None, 7):
        n_found = n_back = 0
        for query in queries:
            nearest, near, again = (ten(backend, query, rare) for backend in (here, there, back))
            assert len(nearest) == len(near) == 10
            if is_exact and rounded < 1e-5:
                assert list(near) == list(nearest), "to the very order"
            n_found += len(near.keys() & nearest.keys())
            n_back += len(again.keys() & nearest.keys())
            for key, score in near.items():
                truth = float(rows[int(key[13:])] @ query)
                assert score == pytest.approx(truth, abs=4 * rounded + 1e-4), "on the one scale"
        assert n_found >= (1 if is_exact else 0.95) * 10 * N_QUERIES, (rare, n_found)
        assert n_back >= 0.99 * 10 * N_QUERIES, (rare, n_back)
    assert measure(there, "notes").at_10 >= 0.95
    for one in (here, there, back):
        one.close()
