"""A bucket of Adobe's S3Mock: conditions, listings in pages, a service that dies; and the fake against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from tests.backends import keys, put
from tests.fakes.credentials import CREDENTIALS
from tests.fakes.s3 import PAGE, FakeS3
from tests.harness import Vragd
from tests.s3 import configure
from tests.servers import story
from tests.servers.fetched import FOLDER
from tests.servers.s3mock.server import BUCKET, RealS3, shared
from tests.unit.backends.test_fake_s3 import exchanges
from vragd.backends.base import Entry
from vragd.backends.s3.backend import made
from vragd.backends.s3.settings import S3Backend
from vragd.backends.segments.backend import SegmentBackend
from vragd.errors import BackendUnavailable, UnknownCollection

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are fetched first"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]
DIM = 8
Make = Callable[..., SegmentBackend]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealS3]:
    """That of the process, which a test may kill."""
    service = shared()
    if isinstance(service, str):
        pytest.skip(service)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    yield service
    if not service.is_running:
        service.start()


@pytest.fixture
def make(s3: RealS3, tmp_path: Path) -> Iterator[Make]:
    opened = []

    def make(**given: Any) -> SegmentBackend:
        place = {"type": "s3", "bucket": BUCKET, "prefix": tmp_path.name, "endpoint_url": s3.url}
        opened.append(made(S3Backend.model_validate(place | given), 0.0))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


@contextmanager
def client(s3: RealS3) -> Iterator[Any]:
    client = boto3.client("s3", endpoint_url=s3.url)
    yield client
    client.close()


def some(n: int, name: str = "k") -> list[Entry]:
    rows = np.random.default_rng(0).normal(size=(n, DIM)).astype(np.float32)
    return [Entry(f"{name}{i:04}", row) for i, row in enumerate(rows)]


def test_the_fake_answers_as_it_does(s3: RealS3) -> None:
    with client(s3) as asked:
        asked.create_bucket(Bucket="exchanges")
    with FakeS3("exchanges") as fake:
        assert exchanges(fake.url, "exchanges") == exchanges(s3.url, "exchanges")


def test_writers_who_know_nothing_of_each_other_lose_nothing(make: Make) -> None:
    """
    Each change names the manifest it replaces; who comes too late begins anew.

    In turns, not at once: this service looks whether the manifest is that and puts the other in two steps, so of two
    writers at the same instant both may be told that theirs is there.
    """
    make().create_collection("notes", DIM, "cosine")
    writers = {name: make() for name in "abc"}
    for i in range(8):
        for name, backend in writers.items():
            put(backend, "notes", [some(8, name)[i]])
    for name, backend in writers.items():
        backend.delete_vectors("notes", [f"{name}0000"])
    assert set(keys(make(), "notes")) == {f"{name}{i:04}" for name in "abc" for i in range(1, 8)}


def test_a_store_that_was_deleted_and_made_again_by_somebody_else_is_not_overwritten(make: Make) -> None:
    one, other = make(), make()
    old = one.create_collection("notes", DIM, "cosine")
    put(one, "notes", some(3))
    other.delete_collection("notes", identity=old.identity)
    with pytest.raises(UnknownCollection):
        put(one, "notes", some(4))
    new = other.create_collection("notes", DIM, "cosine")
    assert new.identity != old.identity
    assert keys(one, "notes") == []


def test_more_objects_than_a_page_has_are_all_seen(make: Make, s3: RealS3, tmp_path: Path) -> None:
    """What nobody names is swept, also on the second page of a listing."""
    backend = make()
    backend.create_collection("notes", DIM, "cosine")
    put(backend, "notes", some(3))
    with client(s3) as asked:
        names = [f"{tmp_path.name}/notes/{i:016x}.segment" for i in range(PAGE + 5)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: asked.put_object(Bucket=BUCKET, Key=name, Body=b"of nobody"), names))
        put(fresh := make(), "notes", some(1, "later"))
        fresh.tend("notes")
        left = asked.list_objects_v2(Bucket=BUCKET, Prefix=f"{tmp_path.name}/notes/")
    assert len(left["Contents"]) == 1 + fresh.collection_info("notes").detail["segments"]
    assert keys(make(), "notes") == ["k0000", "k0001", "k0002", "later0000"]


def test_a_service_that_dies_between_saves_keeps_what_it_answered(make: Make, s3: RealS3) -> None:
    """Between them, for inside of one S3Mock itself may leave half an object."""
    backend = make(timeout_s=2)
    backend.create_collection("notes", DIM, "cosine")
    for entry in some(5):
        put(backend, "notes", [entry])
    s3.kill()
    with pytest.raises(BackendUnavailable) as caught:
        put(backend, "notes", some(6))
    assert caught.value.transient
    s3.start()
    assert len(keys(make(), "notes")) == 5
    put(backend, "notes", some(6))
    assert len(keys(make(), "notes")) == 6


# -- a daemon ----------------------------------------------------------------------------------------------------


class Place:
    """A `story.Place`."""

    url = wrong_url = secret_belongs_in = ""

    def __init__(self, s3: RealS3, prefix: str) -> None:
        self._s3, self.prefix = s3, prefix
        self.kill, self.start = s3.kill, s3.start

    @property
    def _where(self) -> dict[str, Any]:
        return {"type": "s3", "bucket": BUCKET, "prefix": self.prefix, "endpoint_url": self._s3.url}

    def configure(self, daemon: Vragd) -> None:
        configure(daemon, self._where | {"query_timeout_s": 60})

    def held(self) -> set[str]:
        backend = made(S3Backend.model_validate(self._where), 0.0)
        found = set(keys(backend, "notes"))
        backend.close()
        return found

    def rob(self) -> None:
        with client(self._s3) as asked:
            for item in asked.list_objects_v2(Bucket=BUCKET, Prefix=f"{self.prefix}/notes/")["Contents"]:
                asked.delete_object(Bucket=BUCKET, Key=item["Key"])


@pytest.fixture
def place(s3: RealS3, tmp_path: Path) -> Place:
    return Place(s3, tmp_path.name)


@pytest.fixture
def daemon(tmp_path: Path, place: Place) -> Iterator[Vragd]:
    with story.running(tmp_path, place.configure) as daemon:
        yield daemon


def test_a_store_is_moved_away_and_back_without_embedding(daemon: Vragd, place: Place) -> None:
    story.is_moved_away_and_back_without_embedding(daemon, place)


def test_an_outage_is_told_words_go_on_and_it_catches_up(daemon: Vragd, place: Place) -> None:
    story.is_cut_off_and_catches_up(daemon, place)


def test_a_store_whose_objects_somebody_deleted_is_made_and_filled_again(daemon: Vragd, place: Place) -> None:
    story.is_robbed_and_filled_again(daemon, place, place.rob)
