"""Segments in a bucket: what lies there, what each call costs, and what several at once make of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.backends import delete, keys, nearest
from tests.fakes.s3 import FakeS3
from tests.unit.backends.bucket import (
    MANIFEST,
    ONES,
    Clock,
    Hook,
    check_tidy,
    error_of,
    filled,
    found,
    held,
    objects,
    opened,
    put,
)
from vragd.backends.file.backend import create as in_folder
from vragd.backends.file.settings import FileBackend
from vragd.errors import CollectionMismatch, UnknownCollection, VragdError


@pytest.fixture
def s3(fake_s3: FakeS3) -> FakeS3:
    return fake_s3


# -- what lies there, and what it costs ------------------------------------------------------------------


def test_what_is_below_the_prefix_is_a_folder_of_the_backend_of_folders(s3: FakeS3, tmp_path: Path) -> None:
    backend = filled(s3, 30)
    backend.delete_vectors("notes", ["k3"])
    check_tidy(s3)
    for key, body in objects(s3).items():
        file = tmp_path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    folder = in_folder(FileBackend(type="file", path=str(tmp_path / "mine")), tmp_path)
    assert nearest(folder, "notes", ONES, 99) == nearest(backend, "notes", ONES, 99)
    assert set(keys(folder, "notes")) == held(backend)


def test_a_save_is_one_segment_and_one_manifest_and_reads_nothing(s3: FakeS3) -> None:
    backend = filled(s3, 100, look_s=1.0)
    s3.calls.clear()
    s3.n_bytes.clear()
    put(backend, "new")
    assert found(backend) >= {"new", "k0"}
    assert (s3.calls, s3.n_bytes["GetObject"]) == ({"PutObject": 2}, 0)
    backend.delete_vectors("notes", ["nobody"])
    put(backend, "new")
    assert s3.calls["PutObject"] == 2, "nothing was to be done"


def test_who_reads_fetches_what_changed(s3: FakeS3) -> None:
    writer, reader = filled(s3, 500), opened(s3)
    assert len(found(reader)) == 500
    s3.n_bytes.clear()
    found(reader)
    assert s3.n_bytes["GetObject"] == 0
    put(writer, "new")
    assert "new" in found(reader)
    assert s3.n_bytes["GetObject"] < 1_200


def test_questions_look_for_what_others_changed_now_and_then_and_see_their_own_at_once(s3: FakeS3) -> None:
    clock = Clock()
    backend, other = filled(s3, 3, look_s=1.0, clock=clock), opened(s3)
    found(backend)
    put(other, "theirs")
    s3.calls.clear()
    assert "theirs" not in found(backend)
    assert not s3.calls
    put(backend, "ours")
    assert {"ours", "theirs"} <= found(backend)
    backend.delete_vectors("notes", ["ours"])
    assert "ours" not in found(backend)
    other.delete_vectors("notes", ["theirs"])
    clock.now += 1.0
    assert found(backend) == {"k0", "k1", "k2"}
    delete(backend, "notes")
    with pytest.raises(UnknownCollection):
        found(backend)


def test_a_store_without_a_prefix_stands_beside_whatever_else_is_in_the_bucket(s3: FakeS3) -> None:
    s3.buckets["my-bucket"] |= {"photo.jpg": b"x", "other/notes.txt": b"x", "notes/README.md": b"x"}
    s3.page = 2
    backend = filled(s3, 9, prefix="")
    for name in ("aaa", "bbb", "zzz"):
        backend.create_collection(name, 3, "dot")
    assert backend.list_collections() == ["aaa", "bbb", "notes", "zzz"]
    backend.tend("notes")
    delete(backend, "notes")
    assert backend.list_collections() == ["aaa", "bbb", "zzz"]
    assert {"photo.jpg", "other/notes.txt", "notes/README.md"} <= objects(s3).keys()
    assert not [key for key in objects(s3) if key.endswith(".segment")]


# -- several at once -------------------------------------------------------------------------------------


def test_of_two_writers_the_second_reads_again_and_nothing_is_lost(s3: FakeS3) -> None:
    one, two = filled(s3, 3), opened(s3)
    s3.on_call = Hook("PutObject", "manifest.json", lambda: put(two, "theirs"))
    put(one, "ours")
    assert held(one) == held(two) == {"k0", "k1", "k2", "ours", "theirs"}
    check_tidy(s3)


def test_many_writers_lose_nothing(s3: FakeS3) -> None:
    filled(s3)
    failed: list[BaseException] = []

    def write(name: str) -> None:
        backend = opened(s3)
        try:
            for i in range(6):
                put(backend, f"{name}{i}")
            backend.delete_vectors("notes", [f"{name}0"])
        except VragdError as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert held(opened(s3)) == {f"{name}{i}" for name in "abc" for i in range(1, 6)}
    check_tidy(s3)


def test_a_segment_that_is_gone_since_the_manifest_was_read_is_no_damage(s3: FakeS3) -> None:
    writer, reader = filled(s3, 2), opened(s3)
    s3.on_call = Hook("GetObject", ".segment", lambda: put(writer, "a", "b", "c", "d"))
    assert found(reader) == {"k0", "k1", "a", "b", "c", "d"}


def test_what_a_killed_writer_left_is_swept_and_who_is_about_to_name_it_begins_anew(s3: FakeS3) -> None:
    one, two = filled(s3, 9), opened(s3)
    s3.buckets["my-bucket"]["mine/notes/0123456789abcdef.segment"] = b"of nobody"
    s3.on_call = Hook("PutObject", "manifest.json", lambda: two.tend("notes"))
    put(one, "ours")
    assert held(two) == {*(f"k{i}" for i in range(9)), "ours"}
    check_tidy(s3)
    s3.calls.clear()
    two.tend("notes")
    assert s3.calls["ListObjectsV2"] == 0, "once is enough"


def test_whoever_changes_it_now_is_not_kept_up_by_a_sweep(s3: FakeS3) -> None:
    one, two = filled(s3, 9), opened(s3)
    s3.buckets["my-bucket"]["mine/notes/0123456789abcdef.segment"] = b"of nobody"
    s3.on_call = Hook("PutObject", "manifest.json", lambda: put(one, "ours"))
    two.tend("notes")
    assert "mine/notes/0123456789abcdef.segment" in objects(s3)
    two.tend("notes")
    check_tidy(s3)


def test_questions_wait_neither_for_a_change_nor_for_a_read_that_hangs(s3: FakeS3) -> None:
    backend, other = filled(s3, 3, query_timeout_s=0.05), opened(s3)
    go_on, there = threading.Event(), threading.Event()

    def hang() -> None:
        there.set()
        assert go_on.wait(20)

    s3.on_call = Hook("PutObject", ".segment", hang)
    change = threading.Thread(target=put, args=(backend, "slow"))
    change.start()
    assert there.wait(20)
    assert found(backend) == {"k0", "k1", "k2"}
    go_on.set()
    change.join()
    put(other, "theirs")
    go_on.clear()
    there.clear()
    s3.on_call = Hook("GetObject", ".segment", hang)
    read = threading.Thread(target=held, args=(backend,))
    read.start()
    assert there.wait(20)
    assert "is still being read" in error_of(lambda: found(backend)).message
    go_on.set()
    read.join()
    assert found(backend) == {"k0", "k1", "k2", "slow", "theirs"}


def test_of_two_that_make_a_store_both_have_the_same(s3: FakeS3) -> None:
    one, two = opened(s3), opened(s3)
    s3.on_call = Hook("PutObject", "manifest.json", lambda: two.create_collection("notes", 3, "cosine"))
    identity = one.create_collection("notes", 3, "cosine").identity
    assert two.collection_info("notes").identity == identity


def test_a_deleted_store_leaves_an_empty_manifest_and_can_be_made_anew(s3: FakeS3) -> None:
    one, two = filled(s3, 9), opened(s3)
    first = one.collection_info("notes").identity
    held(two)
    s3.on_call = Hook("PutObject", "manifest.json", lambda: put(two, "theirs"))
    assert "is being changed" in error_of(lambda: delete(one, "notes")).message
    delete(one, "notes")
    assert objects(s3) == {MANIFEST: b""}
    assert (one.list_collections(), two.list_collections()) == ([], [])
    for call in (lambda: held(two), lambda: put(two, "late"), lambda: found(two)):
        with pytest.raises(UnknownCollection):
            call()
    assert objects(s3) == {MANIFEST: b""}
    second = two.create_collection("notes", 3, "cosine").identity
    with pytest.raises(CollectionMismatch):
        one.delete_collection("notes", identity=first)
    assert (held(one), one.collection_info("notes").identity) == (set(), second)
