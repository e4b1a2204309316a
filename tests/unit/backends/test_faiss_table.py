"""The table of what lies in which slot of a FAISS store."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from tests.backends import delete, keys, nearest, put
from vragd.backends.base import Entry
from vragd.backends.faiss.backend import FaissBackend
from vragd.backends.faiss.table import Table
from vragd.errors import StoreMismatch, UnknownCollection


def test_a_name_that_leads_elsewhere_is_no_store(tmp_path: Path) -> None:
    backend = FaissBackend("flat", tmp_path / "data")
    (tmp_path / "precious").touch()
    for name in ("", ".", "..", "../x", "a/b"):
        with pytest.raises(UnknownCollection):
            delete(backend, name)
        with pytest.raises(StoreMismatch):
            backend.create_collection(name, 4, "cosine")
    assert (tmp_path / "precious").exists()


def test_a_store_whose_record_is_damaged_is_made_anew(tmp_path: Path) -> None:
    backend = FaissBackend("flat", tmp_path)
    backend.create_collection("sss", 4, "cosine")
    put(backend, "sss", [Entry("a", np.ones(4, dtype=np.float32))])
    backend.close()
    (tmp_path / "sss/store.json").write_text("{ torn")
    again = FaissBackend("flat", tmp_path)
    assert again.list_collections() == []
    again.create_collection("sss", 4, "cosine")
    assert keys(again, "sss") == []


def test_what_was_deleted_is_not_in_the_file_after_a_stop(tmp_path: Path) -> None:
    backend = FaissBackend("flat", tmp_path)
    backend.create_collection("sss", 4, "dot")
    rows = np.random.default_rng(0).normal(size=(1_000, 4)).astype(np.float32)
    put(backend, "sss", [Entry(f"k{i}", row) for i, row in enumerate(rows)])
    backend.close()
    assert rows[7].tobytes() in (tmp_path / "sss/vectors.faiss").read_bytes()
    backend = FaissBackend("flat", tmp_path)
    backend.delete_vectors("sss", ["k7"])
    backend.close()
    assert rows[7].tobytes() not in (tmp_path / "sss/vectors.faiss").read_bytes()


def test_a_table_plans_without_changing_and_reuses_what_is_free() -> None:
    table = Table()
    table.assign(["a", "b", "c"], table.plan(["a", "b", "c"], in_place=True), [{}] * 3, [""] * 3)
    table.remove(["a", "b"])
    slots = table.plan(["c", "x", "y", "z"], in_place=True)
    assert table.slots == {"c": 2}
    assert slots[0] == 2
    assert sorted(slots[1:3].tolist()) == [0, 1]
    assert slots[3] == 3
    table.assign(["c", "x", "y", "z"], slots, [{}] * 4, [""] * 4)
    assert (table.free, table.size) == ([], 4)


def test_a_table_holds_equal_metadata_once_and_forgets_what_is_unused() -> None:
    table = Table()
    kinds = [{"n": 1}, {"n": True}, {"n": 1.0}, {"n": 1}]
    table.assign(list("abcd"), table.plan(list("abcd"), in_place=True), kinds, [""] * 4)
    assert table.metadata(0) is table.metadata(3)
    assert [type(table.metadata(slot)["n"]) for slot in range(3)] == [int, bool, float]
    table.remove(["b", "c"])
    table.assign(["e"], table.plan(["e"], in_place=True), [{"m": "x"}], [""])
    content = table.dump({})
    assert content.count(b'{"n":1}') == 1
    assert b"true" not in content


@pytest.mark.parametrize("index", ["flat", "hnsw", "auto"])
def test_a_file_that_is_of_another_collection_is_closed_once(index: str, tmp_path: Path) -> None:
    backend = FaissBackend(index, tmp_path)
    backend.create_collection("sss", 8, "cosine")
    put(backend, "sss", [Entry("a", np.ones(8, dtype=np.float32))])
    backend.close()
    record = tmp_path / "sss/store.json"
    record.write_text(record.read_text().replace('"dimension": 8', '"dimension": 4'))
    others: list[int] = []

    def opens(_: FrameType, event: str, function: object) -> None:
        if event == "c_return" and function is os.close:
            others.append(os.open(tmp_path, os.O_RDONLY))  # the same number again, as another thread may get it

    sys.setprofile(opens)
    try:
        assert keys(FaissBackend(index, tmp_path), "sss") == []
    finally:
        sys.setprofile(None)
    assert others
    for other in others:
        os.fstat(other)
        os.close(other)


@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_what_is_put_after_a_change_that_failed_half_way_is_found_by_its_own_vector(index: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32)
    backend = FaissBackend(index, tmp_path)
    backend.create_collection("sss", 16, "cosine")
    put(backend, "sss", [Entry(f"k{i}", rows[i]) for i in range(3)])
    nobody_can_keep: Any = {"folder": object()}
    with pytest.raises(TypeError):
        put(backend, "sss", [Entry("k3", rows[3]), Entry("k4", rows[4], nobody_can_keep)])
    put(backend, "sss", [Entry(f"k{i}", rows[i]) for i in (5, 6)])
    for i in (0, 1, 2, 5, 6):
        (best,) = nearest(backend, "sss", rows[i], 1)
        assert (best.key, round(best.score, 3)) == (f"k{i}", 1.0)
    backend.close()
    again = FaissBackend(index, tmp_path)
    for i in (0, 1, 2, 5, 6):
        assert nearest(again, "sss", rows[i], 1)[0].key == f"k{i}"
