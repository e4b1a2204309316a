"""The 8-bit scan on FAISS's quicker paths, and stores that lost everything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vragd.backends import faiss
from vragd.backends.base import Vector
from vragd.backends.faiss import FaissBackend

NAME = "notes"
Open = Callable[[str], FaissBackend]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    return lambda index: FaissBackend(index, tmp_path)


def put(backend: FaissBackend, rows: np.ndarray, first: int = 0) -> None:
    backend.put_vectors(NAME, [Vector(f"k{first + i}", row) for i, row in enumerate(rows)])


@pytest.mark.parametrize("index", ["auto", "ivf", "hnsw"])
def test_a_store_that_lost_all_its_vectors_is_saved_as_such(opened: Open, index: str) -> None:
    backend = opened(index)
    backend.create_store(NAME, 16, "cosine")
    put(backend, np.random.default_rng(0).normal(size=(1_500, 16)).astype(np.float32))
    backend.flush(NAME)
    backend.delete_vectors(NAME, [f"k{i}" for i in range(1_500)])
    backend.close()
    assert list(opened(index).list_keys(NAME)) == []


@pytest.mark.parametrize("dimension", [32, 64, 384])
def test_the_8_bit_scan_misses_next_to_nothing_where_faiss_takes_its_quicker_paths(
    opened: Open, monkeypatch: pytest.MonkeyPatch, dimension: int
) -> None:
    monkeypatch.setattr(faiss, "SCAN_FROM", 1_000)
    rng = np.random.default_rng(3)
    rows, queries = (rng.normal(size=(n, dimension)).astype(np.float32) for n in (3_000, 50))
    backend = opened("auto")
    backend.create_store(NAME, dimension, "cosine")
    put(backend, rows[:2_000])
    put(backend, rows[2_000:], first=2_000)
    assert backend.get_store_info(NAME).detail["index"] == "scan"
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    hits = 0
    for query in queries:
        best = {f"k{i}" for i in np.argsort(-(unit @ query))[:10]}
        hits += len(best & {match.key for match in backend.query(NAME, query, 10)})
    assert hits >= 0.99 * 500


def test_where_rounding_would_cost_a_question_much_it_is_not_rounded(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss, "SCAN_FROM", 1_000)
    rng = np.random.default_rng(4)
    rows, queries = (rng.normal(size=(n, 64)).astype(np.float32) for n in (2_000, 50))
    for some in (rows, queries):
        some[:, 5] = np.sign(some[:, 5]) * 200  # it dwarfs the others, which decide all the same: half have its sign
    backend = opened("auto")
    backend.create_store(NAME, 64, "dot")
    put(backend, rows)
    assert backend.get_store_info(NAME).detail["index"] == "scan"
    found = [{match.key for match in backend.query(NAME, query, 10)} for query in queries]
    best = [{f"k{i}" for i in np.argsort(-(rows.astype(np.float64) @ query))[:10]} for query in queries]
    assert sum(len(a & b) for a, b in zip(found, best, strict=True)) >= 0.99 * 500


def test_a_cache_of_another_version_is_no_damage_and_leaves_nothing_behind(opened: Open, tmp_path: Path) -> None:
    backend = opened("flat")
    backend.create_store(NAME, 16, "cosine")
    put(backend, np.eye(16, dtype=np.float32))
    backend.close()
    (file,) = tmp_path.rglob("vectors.faiss")
    data = bytearray(file.read_bytes())
    data[0 if sys.byteorder == "little" else 7] -= 1
    file.write_bytes(data)
    assert list(opened("flat").list_keys(NAME)) == []
    assert [path.name for path in file.parent.iterdir()] == ["store.json"]
