"""An index is built in the memory it takes, on a real PostgreSQL that gives little by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from tests.servers.postgres.bouncer import PROGRAM, WHY_NOT, Bouncer
from tests.servers.postgres.server import DATABASE, PASSWORD, USER, RealPostgres
from tests.servers.test_postgres import Make
from vragd.backends.base import Batch, Entry
from vragd.backends.pgvector import memory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LITTLE = "1MB"
WIDE = 64
"""Numbers of a vector, of which the room for a sample, of 10,000, is more than that."""


@pytest.fixture
def sparing(server: RealPostgres) -> Iterator[RealPostgres]:
    """The server; its owner has little memory for an index, and little time for a statement."""
    given = {"maintenance_work_mem": LITTLE, "statement_timeout": "59s"}
    for name, value in given.items():
        server.execute(f"ALTER ROLE {USER} SET {name} = '{value}'")
    yield server
    for name in given:
        server.execute(f"ALTER ROLE {USER} RESET {name}")


def has(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, str]:
    """What a session may take of what is asked for here."""
    names = ["maintenance_work_mem", "statement_timeout", "max_parallel_maintenance_workers"]
    return {
        name: str(value)
        for name in names
        for (value,) in connection.execute("SELECT current_setting(%s)", [name]).fetchall()
    }


@pytest.mark.parametrize(("most", "built"), [(1, False), (64, True)])
def test_lists_whose_sample_is_larger_than_the_server_gives_are_built(
    make: Make, sparing: RealPostgres, most: int, built: bool
) -> None:
    backend = make(index_from=500, few=50, index="ivfflat", build_memory_mib=most)
    rows = np.random.default_rng(0).normal(size=(600, WIDE)).astype(np.float32)
    backend.create_collection("sss", WIDE, "cosine")
    backend.put_vectors("sss", Batch.of([Entry(f"k{i:05}", row, {}) for i, row in enumerate(rows)]))
    backend.tend("sss")
    backend.builder.wait(60)
    detail = backend.collection_info("sss").detail
    assert detail["index"] == ("ivfflat" if built else "exact")
    assert ("raise build_memory_mib" in detail.get("index_failed", "")) is not built


def test_a_session_takes_what_an_index_needs_and_never_less_than_it_is_given(sparing: RealPostgres) -> None:
    with sparing.connected() as connection:
        assert has(connection) == {
            "maintenance_work_mem": LITTLE, "statement_timeout": "59s", "max_parallel_maintenance_workers": "2",
        }  # fmt: skip
        memory.take(connection, 5 * memory.MIB, 512)
        assert (has(connection)["maintenance_work_mem"], has(connection)["statement_timeout"]) == ("5MB", "0")
        memory.take(connection, 900 * memory.MIB, 512)
        assert has(connection)["maintenance_work_mem"] == "512MB"
        memory.take(connection, 7 * memory.MIB, 512)
        assert has(connection)["maintenance_work_mem"] == "512MB"
        assert memory.alone(connection)
        assert has(connection)["max_parallel_maintenance_workers"] == "0"
        assert not memory.alone(connection), "there is nothing else to try"


@pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)
def test_behind_a_pooler_a_session_is_left_as_it_is(sparing: RealPostgres) -> None:
    with (
        Bouncer(sparing) as bouncer,
        psycopg.connect(
            host="127.0.0.1", port=bouncer.port, dbname=DATABASE, user=USER, password=PASSWORD, autocommit=True,
            prepare_threshold=None,
        ) as connection,
    ):  # fmt: skip
        memory.take(connection, 64 * memory.MIB, 512)
        assert not memory.alone(connection)
        assert has(connection) == {
            "maintenance_work_mem": LITTLE, "statement_timeout": "59s", "max_parallel_maintenance_workers": "2",
        }  # fmt: skip


def test_a_graph_of_a_hundred_thousand_vectors_of_768_numbers_has_room_in_what_is_taken_by_default() -> None:
    assert memory.graph_bytes(100_000, 768, 16) < 512 * memory.MIB < memory.graph_bytes(150_000, 768, 16)
