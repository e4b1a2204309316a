"""A backend over the fake of S3, and what is in the bucket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.backends import keys, nearest
from tests.backends import put as put_entries
from tests.fakes.s3 import FakeS3
from vragd.backends.base import Entry
from vragd.backends.s3.backend import made
from vragd.backends.s3.settings import S3Backend
from vragd.backends.segments.backend import SegmentBackend
from vragd.errors import VragdError

ONES = np.ones(3, dtype=np.float32)
MANIFEST = "mine/notes/manifest.json"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(s3: FakeS3, look_s: float = 0.0, clock: Clock | None = None, **given: Any) -> SegmentBackend:
    said = {"type": "s3", "bucket": "my-bucket", "prefix": "mine", "endpoint_url": s3.url, **given}
    return made(S3Backend.model_validate(said), look_s, clock or Clock())


def filled(s3: FakeS3, n: int = 0, **given: Any) -> SegmentBackend:
    backend = opened(s3, **given)
    backend.create_collection("notes", 3, "cosine")
    if n:
        put(backend, *(f"k{i}" for i in range(n)))
    return backend


def put(backend: SegmentBackend, *names: str) -> None:
    rows = [np.array([1, i + 1, len(name)], dtype=np.float32) for i, name in enumerate(names)]
    put_entries(backend, "notes", [Entry(name, row) for name, row in zip(names, rows, strict=True)])


def held(backend: SegmentBackend) -> set[str]:
    return set(keys(backend, "notes"))


def found(backend: SegmentBackend) -> set[str]:
    return {match.key for match in nearest(backend, "notes", ONES, 999)}


def objects(s3: FakeS3) -> dict[str, bytes]:
    return {key: body for key, body in s3.buckets["my-bucket"].items() if key != "mine/vragd.conditions"}


def check_tidy(s3: FakeS3) -> None:
    """There is what the manifest names and nothing else."""
    named = json.loads(objects(s3)[MANIFEST])["segments"]
    assert sorted(objects(s3)) == sorted([MANIFEST, *(f"mine/notes/{name}.segment" for name in named)])


def error_of(call: Callable[[], object]) -> VragdError:
    with pytest.raises(VragdError) as caught:
        call()
    return caught.value


class Hook:
    """Does something once, before the service does the first request of an operation on a key that ends so."""

    def __init__(self, operation: str, ends: str, action: Callable[[], object]) -> None:
        self._wanted, self._action, self.done = (operation, ends), action, False

    def __call__(self, operation: str, key: str) -> None:
        if not self.done and operation == self._wanted[0] and key.endswith(self._wanted[1]):
            self.done = True
            self._action()
