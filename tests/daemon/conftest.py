"""Services that live outside, for tests of the daemon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.s3vectors import CREDENTIALS, FakeS3Vectors


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3Vectors]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with FakeS3Vectors() as fake:
        yield fake
