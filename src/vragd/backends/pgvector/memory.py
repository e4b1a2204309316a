"""
The memory in which an index is built.

PostgreSQL gives 64 MiB by default (`maintenance_work_mem`). A graph that is larger is built many times slower from
there on, and lists whose sample is larger are not built at all: SQLSTATE 54000.
"""

from __future__ import annotations

from typing import Any

import psycopg

KIB, MIB = 1_024, 1_048_576
NODE_BYTES, LINK_BYTES, UPPER_LEVELS = 256, 16, 1.2
LEAST_SAMPLE, SAMPLED_A_LIST = 10_000, 50
ROOM = 1.1


def graph_bytes(n_rows: int, dimension: int, m: int) -> int:
    """What the graph of an HNSW index takes while it is built, after pgvector's hnsw.h (0.8)."""
    row = NODE_BYTES + 4 * dimension + 2 * m * LINK_BYTES * UPPER_LEVELS
    return int(ROOM * n_rows * row)


def lists_bytes(dimension: int, lists: int) -> int:
    """What finding the lists of an IVFFlat index takes, after its ivfkmeans.c: a sample, and bounds of it."""
    sample = max(LEAST_SAMPLE, SAMPLED_A_LIST * lists)  # room for so many is taken whatever there are
    row = 8 + 4 * dimension
    return int(ROOM * (sample * (row + 4 * lists) + lists * (3 * row + 4 * lists)))


def take(connection: psycopg.Connection[tuple[Any, ...]], n_bytes: int, most_mib: int) -> None:
    """
    Let this session have so much for an index, at most `most_mib`, and never less than the server gives by itself.

    Nor is a statement ended for taking long. Behind a pooler, which hands a session on, nothing is set: there the
    process that answers is not the one that was connected to.
    """
    wanted = min(n_bytes, most_mib * MIB) // KIB
    connection.execute(
        "SELECT set_config('maintenance_work_mem', greatest(setting::bigint, %s)::text, false),"
        " set_config('statement_timeout', '0', false)"
        " FROM pg_settings WHERE name = 'maintenance_work_mem' AND pg_backend_pid() = %s",
        [wanted, connection.info.backend_pid],
    )


def alone(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """
    Let this session build without help from other processes, and return whether that is anything new.

    With help the whole of the memory is shared, of which a container has 64 MiB by default (/dev/shm).
    """
    found = connection.execute(
        "SELECT set_config('max_parallel_maintenance_workers', '0', false) FROM pg_settings"
        " WHERE name = 'max_parallel_maintenance_workers' AND setting <> '0' AND pg_backend_pid() = %s",
        [connection.info.backend_pid],
    )
    return found.fetchone() is not None


def told(state: str) -> str:
    """Why a build failed, by its SQLSTATE, and the way out where that is of memory."""
    way = {
        "54000": ": more memory than there is for it; raise build_memory_mib, or the role's maintenance_work_mem",
        "53100": ": the server's disk is full",
        "53200": ": the server is out of memory; lower build_memory_mib",
    }
    return f"SQLSTATE {state}{way.get(state, '')}"
