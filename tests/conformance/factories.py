"""How to open each backend under test: a new backend is one line here."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable
from pathlib import Path

import xxhash

from vragd.backends.base import VectorBackend
from vragd.backends.faiss.settings import FaissBackend
from vragd.backends.memory.settings import MemoryBackend
from vragd.backends.registry import create_backend
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


FACTORIES: dict[str, Callable[[Path], VectorBackend]] = {
    "faiss": lambda path: create_backend("faiss", FaissBackend(), path),
    "faiss-flat": lambda path: create_backend("faiss", FaissBackend(index="flat"), path),
    "faiss-hnsw": lambda path: create_backend("faiss", FaissBackend(index="hnsw"), path),
    "faiss-ivf": lambda path: create_backend("faiss", FaissBackend(index="ivf"), path),
    "memory": lambda path: create_backend("memory", MemoryBackend(type="memory"), path),
    "s3vectors": _s3vectors,
}
