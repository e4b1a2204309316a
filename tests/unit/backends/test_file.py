"""A folder of segments: what lies there, who may write it, and what happens when it is not what it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import xxhash

from vragd.backends.base import Batch, CollectionInfo, Entry
from vragd.backends.file.backend import create
from vragd.backends.file.settings import FileBackend
from vragd.backends.segments.backend import SegmentBackend
from vragd.errors import BackendDamaged, BackendRefused, BackendUnavailable, CollectionMismatch, UnknownCollection
from vragd.terms.filter import equals

HOLD = """
import sys
from pathlib import Path
from vragd.backends.file.backend import create
from vragd.backends.file.settings import FileBackend
create(FileBackend(type="file", path=sys.argv[1]), Path()).create_collection("theirs", 3, "cosine")
print("holds", flush=True)
sys.stdin.read()
"""
ONES = np.ones(3, dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


def opened(path: Path, **given: object) -> SegmentBackend:
    return create(FileBackend.model_validate({"type": "file", "path": str(path), **given}), Path())


def made(path: Path, n: int = 0) -> SegmentBackend:
    backend = opened(path)
    backend.create_collection("notes", 3, "cosine")
    if n:
        put(backend, *(f"k{i}" for i in range(n)))
    return backend


def put(backend: SegmentBackend, *keys: str, **data: bool) -> None:
    rows = [np.array([1, i + 1, len(key)], dtype=np.float32) for i, key in enumerate(keys)]
    backend.put_vectors("notes", Batch.of([Entry(key, row, data) for key, row in zip(keys, rows, strict=True)]))


def segments(path: Path) -> list[str]:
    return sorted(file.name for file in (path / "notes").glob("*.segment"))


def test_the_folder_holds_what_the_manifest_names_and_nothing_else(path: Path) -> None:
    backend = made(path, 3)
    put(backend, "more")
    manifest = json.loads((path / "notes" / "manifest.json").read_bytes())
    assert segments(path) == sorted(f"{name}.segment" for name in manifest["segments"])
    assert (manifest["dimension"], manifest["metric"], manifest["format"]) == (3, "cosine", 1)
    assert all(file.stat().st_mode & 0o077 == 0 for file in [path, *path.rglob("*")])


def test_there_are_few_segments_however_many_changes_were_made(path: Path) -> None:
    backend = made(path)
    alive = set()
    for i in range(300):
        put(backend, f"k{i}")
        alive.add(f"k{i}")
        if i % 3 == 0:
            backend.delete_vectors("notes", [f"k{i // 2}"])
            alive.discard(f"k{i // 2}")
    assert len(segments(path)) <= 10
    assert {key for key, _ in backend.list_keys("notes")} == alive
    backend.close()
    assert {key for key, _ in opened(path).list_keys("notes")} == alive


def test_what_was_deleted_does_not_come_back_when_segments_are_merged(path: Path) -> None:
    backend = made(path, 100)
    backend.delete_vectors("notes", ["k1"])
    for i in range(40):
        put(backend, f"new{i}")
    assert "k1" not in dict(backend.list_keys("notes"))
    put(backend, "k1")
    assert "k1" in dict(backend.list_keys("notes"))
    assert "k1" in dict(opened(path).list_keys("notes"))


def test_a_change_that_changes_nothing_writes_nothing(path: Path) -> None:
    backend = made(path, 3)
    before = segments(path)
    put(backend, "k0", "k1", "k2")
    backend.delete_vectors("notes", ["nobody"])
    assert segments(path) == before
    put(backend, "k0", "k1", "k2", done=True)
    assert segments(path) != before
    assert len(backend.query("notes", ONES, 9, where=equals("done", True)).items) == 3
    assert not backend.query("notes", ONES, 9, where=equals("done", 1)).items


def test_another_process_reads_beside_and_is_refused_by_pid_when_it_writes(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        backend = opened(path)
        assert backend.list_collections() == ["theirs"]
        with pytest.raises(BackendUnavailable, match=rf"\(pid {other.pid}\) writes"):
            backend.create_collection("notes", 3, "cosine")
        other.kill()
    put(made(path), "k")


def test_a_reader_sees_each_change_whole_while_segments_come_and_go(path: Path) -> None:
    writer, reader = made(path, 8), opened(path)
    done = threading.Event()
    faults: list[str] = []

    def read() -> None:
        while not done.is_set():
            found = {match.key for match in reader.query("notes", ONES, 999).items}
            if {key[1:] for key in found if key[0] == "a"} != {key[1:] for key in found if key[0] == "b"}:
                faults.append(f"half a change: {sorted(found)}")

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for i in range(120):
            put(writer, f"a{i}", f"b{i}")
            if i % 2:
                writer.delete_vectors("notes", [f"a{i - 1}", f"b{i - 1}"])
    finally:
        done.set()
        thread.join()
    assert faults == []


def test_what_a_crash_left_is_swept(path: Path) -> None:
    made(path, 3).close()
    (path / "notes" / "0123456789abcdef.segment").write_bytes(b"of nobody")
    (path / "notes" / ".manifest.json.00000000.tmp").write_bytes(b"{")
    backend = opened(path)
    backend.tend("notes")
    assert len(list((path / "notes").iterdir())) == 2
    assert len(dict(backend.list_keys("notes"))) == 3


@pytest.mark.parametrize("fault", ["flipped", "short", "empty", "gone", "manifest", "format"])
def test_what_is_damaged_is_said_and_left_as_it_is(path: Path, fault: str) -> None:
    made(path, 5).close()
    (segment,) = (path / "notes").glob("*.segment")
    manifest = path / "notes" / "manifest.json"
    if fault == "flipped":
        content = bytearray(segment.read_bytes())
        content[50] ^= 1
        segment.write_bytes(content)
    elif fault == "short":
        segment.write_bytes(segment.read_bytes()[:-1])
    elif fault == "empty":
        segment.write_bytes(b"")
    elif fault == "gone":
        segment.unlink()
    elif fault == "manifest":
        manifest.write_bytes(b'{"format": 1')
    else:
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    backend = opened(path)
    for call in (
        lambda: backend.query("notes", ONES, 1),
        lambda: put(backend, "more"),
        lambda: backend.create_collection("notes", 3, "cosine"),
    ):
        with pytest.raises(BackendRefused, match="is damaged") as caught:
            call()
        assert "move it away" in caught.value.hint
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("of", ["manifest", "segment"])
def test_what_a_newer_vragd_wrote_is_not_mended(path: Path, of: str) -> None:
    made(path, 5).close()
    (segment,) = (path / "notes").glob("*.segment")
    manifest = path / "notes" / "manifest.json"
    if of == "manifest":
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))
    else:
        body = b"vragdsg2" + segment.read_bytes()[8:-16]
        segment.write_bytes(body + xxhash.xxh3_128_digest(body))
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(BackendRefused, match="newer than this vragd") as caught:
        opened(path).mend_files("notes", CollectionInfo("notes", 3, "cosine"))
    assert "use the newer version" in caught.value.hint
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    "change", [('"dimension": 3', '"dimension": 2'), ('"cosine"', '"dot"'), ('"notes"', '"motes"')]
)
def test_a_manifest_that_says_something_else_than_was_written_is_damaged(path: Path, change: tuple[str, str]) -> None:
    made(path, 5).close()
    manifest = path / "notes" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(*change))
    backend = opened(path)
    with pytest.raises(BackendDamaged, match="checksum of its manifest"):
        backend.query("notes", ONES, 1)
    backend.mend_files("notes", CollectionInfo("notes", 3, "cosine", model="a model"))
    assert (backend.collection_info("notes").metric, len(dict(backend.list_keys("notes")))) == ("cosine", 5)


def test_a_manifest_of_before_there_was_a_checksum_is_read(path: Path) -> None:
    made(path, 5).close()
    manifest = path / "notes" / "manifest.json"
    said = json.loads(manifest.read_bytes())
    del said["digest"]
    manifest.write_text(json.dumps(said))
    assert len(dict(opened(path).list_keys("notes"))) == 5


@pytest.mark.parametrize("text", ['{"name": "An app", "start_url": "/"}', "[1, 2]", '"notes"'])
def test_a_manifest_of_somebody_else_is_not_called_damaged(path: Path, text: str) -> None:
    (path / "notes").mkdir(parents=True)
    (path / "notes/manifest.json").write_text(text)
    with pytest.raises(BackendRefused, match="is not vragd's") as caught:
        opened(path).create_collection("notes", 3, "cosine")
    assert "choose another path" in caught.value.hint
    assert (path / "notes/manifest.json").read_text() == text


def test_a_folder_that_was_removed_under_us_takes_no_writes_that_nobody_reads(path: Path) -> None:
    backend = made(path, 3)
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(UnknownCollection):
        put(backend, "k")
    assert not path.exists()
    assert backend.create_collection("notes", 3, "cosine").count == 0
    put(backend, "k")
    backend.close()
    assert dict(opened(path).list_keys("notes")) == {"k": ""}


def test_nothing_is_made_by_reading_and_nothing_in_a_vault(path: Path) -> None:
    assert opened(path).list_collections() == []
    with pytest.raises(UnknownCollection):
        opened(path).collection_info("notes")
    assert not path.exists()
    (path / ".obsidian").mkdir(parents=True)
    with pytest.raises(BackendRefused, match="is inside the vault"):
        made(path / "sub")
    assert [child.name for child in path.iterdir()] == [".obsidian"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a\0b"])
def test_a_name_that_is_no_folder_is_refused(path: Path, name: str) -> None:
    with pytest.raises(CollectionMismatch, match="cannot be the name"):
        opened(path).create_collection(name, 3, "cosine")
    assert not path.exists()


@pytest.mark.parametrize("left", ["photo.jpg", "2020/photo.jpg", ".obsidian/app.json", "my.segment", "note.md"])
def test_a_folder_of_somebody_else_that_has_the_name_of_a_store_is_left_as_it_is(path: Path, left: str) -> None:
    theirs = path / "notes" / left
    theirs.parent.mkdir(parents=True)
    theirs.write_text("precious")
    mode = (path / "notes").stat().st_mode
    with pytest.raises(BackendRefused, match=r"holds what vragd did not make|is inside the vault"):
        made(path)
    assert [file for file in path.rglob("*") if file.is_file()] == [theirs]
    assert theirs.read_text() == "precious"
    assert (path / "notes").stat().st_mode == mode


def test_what_an_interrupted_deletion_left_makes_room_for_a_new_store(path: Path) -> None:
    made(path, 3).close()
    (path / "notes" / "manifest.json").unlink()
    (path / "notes" / ".manifest.json.0123abcd.tmp").write_bytes(b"half")
    assert made(path, 1).collection_info("notes").count == 1
    assert len(list((path / "notes").iterdir())) == 2


def test_what_somebody_else_put_beside_the_segments_outlives_the_store(path: Path) -> None:
    backend = made(path, 3)
    theirs = [path / "notes" / name for name in ("README.md", ".draft.tmp", "old/.x.tmp")]
    for file in theirs:
        file.parent.mkdir(exist_ok=True)
        file.write_text("precious")
    backend.tend("notes")
    backend.delete_collection("notes", identity=backend.collection_info("notes").identity)
    assert sorted(file for file in path.rglob("*") if file.is_file()) == sorted(theirs)


def test_a_vault_is_no_place_for_vectors_nor_is_its_own_folder(path: Path) -> None:
    (path / ".obsidian").mkdir(parents=True)
    with pytest.raises(BackendRefused, match="is inside the vault"):
        made(path)
    assert [file.name for file in path.iterdir()] == [".obsidian"]


def test_a_path_that_cannot_be_a_folder_is_said_of_the_backend_and_not_of_the_data_directory(path: Path) -> None:
    path.write_text("a file")
    with pytest.raises(BackendUnavailable) as caught:
        made(path)
    assert str(path) in caught.value.hint
    assert "paths.data" not in caught.value.hint


def test_a_segment_that_is_cut_while_it_is_mapped_is_an_error_and_ends_no_process(path: Path) -> None:
    backend = made(path, 2_000)  # more than the page that can be read although the file ends in it
    (segment,) = (path / "notes").glob("*.segment")
    os.truncate(segment, 100)
    with pytest.raises(BackendRefused, match="became shorter"):
        backend.query("notes", ONES, 3)
    with pytest.raises(BackendRefused, match="became shorter"):
        backend.get("notes", ["k1999"])
    segment.unlink()
    with pytest.raises(BackendRefused, match="is damaged"):
        opened(path).query("notes", ONES, 3)


def test_a_copy_of_a_store_beside_it_is_a_store_of_its_own(path: Path) -> None:
    backend = made(path, 2)
    shutil.copytree(path / "notes", path / "backup")
    assert [backend.collection_info(name).name for name in backend.list_collections()] == ["backup", "notes"]
    put(backend, "more")
    assert [backend.collection_info(name).count for name in ("backup", "notes")] == [2, 3]
    info = backend.collection_info("backup")
    backend.delete_collection(info.name, identity=info.identity)
    assert backend.list_collections() == ["notes"]
