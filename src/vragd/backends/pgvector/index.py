"""
Building an index on the vectors, HNSW or IVFFlat, beside everything else.

It takes minutes, and must hold up neither questions nor notes: CREATE INDEX CONCURRENTLY on a connection and a thread
of its own. Until it is whole, and wherever it is not, questions are answered by an exact scan; or, where the lists of
an IVFFlat index are made anew because there are many more rows by now, by the one before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog

from vragd.backends.pgvector import memory, words
from vragd.backends.pgvector.connect import cut, parameters
from vragd.backends.pgvector.layout import (
    INDEX_DIMENSIONS,
    ITERATIVE_FROM,
    OPERATORS,
    WORDS_BEFORE,
    Extension,
    Shape,
    lists_for,
    names_of_index,
    quoted,
)
from vragd.backends.pgvector.settings import PgvectorBackend as Settings
from vragd.system.failpoints import reach

log = structlog.get_logger()

LOOK_EVERY_S = 60.0
AGAIN_AFTER_S = 3_600.0
QUESTIONS, ENOUGH = 50, 0.99  # of the nearest, when it is tried how many lists to look into
LEAST_PROBES = 5


def can_have(shape: Shape, extension: Extension) -> bool:
    """Whether an index of its vectors can be made, and asked so that filters and dead rows cost no answers."""
    return extension.version >= ITERATIVE_FROM and shape.info.dimension <= INDEX_DIMENSIONS[shape.kind]


class Builder:
    """Thread-safe. One build at a time."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._looked_at: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._closed = False
        self.failed: dict[str, str] = {}
        """Why the last build of an index failed, by its table, or by its own name if it is one of words."""

    def due(self, table: str) -> bool:
        """Whether it is time to look at a table again; that is then put off."""
        with self._lock:
            now = self._clock()
            every = AGAIN_AFTER_S if table in self.failed else LOOK_EVERY_S
            if self._thread is not None or now - self._looked_at.get(table, -every) < every:
                return False
            self._looked_at[table] = now
            return True

    def begin(
        self, shape: Shape, extension: Extension, done: Callable[[], None], *, of_words: bool = False
    ) -> None:  # fmt: skip
        """Build the index of a collection, and call `done` on the builder's thread if it is there."""
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._build, args=(shape, extension, done, of_words), name="pgvector index", daemon=True
                )
                self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Until no build runs."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def close(self) -> None:
        """Give up a build that runs. What it leaves is dropped by the next."""
        with self._lock:
            self._closed, connection = True, self._connection
        if connection is not None:
            cut(connection)
        self.wait(5.0)

    def _build(self, shape: Shape, extension: Extension, done: Callable[[], None], of_words: bool) -> None:
        table = words.index_name(shape.table) if of_words else shape.table
        try:
            with psycopg.connect(autocommit=True, prepare_threshold=None, **parameters(self._settings)) as connection:
                with self._lock:
                    if self._closed:
                        return
                    self._connection = connection
                built = self._is_free(connection, shape)
                if built and of_words:
                    self._of_words(connection, shape)
                elif built:
                    self._of_vectors(connection, shape, extension)
            with self._lock:
                self.failed.pop(table, None)
            if built:
                log.info("backend.index_built", store=shape.info.name)
                done()
        except psycopg.Error as error:  # its text may quote what is in the table
            why = error.sqlstate or type(error).__name__
            with self._lock:
                if not self._closed:
                    self.failed[table] = why
                    log.warning("backend.index_failed", store=shape.info.name, sqlstate=why)
        finally:
            with self._lock:
                self._thread = self._connection = None

    def _is_free(self, connection: psycopg.Connection[tuple[Any, ...]], shape: Shape) -> bool:
        """Whether nobody else builds an index on the table."""
        running = "SELECT FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)"
        return not connection.execute(running, [f"{self._settings.schema_name}.{shape.table}"]).fetchone()

    def _of_words(self, connection: psycopg.Connection[tuple[Any, ...]], shape: Shape) -> None:
        schema = quoted(self._settings.schema_name)
        for left in (words.index_name(shape.table), shape.table + WORDS_BEFORE):  # half-built by a crash; an older one
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{quoted(left)}", [])
        reach("pg.index_dropped")
        connection.execute(words.create_index(f"{schema}.{quoted(shape.table)}", shape.table, beside=True), [])
        reach("pg.index_built")

    def _of_vectors(self, connection: psycopg.Connection[tuple[Any, ...]], shape: Shape, extension: Extension) -> None:
        schema, table = quoted(self._settings.schema_name), quoted(shape.table)
        relation = f"{self._settings.schema_name}.{shape.table}"
        ours = names_of_index(shape.table)
        there = "SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
        there += " WHERE i.indrelid = to_regclass(%s) AND i.indisvalid AND x.relname = ANY(%s)"
        whole = {str(row[0]) for row in connection.execute(there, [relation, ours])}
        index = next((name for name in ours if name not in whole), ours[0])  # both are, if a crash left the older one
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{quoted(index)}", [])
        reach("pg.index_dropped")
        method, options, note = self._method(connection, shape)
        create = (
            f"CREATE INDEX CONCURRENTLY {quoted(index)} ON {schema}.{table}"
            f" USING {method} (vec {extension.operator_class(shape.kind, shape.info.metric)})"
            f" WITH ({', '.join(f'{name} = {value}' for name, value in options.items())})"
        )
        try:
            connection.execute(create, [])
        except (psycopg.errors.DiskFull, psycopg.errors.OutOfMemory):
            if not memory.alone(connection):
                raise
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{quoted(index)}", [])
            connection.execute(create, [])
        if note:
            connection.execute(f"COMMENT ON INDEX {schema}.{quoted(index)} IS '{note}'", [])
        reach("pg.index_built")
        for old in whole - {index}:
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{quoted(old)}", [])
            reach("pg.index_dropped")
        if note:
            enough = probes_for(connection, f"{schema}.{table}", shape, extension, options["lists"])
            connection.execute(f"COMMENT ON INDEX {schema}.{quoted(index)} IS '{note}, {enough} probes'", [])
            reach("pg.index_built")

    def _method(
        self, connection: psycopg.Connection[tuple[Any, ...]], shape: Shape
    ) -> tuple[str, dict[str, int], str]:  # fmt: skip
        """
        Kind and options of the index, and what is written down beside it; the session has the memory it takes.

        One that there is stays of its kind.
        """
        settings, dimension = self._settings, shape.info.dimension
        table = f"{quoted(settings.schema_name)}.{quoted(shape.table)}"
        n_rows = sum(int(row[0]) for row in connection.execute(f"SELECT count(*) FROM {table}", []))
        if (shape.index.kind if shape.index else settings.index) != "ivfflat":
            memory.take(connection, memory.graph_bytes(n_rows, dimension, settings.m), settings.build_memory_mib)
            return "hnsw", {"m": settings.m, "ef_construction": settings.ef_construction}, ""
        lists = settings.lists or lists_for(n_rows)
        memory.take(connection, memory.lists_bytes(dimension, lists), settings.build_memory_mib)
        return "ivfflat", {"lists": lists}, f"lists of {n_rows} rows"


