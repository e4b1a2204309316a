"""
Building an HNSW index beside everything else.

It takes minutes, and must hold up neither questions nor notes: CREATE INDEX CONCURRENTLY on a connection and a thread
of its own. Until it is whole, and wherever it is not, questions are answered by an exact scan.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import structlog

from vragd.backends.pgvector.connect import cut, parameters
from vragd.backends.pgvector.layout import HNSW_DIMENSIONS, ITERATIVE_FROM, Extension, Shape, quoted
from vragd.backends.pgvector.settings import PgvectorBackend as Settings
from vragd.system.failpoints import reach

log = structlog.get_logger()

LOOK_EVERY_S = 60.0
AGAIN_AFTER_S = 3_600.0


def can_have(shape: Shape, extension: Extension) -> bool:
    """Whether an HNSW index of it can be made, and asked so that filters and dead rows cost no answers."""
    return extension.version >= ITERATIVE_FROM and shape.info.dimension <= HNSW_DIMENSIONS[shape.kind]


class Builder:
    """Thread-safe. One build at a time."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._looked_at: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self._connection: psycopg.Connection[object] | None = None
        self._closed = False
        self.failed: dict[str, str] = {}
        """Why the last build of a collection's index failed, by its table."""

    def due(self, table: str) -> bool:
        """Whether it is time to look at a table again; that is then put off."""
        with self._lock:
            now = self._clock()
            every = AGAIN_AFTER_S if table in self.failed else LOOK_EVERY_S
            if self._thread is not None or now - self._looked_at.get(table, -every) < every:
                return False
            self._looked_at[table] = now
            return True

    def begin(self, shape: Shape, extension: Extension, done: Callable[[], None]) -> None:
        """Build the index of a collection that has none, and call `done` on the builder's thread if it is there."""
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._build, args=(shape, extension, done), name="pgvector index", daemon=True
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

    def _build(self, shape: Shape, extension: Extension, done: Callable[[], None]) -> None:
        try:
            with psycopg.connect(autocommit=True, prepare_threshold=None, **parameters(self._settings)) as connection:
                with self._lock:
                    if self._closed:
                        return
                    self._connection = connection
                built = self._statements(connection, shape, extension)
            with self._lock:
                self.failed.pop(shape.table, None)
            if built:
                log.info("backend.index_built", store=shape.info.name)
                done()
        except psycopg.Error as error:  # its text may quote what is in the table
            why = error.sqlstate or type(error).__name__
            with self._lock:
                if not self._closed:
                    self.failed[shape.table] = why
                    log.warning("backend.index_failed", store=shape.info.name, sqlstate=why)
        finally:
            with self._lock:
                self._thread = self._connection = None

    def _statements(self, connection: psycopg.Connection[object], shape: Shape, extension: Extension) -> bool:
        """Whether the index was built; not if somebody else is at it."""
        settings = self._settings
        schema, index = quoted(settings.schema_name), quoted(f"{shape.table}_v")
        running = "SELECT FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)"
        if connection.execute(running, [f"{settings.schema_name}.{shape.table}"]).fetchone():
            return False
        connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{index}", [])
        reach("pg.index_dropped")
        connection.execute(
            f"CREATE INDEX CONCURRENTLY {index} ON {schema}.{quoted(shape.table)}"
            f" USING hnsw (vec {extension.operator_class(shape.kind, shape.info.metric)})"
            f" WITH (m = {settings.m}, ef_construction = {settings.ef_construction})",
            [],
        )
        reach("pg.index_built")
        return True
