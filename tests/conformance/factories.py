"""How to open each backend under test: a new backend is one line here."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import xxhash

from vragd.backends.base import VectorBackend
from vragd.backends.registry import create_backend
from vragd.backends.s3.settings import S3Backend
from vragd.backends.s3vectors.settings import S3VectorsBackend
from vragd.terms.backends import TYPES


@functools.cache
def _s3vectors_url() -> str:
    from tests.fakes.s3vectors import CREDENTIALS, FakeS3Vectors

    fake = FakeS3Vectors().start()
    atexit.register(fake.stop)
    os.environ.update(CREDENTIALS)
    return fake.url


def _s3vectors(path: Path) -> VectorBackend:
    """
    A bucket for each test, the same when opened again: on the stand-in, or where `VRAGD_TEST_S3VECTORS` says,
    s3vectors://BUCKET?region=R, whose name is the beginning of theirs. Those stay.
    """
    name = xxhash.xxh64_hexdigest(str(path).encode())
    if own := os.environ.get("VRAGD_TEST_S3VECTORS"):
        settings = S3VectorsBackend.from_url(own)
        settings = settings.model_copy(update={"bucket": f"{settings.bucket}-{name}"})
    else:
        settings = S3VectorsBackend(type="s3vectors", bucket=f"bucket-{name}", endpoint_url=_s3vectors_url())
    return create_backend("s3vectors", settings, path)


@functools.cache
def _s3_url() -> str:
    """`VRAGD_TEST_S3=s3://BUCKET/PREFIX?endpoint_url=URL`: a service of one's own; the fake without that."""
    if own := os.environ.get("VRAGD_TEST_S3"):
        return own
    from tests.fakes.credentials import CREDENTIALS
    from tests.fakes.s3 import FakeS3

    fake = FakeS3("my-bucket").start()
    atexit.register(fake.stop)
    os.environ.update(CREDENTIALS)
    return f"s3://my-bucket/?endpoint_url={quote(fake.url, safe='')}"


def _s3(path: Path, url: str = "") -> VectorBackend:
    """A prefix for each test, the same when opened again."""
    place = S3Backend.from_url(url or _s3_url())
    backend = create_backend("s3", place.model_copy(update={"prefix": f"{place.prefix}/{path.name}".strip("/")}), path)
    _opened.append(backend)
    return backend


def _s3_mock(path: Path) -> VectorBackend:
    from tests.servers.s3mock.server import place

    url, why = place()
    if why:
        pytest.skip(why)
    return _s3(path, url)


def local(kind: str, **given: Any) -> Callable[[Path], VectorBackend]:
    """A backend that needs nothing but a folder and these settings."""
    settings = TYPES.settings(kind).model_validate({"type": kind, **given})
    return lambda path: create_backend(kind, settings, path)


def in_folder(kind: str, name: str) -> Callable[[Path], VectorBackend]:
    """A backend whose place is a path."""
    settings = TYPES.settings(kind)
    return lambda path: create_backend(kind, settings.model_validate({"type": kind, "path": str(path / name)}), path)


def _pgvector(**given: Any) -> Callable[[Path], VectorBackend]:
    """A schema for each test, the same when opened again."""

    def make(path: Path) -> VectorBackend:
        from tests.servers.postgres.server import settings  # psycopg is an extra

        known = settings(schema_name=f"t_{xxhash.xxh64_hexdigest(str(path).encode())}", **given)
        if isinstance(known, str):
            pytest.skip(known)
        backend = create_backend("pgvector", known, path)
        _opened.append(backend)
        return backend

    return make


@functools.cache
def _fake_node(kind: str) -> str:
    from tests.fakes.lucene import FakeNode

    node = FakeNode(kind).start()
    atexit.register(node.stop)
    return f"http://{node.host}"


def _node(kind: str, *, real: bool = False, **given: Any) -> Callable[[Path], VectorBackend]:
    """Indices for each test, the same when opened again: on the stand-in, or on a real node."""

    def make(path: Path) -> VectorBackend:
        from tests.servers.lucene.node import place

        known, why = place(kind) if real else ({"url": _fake_node(kind)}, "")
        if why:
            pytest.skip(why)
        prefix = f"t{xxhash.xxh64_hexdigest(str(path).encode())}-"
        settings = TYPES.settings(kind).model_validate({"type": kind, **known, "prefix": prefix, **given})
        backend = create_backend(kind, settings, path)
        _opened.append(backend)
        return backend

    return make


@functools.cache
def _fake_qdrant() -> str:
    from tests.fakes.qdrant import FakeQdrant

    node = FakeQdrant().start()
    atexit.register(node.stop)
    return f"http://{node.host}"


def _qdrant(path: Path) -> VectorBackend:
    """
    Collections for each test, the same when opened again: on the stand-in, or on `VRAGD_TEST_QDRANT=URL`, a server of
    one's own.
    """
    prefix = f"t{xxhash.xxh64_hexdigest(str(path).encode())}-"
    url = os.environ.get("VRAGD_TEST_QDRANT") or _fake_qdrant()
    settings = TYPES.settings("qdrant").model_validate({"type": "qdrant", "url": url, "prefix": prefix})
    backend = create_backend("qdrant", settings, path)
    _opened.append(backend)
    return backend


_opened: list[VectorBackend] = []


def close_opened() -> None:
    """Close those that hold connections, after each test: a check leaves its backends open."""
    while _opened:
        _opened.pop().close()


FACTORIES: dict[str, Callable[[Path], VectorBackend]] = {
    "elasticsearch": _node("elasticsearch"),
    "faiss": local("faiss"),
    "faiss-flat": local("faiss", index="flat"),
    "faiss-hnsw": local("faiss", index="hnsw"),
    "faiss-ivf": local("faiss", index="ivf"),
    "file": in_folder("file", "vectors"),
    "memory": local("memory"),
    "opensearch": _node("opensearch", remote_text=True),
    "pgvector": _pgvector(),
    "pgvector-halfvec": _pgvector(vector_type="halfvec", remote_text=True, prefix="half_"),
    "qdrant": _qdrant,
    "s3": _s3,
    "s3vectors": _s3vectors,
    "sqlite": in_folder("sqlite", "vectors.db"),
}

REAL = {
    "elasticsearch-node": _node("elasticsearch", real=True),
    "elasticsearch-node-exact": _node("elasticsearch", real=True, index="exact"),
    "elasticsearch-node-hnsw": _node("elasticsearch", real=True, index="hnsw", remote_text=True),
    "opensearch-node": _node("opensearch", real=True),
    "opensearch-node-exact": _node("opensearch", real=True, index="exact"),
    "opensearch-node-hnsw": _node("opensearch", real=True, index="hnsw", remote_text=True),
    "s3-mock": _s3_mock,
}
"""Those on servers that are fetched first, for `make test-servers`: only where they are named."""

EVERY = [
    pytest.param(name, marks=pytest.mark.slow) if name.partition("-")[0] == "pgvector" else name for name in FACTORIES
]
"""The names for a test of each: those that start a process are slow."""
