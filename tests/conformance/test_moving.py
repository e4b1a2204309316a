"""Thousands of chunks go from FAISS into each backend and back, and are found there as they are found here."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.conformance.factories import FACTORIES, REAL, local
from tests.depth import at, deeper
from tests.harness import until
from vragd.backends.base import Batch, VectorBackend
from vragd.backends.recall import measure
from vragd.stores.moves.places import Collection
from vragd.stores.moves.transfer import transfer
from vragd.terms.filter import equals

pytestmark = [deeper, pytest.mark.slow, pytest.mark.timeout(600)]

MANY, DIMENSION, N_QUERIES = 10_100, 64, 10
"""All indexes are asked from a bit above ten thousand."""
FEW = {"s3vectors": 1_000}
"""Of those whose stand-in takes a minute for ten thousand: a daemon moves as many there."""
RARE = 100
"""One in so many passes the filter."""
APPROXIMATE = {
    "elasticsearch", "elasticsearch-node", "faiss-hnsw", "faiss-ivf", "opensearch", "opensearch-node", "pgvector",
    "pgvector-halfvec", "qdrant", "s3vectors",
}  # fmt: skip
"""Those that have an index for so many. The stand-ins among them compare every vector."""


class Stored(NamedTuple):
    """Unit rows in clusters, as those of notes are: float32, shape (n, DIMENSION)."""

    rows: np.ndarray
    queries: np.ndarray


@functools.cache
def stored(n: int) -> Stored:
    draw = np.random.default_rng(5)
    middles = draw.normal(size=(50, DIMENSION))
    rows = middles[draw.integers(50, size=n)] + draw.normal(size=(n, DIMENSION))
    queries = middles[draw.integers(50, size=N_QUERIES)] + draw.normal(size=(N_QUERIES, DIMENSION))
    rows, queries = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (rows, queries))
    return Stored(rows.astype(np.float32), queries.astype(np.float32))


def put_all(backend: VectorBackend, rows: np.ndarray) -> None:
    backend.create_collection("notes", DIMENSION, "cosine")
    n = len(rows)
    keys, parts = [f"{'s' * 12}-{i:05}" for i in range(n)], [{"source": "s" * 12, "rare": i % RARE} for i in range(n)]
    backend.put_vectors("notes", Batch(keys, rows, parts, [{}] * n, [f"{i:016x}" for i in range(n)]))


def moved(one: VectorBackend, other: VectorBackend, n: int) -> None:
    """All of it, as `vragd store copy` does: there is nobody who embeds."""
    other.create_collection("notes", DIMENSION, "cosine")
    done = transfer(Collection(one, one.collection_info("notes"), ""), other, "notes")
    assert (done.n_put, done.is_whole) == (n, True)


def ten(backend: VectorBackend, query: np.ndarray, rare: int | None) -> dict[str, float]:
    """The nearest ten and their scores, the best first; of those alone that pass the filter, if it is one."""
    pushed, left = backend.split("notes", None if rare is None else equals("rare", rare))
    assert left is None
    return {match.key: match.score for match in backend.query("notes", query, 10, where=pushed).items}


def test_ten_thousand_go_there_and_back_and_are_found_as_they_are_here(backend_name: str, tmp_path: Path) -> None:
    if backend_name.endswith(("-node-exact", "-node-hnsw")):
        pytest.skip("of a node one is enough: as its settings are without being told")
    folders = {name: tmp_path / name for name in ("here", "there", "back")}
    for folder in folders.values():
        folder.mkdir()
    here, back = (local("faiss", index="flat")(folders[name]) for name in ("here", "back"))
    there = (FACTORIES | REAL)[backend_name](folders["there"])
    n, is_exact = FEW.get(backend_name, MANY), backend_name not in APPROXIMATE
    if is_exact:
        n = at(1_500, n)
    elif not at(False, True) and backend_name in FACTORIES:
        pytest.skip("its index of so many is for make test-campaign")
    rows, queries = stored(n)
    put_all(here, rows)
    moved(here, there, n)
    until(lambda: there.collection_info("notes").exact is is_exact, "the index that is meant for so many", 60)
    moved(there, back, n)

    rounded = there.traits.value_error or 0
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
                truth = float(rows[int(key.partition("-")[2])] @ query)
                assert score == pytest.approx(truth, abs=4 * rounded + 1e-4), "on the one scale"
        assert n_found >= (1 if is_exact else 0.95) * 10 * N_QUERIES, (rare, n_found)
        assert n_back >= 0.99 * 10 * N_QUERIES, (rare, n_back)
    assert measure(there, "notes").at_10 >= 0.95
    for one in (here, there, back):
        one.close()
