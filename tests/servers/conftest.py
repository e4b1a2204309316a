"""The PostgreSQL that these tests may kill, and backends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xxhash

from tests.servers.postgres.server import RealPostgres, shared

if TYPE_CHECKING:
    from vragd.backends.pgvector.tables import PgvectorBackend


@pytest.fixture
def server() -> Iterator[RealPostgres]:
    """That of the process, which a test may kill."""
    server = shared()
    if isinstance(server, str):
        pytest.skip(server)
    yield server
    if not server.is_running:
        server.start()


@pytest.fixture
def make(server: RealPostgres, tmp_path: Path) -> Iterator[Callable[..., PgvectorBackend]]:
    from vragd.backends.pgvector.tables import PgvectorBackend

    schema, opened = f"t_{xxhash.xxh64_hexdigest(str(tmp_path).encode())}", []

    def make(index_from: int = 10_000, few: int = 10_000, **given: Any) -> PgvectorBackend:
        backend = PgvectorBackend(server.settings(**{"schema_name": schema, **given}), index_from, few)
        opened.append(backend)
        return backend

    yield make
    for backend in opened:
        backend.close()
