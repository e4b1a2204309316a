"""Vectors on disk: near enough, of any scale, and those of an older catalog packed where they lie."""

from __future__ import annotations

from pathlib import Path

import apsw
import numpy as np
import pytest

from vragd.catalog.schema import MIGRATIONS
from vragd.catalog.writer import Catalog
from vragd.system import packed
from vragd.system.sqlite import APPLICATION_ID


def rows_of(n: int, dimension: int, scale: float = 1.0) -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(n, dimension))
    return (scale * rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("scale", [1.0, 1e-20, 1e20])
@pytest.mark.parametrize("dimension", [1, 3, 384])
def test_no_value_is_off_by_more_than_a_65534th_of_the_largest(dimension: int, scale: float) -> None:
    rows = rows_of(50, dimension, scale)
    again = packed.unpack(packed.pack(rows))
    assert again.dtype == np.float32
    largest = np.abs(rows).max(axis=1, keepdims=True)
    assert (np.abs(again - rows) <= largest / 65_534 * 1.01).all()


def test_packing_what_was_unpacked_changes_nothing() -> None:
    records = packed.pack(rows_of(50, 384))
    assert packed.pack(packed.unpack(records)).tobytes() == records.tobytes()


def test_a_row_of_zeros_stays_one() -> None:
    assert packed.unpack(packed.pack(np.zeros((2, 5), dtype=np.float32))).tolist() == [[0.0] * 5] * 2


def test_a_packed_row_has_the_bytes_it_says() -> None:
    assert len(packed.pack(rows_of(1, 384)).tobytes()) == packed.bytes_of(384) == packed.kind(384).itemsize


def test_a_catalog_of_float_vectors_is_packed_when_it_is_opened(tmp_path: Path) -> None:
    rows = rows_of(20, 384)
    old = apsw.Connection(str(tmp_path / "catalog.db"))
    for step in MIGRATIONS[:2]:
        step(old)
    old.execute("pragma user_version = 2")
    old.execute(f"pragma application_id = {APPLICATION_ID}")
    old.execute("insert into space values (1, 'f', '{}', 384, 'c', '')")
    for i, row in enumerate(rows):
        old.execute("insert into embedding values (?, 1, ?, ?, null)", (i, bytes([i]), row.tobytes()))
    old.close()
    catalog = Catalog(tmp_path / "catalog.db")
    found = catalog.embeddings(1, [bytes([i]) for i in range(20)])
    assert np.allclose(np.stack([found[bytes([i])] for i in range(20)]), rows, atol=2e-5)
    catalog.close()
