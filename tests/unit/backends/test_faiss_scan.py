"""The 8-bit scan on FAISS's quicker paths, and stores that lost everything."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends import keys, nearest
from tests.unit.backends.faiss_folder import NAME, Open, put
from vragd.backends.base import Batch, Entry
from vragd.backends.faiss import layout
from vragd.backends.faiss.collection import Tuning
from vragd.terms.filter import equals


@pytest.mark.parametrize("index", ["auto", "ivf", "hnsw"])
def test_a_store_that_lost_all_its_vectors_is_saved_as_such(opened: Open, index: str) -> None:
    backend = opened(index)
    backend.create_collection(NAME, 16, "cosine")
    put(backend, np.random.default_rng(0).normal(size=(1_500, 16)).astype(np.float32))
    backend.tend(NAME)
    backend.delete_vectors(NAME, [f"k{i}" for i in range(1_500)])
    backend.close()
    assert keys(opened(index), NAME) == []


@pytest.mark.parametrize("dimension", [32, 64, 384])
def test_the_8_bit_scan_misses_next_to_nothing_where_faiss_takes_its_quicker_paths(
    opened: Open, dimension: int
) -> None:
    opened.tuning = Tuning(scan_from=1_000)
    rng = np.random.default_rng(3)
    rows, queries = (rng.normal(size=(n, dimension)).astype(np.float32) for n in (3_000, 50))
    backend = opened("auto")
    backend.create_collection(NAME, dimension, "cosine")
    put(backend, rows[:2_000])
    put(backend, rows[2_000:], first=2_000)
    detail = backend.collection_info(NAME).detail
    assert (detail["index"], detail["rounds_questions"]) == ("scan", True)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    hits = 0
    for query in queries:
        best = {f"k{i}" for i in np.argsort(-(unit @ query))[:10]}
        hits += len(best & {match.key for match in nearest(backend, NAME, query, 10)})
    assert hits >= 0.99 * 500


def test_where_rounding_would_cost_a_question_much_it_is_not_rounded(opened: Open) -> None:
    opened.tuning = Tuning(scan_from=1_000)
    rng = np.random.default_rng(4)
    rows, queries = (rng.normal(size=(n, 64)).astype(np.float32) for n in (2_000, 50))
    for some in (rows, queries):
        some[:, 5] = np.sign(some[:, 5]) * 200  # it dwarfs the others, which decide all the same: half have its sign
    backend = opened("auto")
    backend.create_collection(NAME, 64, "dot")
    put(backend, rows)
    detail = backend.collection_info(NAME).detail
    assert (detail["index"], detail["rounds_questions"]) == ("scan", False)
    found = [{match.key for match in nearest(backend, NAME, query, 10)} for query in queries]
    best = [{f"k{i}" for i in np.argsort(-(rows.astype(np.float64) @ query))[:10]} for query in queries]
    assert sum(len(a & b) for a, b in zip(found, best, strict=True)) >= 0.99 * 500


@pytest.mark.parametrize("n_parts", [1, 2, 3])
def test_however_many_indexes_the_slots_are_dealt_to_the_same_is_found(
    opened: Open, monkeypatch: pytest.MonkeyPatch, n_parts: int
) -> None:
    opened.tuning = Tuning(scan_from=200)
    monkeypatch.setattr(layout, "_N_PARTS", n_parts)
    rng = np.random.default_rng(5)
    rows = {f"k{i}": rng.normal(size=32).astype(np.float32) for i in range(601)}
    folder = {key: ("even" if i % 2 == 0 else "odd",) for i, key in enumerate(rows)}
    backend = opened("auto")
    backend.create_collection(NAME, 32, "dot")
    backend.put_vectors(NAME, Batch.of([Entry(key, row, {"folder": folder[key]}) for key, row in rows.items()]))
    for key in [f"k{i}" for i in range(0, 300, 7)]:
        backend.delete_vectors(NAME, [key])
        del rows[key]
    rows["k1"] = rows["k2"] * 2
    backend.put_vectors(NAME, Batch.of([Entry("k1", rows["k1"], {"folder": folder["k1"]})]))
    backend.close()
    monkeypatch.setattr(layout, "_N_PARTS", 4 - n_parts)  # the file does not depend on it
    again = opened("auto")
    assert again.collection_info(NAME).detail["index"] == "scan"
    for where in (None, equals("folder", "odd")):
        for query in rng.normal(size=(20, 32)).astype(np.float32):
            own = [key for key in rows if where is None or folder[key] == ("odd",)]
            best = sorted(own, key=lambda key: -float(rows[key].astype(np.float64) @ query))[:10]
            assert [match.key for match in nearest(again, NAME, query, 10, where=where)] == best
    assert len(nearest(again, NAME, query, 5_000)) == len(rows)


@pytest.mark.parametrize("size", [1e-30, 1e30, 3e38])
def test_a_question_of_any_length_finds_the_same(opened: Open, size: float) -> None:
    opened.tuning = Tuning(scan_from=200)
    rng = np.random.default_rng(6)
    backend = opened("auto")
    backend.create_collection(NAME, 32, "dot")
    put(backend, rng.normal(size=(500, 32)).astype(np.float32) * 1000)
    for query in rng.normal(size=(10, 32)):
        unit = (query / np.abs(query).max()).astype(np.float32)
        found = [match.key for match in nearest(backend, NAME, unit * np.float32(size), 10)]
        assert found == [match.key for match in nearest(backend, NAME, unit, 10)]


def test_a_question_unlike_all_rows_looks_further(opened: Open) -> None:
    opened.tuning = Tuning(scan_from=1_000)
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(4_000, 64)).astype(np.float32)
    rows[:, 0] = np.sign(rows[:, 0])
    backend = opened("auto")
    backend.create_collection(NAME, 64, "dot")
    put(backend, rows)
    assert backend.collection_info(NAME).detail["rounds_questions"]
    hits = 0
    for query in rng.normal(size=(50, 64)).astype(np.float32):
        query[0] = 1_000
        best = {f"k{i}" for i in np.argsort(-(rows.astype(np.float64) @ query))[:10]}
        hits += len(best & {match.key for match in nearest(backend, NAME, query, 10)})
    assert hits >= 0.98 * 500


def test_a_cache_of_another_version_is_no_damage_and_leaves_nothing_behind(opened: Open, tmp_path: Path) -> None:
    backend = opened("flat")
    backend.create_collection(NAME, 16, "cosine")
    put(backend, np.eye(16, dtype=np.float32))
    backend.close()
    (file,) = tmp_path.rglob("vectors.faiss")
    data = bytearray(file.read_bytes())
    data[0 if sys.byteorder == "little" else 7] -= 1
    file.write_bytes(data)
    assert keys(opened("flat"), NAME) == []
    assert [path.name for path in file.parent.iterdir()] == ["store.json"]
