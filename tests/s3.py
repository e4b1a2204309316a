"""A daemon's store on the S3 Vectors emulator, and what to ask about it."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.s3vectors import FakeS3Vectors
from tests.harness import Vragd

BUCKET = "my-vectors"


def on_s3(daemon: Vragd, fake: FakeS3Vectors, embedder: dict[str, Any] | None = None, **backend: Any) -> None:
    """Configure the daemon's store onto the emulator."""
    where = {"type": "s3vectors", "bucket": BUCKET, "endpoint_url": fake.url, "query_timeout_s": 1, **backend}
    configure(daemon, where, embedder)


def configure(daemon: Vragd, backend: dict[str, Any], embedder: dict[str, Any] | None = None) -> None:
    store = {"sources": [{"path": str(daemon.vault)}], "backend": backend}
    daemon.configure(stores={"notes": store | ({"embedder": embedder} if embedder else {})})


def by_bucket(daemon: Vragd, fake: FakeS3Vectors, text: str, *more: str) -> list[dict[str, Any]]:
    """The hits of `vragd query --bucket` from this home."""
    asked = daemon.run(
        "query", text, "--store", "notes", "--bucket", BUCKET, "--endpoint-url", fake.url, "--json", *more
    )
    hits: list[dict[str, Any]] = json.loads(asked.stdout)["hits"] if asked.stdout else []
    assert asked.returncode == (0 if hits else 1), asked.stderr
    return hits


def live_keys(daemon: Vragd) -> set[str]:
    """What the backend must hold, read past the daemon."""
    from tests.catalogs import beside

    with beside(daemon.data / "stores/notes/catalog.db") as db:
        return {key for (key,) in db.execute("select key from chunk where embedded")}
