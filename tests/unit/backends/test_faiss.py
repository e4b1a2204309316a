"""The FAISS backend's file, and the layouts a store grows through. What every backend promises: tests/conformance."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.backends import keys, nearest, values
from tests.unit.backends.faiss_folder import NAME, Open, put
from vragd.backends.base import Batch, Entry
from vragd.backends.faiss.backend import FaissBackend
from vragd.backends.faiss.collection import Tuning

DIM = 16


def rows_of(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    unit: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def filled(backend: FaissBackend, n: int) -> np.ndarray:
    backend.create_collection(NAME, DIM, "cosine")
    rows = rows_of(n)
    put(backend, rows)
    return rows


def kind(backend: FaissBackend) -> str:
    return str(backend.collection_info(NAME).detail["index"])


def on_disk(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What a write of any kind would change."""
    return {p.name: (p.stat().st_ino, p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def recall(backend: FaissBackend, rows: np.ndarray, queries: np.ndarray, gone: Sequence[int] = ()) -> float:
    """Share of the ten nearest of `rows`, row i being key ki, that the backend finds."""
    shares = []
    for query in queries:
        scores = rows @ query
        scores[list(gone)] = -2
        best = {f"k{i}" for i in np.argsort(-scores)[:10]}
        shares.append(len(best & {match.key for match in nearest(backend, NAME, query, 10)}) / 10)
    return float(np.mean(shares))


# --- the file ------------------------------------------------------------------------------------------


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a bit flipped in the rows": lambda data: flipped(data, len(data) // 2),
    "a bit flipped in the last row": lambda data: flipped(data, -17),
    "a bit flipped in the table": lambda data: flipped(data, 100),
    "a bit flipped in the checksum": lambda data: flipped(data, -1),
    "another magic": lambda data: bytes(8) + data[8:],
    "sizes beyond the file": lambda data: data[:32] + b"\xff" * 40 + data[72:],
    "empty": lambda data: b"",
    "cut in the header": lambda data: data[:40],
    "cut in the table": lambda data: data[:300],
    "cut in the rows": lambda data: data[: len(data) // 2],
    "the last byte missing": lambda data: data[:-1],
    "a byte too many": lambda data: data + b"\0",
    "another file": lambda data: b"not an index at all\n" * 100,
}


@pytest.mark.parametrize("index", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_moved_aside_and_the_store_opens_empty(
    damage: Callable[[bytes], bytes], index: str, opened: Open, tmp_path: Path
) -> None:
    opened.tuning = Tuning(ivf_from=100)
    first = opened(index)
    rows = filled(first, 200)
    first.close()
    cache = tmp_path / NAME / "vectors.faiss"
    bad = damage(cache.read_bytes())
    cache.write_bytes(bad)
    again = opened(index)
    assert keys(again, NAME) == []
    assert nearest(again, NAME, rows[0], 5) == []
    info = again.collection_info(NAME)
    assert (info.dimension, info.metric, info.count) == (DIM, "cosine", 0)
    assert [path.read_bytes() for path in cache.parent.glob("*.corrupt")] == [bad]
    put(again, rows)
    again.close()
    assert len(keys(opened(index), NAME)) == 200


def test_only_the_newest_damaged_file_is_kept(opened: Open, tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        backend = opened()
        filled(backend, 20)
        backend.close()
        (tmp_path / NAME / "vectors.faiss").write_bytes(text)
        assert keys(opened(), NAME) == []
    assert [path.read_bytes() for path in (tmp_path / NAME).glob("*.corrupt")] == [b"second"]


def test_files_are_private(opened: Open, tmp_path: Path) -> None:
    backend = opened()
    filled(backend, 20)
    backend.close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / NAME).iterdir()}
    assert modes == {"store.json": 0o600, "vectors.faiss": 0o600}
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o700


def test_a_store_is_there_after_a_crash_before_anything_was_written(opened: Open) -> None:
    filled(opened(), 20)
    assert opened().list_collections() == [NAME]
    assert keys(opened(), NAME) == []


def test_metadata_come_back_from_the_file_with_their_types(opened: Open) -> None:
    first = opened()
    first.create_collection(NAME, DIM, "cosine")
    metadata = {"folder": ("a", "a/b"), "n": 1, "share": 1.0, "yes": True, "name": "é"}
    first.put_vectors(NAME, Batch.of([Entry("k0", rows_of(1)[0], metadata), Entry("k1", rows_of(1)[0])]))
    first.close()
    found = {match.key: dict(match.metadata) for match in nearest(opened(), NAME, rows_of(1)[0], 5, payload=True)}
    assert found == {"k0": metadata, "k1": {}}
    assert (type(found["k0"]["n"]), type(found["k0"]["share"]), type(found["k0"]["yes"])) == (int, float, bool)


# --- when it is written --------------------------------------------------------------------------------


@pytest.mark.parametrize("index", ["flat", "ivf", "hnsw"])
def test_puts_and_deletes_write_nothing(index: str, opened: Open, tmp_path: Path) -> None:
    opened.tuning = Tuning(ivf_from=100)
    first = opened(index)
    filled(first, 300)
    first.close()
    backend, before = opened(index), on_disk(tmp_path)
    put(backend, rows_of(5, seed=1), first=298)
    backend.delete_vectors(NAME, ["k0", "k1"])
    nearest(backend, NAME, rows_of(1)[0], 5)
    assert on_disk(tmp_path) == before


def test_flush_writes_when_a_tenth_and_a_thousand_have_changed(opened: Open, tmp_path: Path) -> None:
    backend = opened()
    filled(backend, 999)
    backend.tend(NAME)
    assert not (tmp_path / NAME / "vectors.faiss").exists()
    put(backend, rows_of(11_000, seed=1), first=999)
    backend.tend(NAME)
    before = on_disk(tmp_path)
    assert "vectors.faiss" in before
    put(backend, rows_of(1_100, seed=2))
    backend.tend(NAME)
    assert on_disk(tmp_path) == before
    put(backend, rows_of(200, seed=3), first=2_000)
    backend.tend(NAME)
    assert on_disk(tmp_path) != before


def test_putting_the_same_again_changes_nothing(opened: Open, tmp_path: Path) -> None:
    first = opened()
    rows = filled(first, 50)
    first.close()
    backend, before = opened(), on_disk(tmp_path)
    put(backend, rows)
    assert backend.collection_info(NAME).detail["unsaved_changes"] == 0
    backend.close()
    assert on_disk(tmp_path) == before


FLUSH_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from vragd.backends.base import Batch, Entry
from vragd.backends.faiss.backend import FaissBackend
from vragd.backends.faiss.collection import Tuning
from vragd.errors import DiskFull

most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
backend = FaissBackend("flat", Path(sys.argv[1]), Tuning())
rows = np.random.default_rng(1).normal(size=(3_000, 16)).astype(np.float32)
backend.put_vectors("notes", Batch.of([Entry(f"new{i}", row) for i, row in enumerate(rows)]))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
try:
    backend.tend("notes")
except DiskFull:
    assert len(list(backend.list_keys("notes"))) == 3_200
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if sys.argv[2] == "retry":
        backend.tend("notes")
    sys.exit(7)
"""


@pytest.mark.parametrize(("then", "held"), [("crash", 200), ("retry", 3_200)])
@pytest.mark.slow
def test_a_full_disk_fails_the_flush_and_leaves_the_old_file(
    then: str, held: int, opened: Open, tmp_path: Path
) -> None:
    first = opened()
    filled(first, 200)
    first.close()
    names = set(on_disk(tmp_path))
    run = subprocess.run(
        [sys.executable, "-c", FLUSH_ON_A_FULL_DISK, str(tmp_path), then],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (7, "")
    assert set(on_disk(tmp_path)) == names
    assert len(keys(opened(), NAME)) == held


# --- slots -----------------------------------------------------------------------------------------------


def test_free_slots_are_filled_before_new_ones_are_made(opened: Open, tmp_path: Path) -> None:
    sizes: list[int] = []
    for turn in range(4):
        backend = opened()
        backend.create_collection(NAME, DIM, "cosine")
        backend.delete_vectors(NAME, keys(backend, NAME))
        put(backend, rows_of(400, seed=turn), first=400 * (turn % 2))
        backend.close()
        sizes.append((tmp_path / NAME / "vectors.faiss").stat().st_size)
    assert max(sizes) - min(sizes) < 400  # the keys differ in length, the rows do not


def test_values_that_were_deleted_leave_the_file(opened: Open, tmp_path: Path) -> None:
    backend = opened()
    rows = filled(backend, 50)
    backend.close()
    cache = tmp_path / NAME / "vectors.faiss"
    assert rows[7].tobytes() in cache.read_bytes()
    again = opened()
    again.delete_vectors(NAME, ["k7"])
    again.close()
    assert rows[7].tobytes() not in cache.read_bytes()


# --- layouts -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_hnsw_is_built_anew_once_a_quarter_is_deleted(opened: Open, tmp_path: Path) -> None:
    backend = opened("hnsw")
    rows = filled(backend, 2_000)
    gone = list(range(1_100))
    backend.delete_vectors(NAME, [f"k{i}" for i in gone])
    assert recall(backend, rows, rows_of(30, seed=1), gone) >= 0.95
    backend.close()
    assert (tmp_path / NAME / "vectors.faiss").stat().st_size < 1_100 * (4 * DIM + 4 * 64 + 100)
    again = opened("hnsw")
    assert set(keys(again, NAME)) == {f"k{i}" for i in range(1_100, 2_000)}
    assert recall(again, rows, rows_of(30, seed=1), gone) >= 0.95


@pytest.mark.parametrize("index", ["flat", "ivf", "hnsw"])
def test_the_newest_value_of_a_key_is_the_only_one(index: str, opened: Open) -> None:
    opened.tuning = Tuning(ivf_from=100)
    backend = opened(index)
    rows = filled(backend, 300)
    for turn in range(1, 4):
        put(backend, rows_of(300, seed=turn))
    found = nearest(backend, NAME, rows[5], 300)
    assert sorted(match.key for match in found) == sorted(f"k{i}" for i in range(300))
    assert max(match.score for match in found) < 0.999
    assert nearest(backend, NAME, rows_of(300, seed=3)[5], 1)[0].key == "k5"


def test_lists_begin_when_there_is_enough_to_train_on_and_lose_no_key(opened: Open) -> None:
    backend = opened("ivf")
    rows = np.concatenate([filled(backend, 4_000), rows_of(1_000, seed=1)])
    assert kind(backend) == "flat"
    put(backend, rows[4_000:], first=4_000)
    assert kind(backend) == "ivf"
    assert len(set(keys(backend, NAME))) == 5_000
    assert all(nearest(backend, NAME, rows[i], 1)[0].key == f"k{i}" for i in range(0, 5_000, 25))
    assert recall(backend, rows, rows_of(50, seed=9)) >= 0.9
    backend.close()
    assert kind(again := opened("ivf")) == "ivf"
    assert recall(again, rows, rows_of(50, seed=9)) >= 0.9


def test_lists_are_trained_again_when_the_store_has_grown_fourfold(opened: Open) -> None:
    opened.tuning = Tuning(ivf_from=200)
    backend = opened("ivf")
    filled(backend, 200)
    lists = backend.collection_info(NAME).detail["lists"]
    put(backend, rows_of(600, seed=1), first=200)
    assert backend.collection_info(NAME).detail["lists"] > lists


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_the_8_bit_scan_answers_as_the_float_scan_does(metric: str, opened: Open, tmp_path: Path) -> None:
    opened.tuning = Tuning(scan_from=500)
    scan, flat = opened("auto"), FaissBackend("flat", tmp_path / "other")
    rows, newer = rows_of(3_000) + np.float32(0.3), rows_of(200, seed=1)
    for backend in (scan, flat):
        backend.create_collection(NAME, DIM, metric)  # type: ignore[arg-type]
        put(backend, rows)
    assert (kind(scan), kind(flat)) == ("scan", "flat")

    def same(backend: FaissBackend) -> None:
        for query in rows_of(30, seed=2):
            found, truth = nearest(backend, NAME, query, 10), nearest(flat, NAME, query, 10)
            assert [m.key for m in found] == [m.key for m in truth]
            assert [m.score for m in found] == pytest.approx([m.score for m in truth], abs=2e-5)  # 16-bit rows

    same(scan)  # rows in memory
    scan.tend(NAME)
    assert scan.collection_info(NAME).detail["rows_in_memory"] == 0
    same(scan)  # rows in the file
    for backend in (scan, flat):
        put(backend, newer, first=2_900)
        backend.delete_vectors(NAME, [f"k{i}" for i in range(500)])
    same(scan)  # some of each
    scan.close()
    again = opened("auto")
    assert kind(again) == "scan"
    same(again)  # all from the file
    assert values(again, NAME, ["k0", "k2950"]).keys() == {"k2950"}


def test_auto_keeps_floats_for_euclidean_distances(opened: Open) -> None:
    opened.tuning = Tuning(scan_from=50)
    backend = opened("auto")
    backend.create_collection(NAME, DIM, "euclidean")
    put(backend, rows_of(100))
    assert kind(backend) == "flat"


def test_a_store_opened_with_another_kind_of_index_keeps_everything(opened: Open) -> None:
    opened.tuning = Tuning(scan_from=100, ivf_from=100)
    first = opened("flat")
    rows = filled(first, 400)
    first.close()
    for index, layout in (("hnsw", "hnsw"), ("ivf", "ivf"), ("auto", "scan"), ("flat", "flat")):
        backend = opened(index)
        assert kind(backend) == layout
        held = values(backend, NAME, [f"k{i}" for i in range(400)])
        assert np.allclose(np.stack([held[f"k{i}"] for i in range(400)]), rows, atol=2e-5)
        assert nearest(backend, NAME, rows[3], 1)[0].key == "k3"
        backend.close()