def probes_for(
    connection: psycopg.Connection[tuple[Any, ...]], table: str, shape: Shape, extension: Extension, lists: int
) -> int:  # fmt: skip
    """
    How many of the `lists` have to be looked into to find nearly all of the nearest ten; tried with means of rows.

    Those are about as hard as questions are, which lie between rows.
    """
    kind, operator = extension.type(shape.kind), extension.operator(OPERATORS[shape.info.metric])
    asked = connection.execute(
        f"SELECT {quoted(extension.schema)}.avg(vec)::text FROM (SELECT vec, row_number() OVER () / 2 AS pair FROM"
        f" (SELECT vec FROM {table} ORDER BY hashtext(key) LIMIT {2 * QUESTIONS}) chosen) pairs GROUP BY pair",
        [],
    ).fetchall()

    def nearest(how: str) -> list[set[str]]:
        with connection.transaction():
            connection.execute(how, binary=False)
            ask = f"SELECT key FROM {table} ORDER BY vec {operator} %s::{kind} LIMIT 10"
            return [{str(row[0]) for row in connection.execute(ask, mean)} for mean in asked]

    exact, n = nearest("SET LOCAL enable_indexscan = off"), LEAST_PROBES
    wanted = ENOUGH * sum(map(len, exact))
    while n < lists:
        found = nearest(f"SET LOCAL enable_seqscan = off; SET LOCAL ivfflat.probes = {n}")
        if sum(len(one & other) for one, other in zip(exact, found, strict=True)) >= wanted:
            break
        n = n * 3 // 2
    return min(n, lists)
