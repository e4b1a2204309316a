"""Objects of a bucket that are damaged: said, mended when asked for, and put again by everyone who has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.backends import keys
from tests.fakes.s3 import FakeS3
from tests.unit.store.test_verify_files import again, kinds, work
from vragd.backends.s3.settings import S3Backend
from vragd.store.store import Store
from vragd.store.verify import compare_backend, mend_backend

BUCKET = "my-bucket"


@pytest.fixture
def s3(fake_s3: FakeS3) -> FakeS3:
    return fake_s3


@contextmanager
def machine(s3: FakeS3, place: Path, *names: str) -> Iterator[Store]:
    """A store on notes of these names, in the bucket that others feed, too."""
    (place / "vault").mkdir(parents=True, exist_ok=True)
    for name in names:
        (place / "vault" / f"{name}.md").write_text(f"what is known of the {name}\n")
    store, embedder = again(place, S3Backend(type="s3", bucket=BUCKET, endpoint_url=s3.url))
    try:
        work(store)
        n_embedded = len(embedder.texts)
        yield store
        assert len(embedder.texts) == n_embedded, "nothing is embedded again"
    finally:
        store.close()


def held(store: Store) -> set[str]:
    assert store.space is not None
    return set(keys(store.backend, store.space.collection))


def emptied(body: bytes) -> bytes:
    return b""


def cut(body: bytes) -> bytes:
    return body[:-5]


@pytest.mark.parametrize("fault", [cut, emptied])
def test_an_object_is_mended_when_asked_for_and_each_machine_puts_its_own(
    s3: FakeS3, tmp_path: Path, fault: Callable[[bytes], bytes]
) -> None:
    objects = s3.buckets[BUCKET]
    with (
        machine(s3, tmp_path / "one", "heron", "crane") as one,
        machine(s3, tmp_path / "other", "owl") as other,
    ):
        before = held(one)
        assert len(before) == 3
        for name in [name for name in objects if name.endswith(".segment")]:
            objects[name] = fault(objects[name])
        assert kinds(one) == ["damaged_files"]
        mend_backend(one, compare_backend(one))
        assert compare_backend(one) == []
        assert len(held(one)) == 2
        work(other)
        assert held(one) == held(other) == before
        assert compare_backend(other) == []


def test_one_that_is_damaged_when_it_is_opened_is_said_and_mended_when_asked_for(s3: FakeS3, tmp_path: Path) -> None:
    objects = s3.buckets[BUCKET]
    with machine(s3, tmp_path / "one", "heron", "crane") as one, machine(s3, tmp_path / "other", "owl"):
        before = held(one)
    manifest = next(name for name in objects if name.endswith("notes/manifest.json"))
    objects[manifest] = damaged = cut(objects[manifest])
    store, embedder = again(tmp_path / "one", S3Backend(type="s3", bucket=BUCKET, endpoint_url=s3.url))
    try:
        assert kinds(store) == ["damaged_files"]
        assert objects[manifest] == damaged, "nothing is mended unasked"
        mend_backend(store, compare_backend(store))
        assert compare_backend(store) == []
        assert (held(store), embedder.texts) == (before, [])
    finally:
        store.close()
