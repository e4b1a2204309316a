"""How to open each backend under test: a new backend is one line here."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xxhash

from vragd.backends.base import VectorBackend
from vragd.backends.registry import TYPES, create_backend
from vragd.backends.s3vectors.settings import S3VectorsBackend


@functools.cache
def _s3vectors_url() -> str:
    from tests.fakes.s3vectors import CREDENTIALS, FakeS3Vectors

    fake = FakeS3Vectors().start()
    atexit.register(fake.stop)
    os.environ.update(CREDENTIALS)
    return fake.url


def _s3vectors(path: Path) -> VectorBackend:
    bucket = f"bucket-{xxhash.xxh64_hexdigest(str(path).encode())}"  # one for each test, the same when opened again
    settings = S3VectorsBackend(type="s3vectors", bucket=bucket, endpoint_url=_s3vectors_url())
    return create_backend("s3vectors", settings, path)


def local(kind: str, **given: Any) -> Callable[[Path], VectorBackend]:
    """A backend that needs nothing but a folder and these settings."""
    settings = TYPES.settings(kind).model_validate({"type": kind, **given})
    return lambda path: create_backend(kind, settings, path)


FACTORIES: dict[str, Callable[[Path], VectorBackend]] = {
    "faiss": local("faiss"),
    "faiss-flat": local("faiss", index="flat"),
    "faiss-hnsw": local("faiss", index="hnsw"),
    "faiss-ivf": local("faiss", index="ivf"),
    "memory": local("memory"),
    "s3vectors": _s3vectors,
}
