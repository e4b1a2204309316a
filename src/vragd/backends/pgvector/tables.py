"""The backend itself: collections as tables, each call a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import structlog

from vragd.backends import plain
from vragd.backends.base import (
    Among,
    Batch,
    CollectionInfo,
    Match,
    Matches,
    Stored,
    Traits,
)
from vragd.backends.checks import check_identity, check_keys, check_shape, check_traits, checked_query, checked_rows
from vragd.backends.pgvector import filters, layout, memory, nearest, wire, words, writing
from vragd.backends.pgvector.connect import Connections, Cursor
from vragd.backends.pgvector.errors import Faulty
from vragd.backends.pgvector.index import Builder, can_have
from vragd.backends.pgvector.layout import Extension, Shape, quoted
from vragd.backends.pgvector.settings import PgvectorBackend as Settings
from vragd.backends.scores import prepared
from vragd.errors import BackendRefused, CollectionMismatch, UnknownCollection, VectorsRefused
from vragd.system.failpoints import reach
from vragd.terms.filter import KINDS, Filter
from vragd.terms.metric import METRICS, Metric

log = structlog.get_logger()
T = TypeVar("T")

ROWS, KEYS, PAGE = 500, 5_000, 5_000  # in one statement: put, deleted or got, listed
FEW = 10_000  # rows that pass a filter, up to which no index is asked
INDEX_FROM = 10_000  # rows from which `index: auto` and `ivfflat` have one
GROWTH = 4  # times as many rows as the lists of an IVFFlat index were made of: they are made anew
NEAR = 0.75  # the share of as many from which an estimate is not enough

TRAITS = Traits(
    private=False, networked=True, keeps_payload=True, durable=True, patches=True, value_error=1 / 2_000,
    metrics=METRICS, max_dimension=16_000, max_matches=None, max_among=None,
)  # fmt: skip


class PgvectorBackend:
    """Of a database that others may use too. What it knows of a collection is looked up again when that is gone."""

    traits = TRAITS

    def __init__(self, settings: Settings, index_from: int = INDEX_FROM, few: int = FEW) -> None:
        self._settings, self._index_from, self._few = settings, index_from, few
        self.connections = Connections(settings)
        self.builder = Builder(settings)
        self._extension: Extension | None = None
        self._shapes: dict[str, Shape] = {}

    # -- collections -------------------------------------------------------------------------------

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, "pgvector")
        asked = CollectionInfo(name, dimension, metric, None, space, model)
        try:
            have = self._describe(name).info
        except UnknownCollection:
            made = self._run(lambda cursor: self._create(cursor, asked))
            have = self._describe(name).info  # which is somebody else's if that was quicker
            if made:
                reach("pg.collection_made")
                log.info("backend.index_created", store=name, dimension=dimension)
        check_shape(asked, have)
        return have

    def _create(self, cursor: Cursor, asked: CollectionInfo) -> bool:
        """Make the table unless it is there by now. Of several at once the lock lets one go first."""
        settings, extension = self._settings, self._of_extension(cursor)
        self._lock(cursor)
        known = cursor.execute("SELECT FROM pg_namespace WHERE nspname = %s", [settings.schema_name]).fetchone()
        if known is None:
            cursor.execute(f"CREATE SCHEMA {quoted(settings.schema_name)}", [])
        if cursor.execute("SELECT to_regclass(%s) IS NULL", [layout.registry(settings)]).fetchone() == (True,):
            cursor.execute(layout.create_registry(settings), [])
        if cursor.execute(layout.describe(settings), [settings.schema_name, asked.name]).fetchone():
            return False
        registry, identity = layout.registry(settings), layout.new_identity()
        table = layout.table_name(settings, asked.name, identity)
        cursor.execute(f"DELETE FROM {registry} WHERE name = %s", [asked.name])  # its table was dropped by hand
        for statement in layout.create_table(settings, table, asked.dimension, extension):
            cursor.execute(statement, [])
        if settings.remote_text:
            cursor.execute(words.create_index(self._full(table), table), [])
        cursor.execute(
            f"INSERT INTO {registry} (name, identity, table_name, metric, space, model, format)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [asked.name, identity, table, asked.metric, asked.space, asked.model, layout.FORMAT],
        )
        return True

    def _lock(self, cursor: Cursor) -> None:
        """Until the end of the transaction nobody else makes or deletes a collection here."""
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [layout.registry(self._settings)])

    def delete_collection(self, name: str, *, identity: str) -> None:
        registry = layout.registry(self._settings)

        def delete(cursor: Cursor) -> None:
            self._lock(cursor)
            row = cursor.execute(f"SELECT identity, table_name FROM {registry} WHERE name = %s", [name]).fetchone()
            if row is not None:
                check_identity(name, row[0], identity)
                cursor.execute(f"DROP TABLE IF EXISTS {self._full(row[1])}", [])
                cursor.execute(f"DELETE FROM {registry} WHERE name = %s", [name])

        try:
            self._run(delete, name)
            reach("pg.collection_deleted")
        except UnknownCollection:
            return
        self._shapes.pop(name, None)

    def list_collections(self) -> list[str]:
        try:
            ask = layout.listed(self._settings)
            rows = self._run(lambda cursor: cursor.execute(ask, [self._settings.schema_name]).fetchall())
        except UnknownCollection:  # nobody made one yet
            return []
        return sorted(name for (name,) in rows)

    def collection_info(self, name: str) -> CollectionInfo:
        shape = self._describe(name)
        ((count,),) = self._asked(name, f"SELECT count(*) FROM {self._full(shape.table)}", [])
        version = ".".join(map(str, self._extension.version)) if self._extension else ""
        detail = dict(shape.info.detail) | {"pgvector": version}
        for key, index in (("index_failed", shape.table), ("words_failed", words.index_name(shape.table))):
            if failed := self.builder.failed.get(index):
                detail[key] = memory.told(failed)
        return replace(shape.info, count=count, detail=detail)

    def _describe(self, name: str, timeout_s: float | None = None) -> Shape:
        def ask(cursor: Cursor) -> tuple[Any, ...] | None:
            self._of_extension(cursor)
            found: tuple[Any, ...] | None = cursor.execute(
                layout.describe(self._settings), [self._settings.schema_name, name]
            ).fetchone()
            return found

        row = self._run(ask, name, timeout_s)
        if row is None:
            self._shapes.pop(name, None)
            raise UnknownCollection(f"the database has no store {name!r}: {self._settings.where()}")
        identity, table, metric, space, model, version, dimension, kind, created, described, has_words = row
        if version != layout.FORMAT or kind not in layout.INDEX_DIMENSIONS:
            raise BackendRefused(f"collection {name!r} was made by another version of vragd", hint="use that version")
        settings = self._settings
        place = f"pgvector {settings.host}/{settings.database} {kind} text={settings.remote_text}"
        index = layout.Index.described(described) if described else None
        detail = {"table": f"{settings.schema_name}.{table}", "type": kind, "created": created,
                  "index": index.kind if index else "exact", **(index.detail(settings) if index else {}),
                  "words": "indexed" if has_words else "not indexed"}  # fmt: skip
        info = CollectionInfo(
            name, dimension, metric, None, space, model, identity, place, index is None, KINDS, detail
        )
        shape = self._shapes[name] = Shape(info, table, kind, index, has_words)
        return shape

    def _of_extension(self, cursor: Cursor) -> Extension:
        if self._extension is None:
            row = cursor.execute(layout.EXTENSION, []).fetchone()
            assert row is not None
            found = layout.extension(row, self._settings)
            if found.version < layout.BEST:
                log.warning("backend.old_server", version=".".join(map(str, found.version)))
            self._extension = found
        return self._extension

    def _shape(self, name: str) -> Shape:
        return self._shapes.get(name) or self._describe(name)

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        shape = self._shape(name)
        rows = prepared(checked_rows(batch, shape.info.dimension), shape.info.metric)
        writing.check(batch, rows, shape)
        last = sorted({key: i for i, key in enumerate(batch.keys)}.items())  # in one order: no two wait for each other
        with_text, refused = self._settings.remote_text, dict[str, Faulty]()
        for start in range(0, len(last), ROWS):
            some = writing.rows_of(batch, rows, last[start : start + ROWS], shape, with_text=with_text)
            self._put(name, shape, some, refused)
        if refused:
            if (have := self._describe(name).info.dimension) != shape.info.dimension:  # then no row is at fault
                raise CollectionMismatch(
                    f"the table of {name!r} holds {have}-d vectors by now, these have {shape.info.dimension}",
                    what="dimension", hint="somebody changed it; delete it, and vragd makes and fills it again",
                )  # fmt: skip
            error = next(iter(refused.values()))
            raise VectorsRefused(error.message, keys=tuple(refused), part="metadata", hint=error.hint)

    def _put(self, name: str, shape: Shape, rows: list[writing.Row], refused: dict[str, Faulty]) -> None:
        """Put rows. Where the server finds fault with some, the one at fault is found by halving, and noted."""
        table, extension = self._full(shape.table), self._known()
        try:
            self._of(name, lambda cursor: writing.put(cursor, table, rows, shape, extension))
            reach("pg.put")
        except Faulty as error:
            if len(rows) == 1:
                refused[rows[0][0].decode()] = error
                return
            self._put(name, shape, rows[: len(rows) // 2], refused)
            self._put(name, shape, rows[len(rows) // 2 :], refused)

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        shape, missing = self._shape(name), set(batch.keys)
        with_text = self._settings.remote_text
        last = sorted({key: i for i, key in enumerate(batch.keys) if "\0" not in key}.items())
        for start in range(0, len(last), ROWS):
            some = last[start : start + ROWS]
            columns = [
                [key for key, _ in some],
                [filters.written(batch.metadata[i]).decode() for _, i in some],
                [writing.payload(batch.payload[i], with_text=with_text).decode() for _, i in some],
                [batch.versions[i] for _, i in some],
            ]
            update = (
                f"UPDATE {self._full(shape.table)} t SET metadata = n.metadata::jsonb, payload = n.payload::jsonb,"
                " version = n.version, updated_at = now()"
                " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS n (key, metadata, payload, version)"
                " WHERE t.key = n.key RETURNING t.key"
            )
            try:
                missing -= {key for (key,) in self._asked(name, update, columns)}
            except Faulty as error:
                raise VectorsRefused(error.message, keys=tuple(columns[0]), part="metadata") from None
        return frozenset(missing)

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        shape = self._shape(name)
        for some in _some(keys):
            self._asked(
                name, f"DELETE FROM {self._full(shape.table)} WHERE key = ANY(%s::text[]) RETURNING NULL", [some]
            )
            reach("pg.deleted")

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        shape = self._shape(name)
        columns = f"key, version, {'vec' if values else 'NULL'}, " + ("metadata, payload" if metadata else "NULL, NULL")
        found: dict[str, Stored] = {}
        for some in _some(keys):
            ask = f"SELECT {columns} FROM {self._full(shape.table)} WHERE key = ANY(%s::text[])"
            for key, version, value, data, kept in self._asked(name, ask, [some]):
                row = None if value is None else wire.vector(value, shape.kind)
                read = [plain.or_nothing(filters.read, it or {}) for it in (data, kept)]
                found[key] = Stored(row, read[0], read[1], version)
        return found

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        shape = self._shape(name)
        if "\0" in prefix:
            return
        ask = (
            f"SELECT key, version FROM {self._full(shape.table)} WHERE key > %s AND starts_with(key, %s)"
            " ORDER BY key LIMIT %s"
        )
        while rows := self._asked(name, ask, [after, prefix, PAGE]):
            yield from rows
            after = rows[-1][0]

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        return nullcontext()

    def tend(self, name: str) -> None:
        """
        Begin to build an index, beside everything else, where one is wanted and worth while.

        That of IVFFlat again when there are four times as many rows: its lists are made of those that there are.
        """
        shape = self._shape(name)
        if self._settings.remote_text and self.builder.due(words.index_name(shape.table)):
            shape = self._describe(name)  # somebody else may have built one, or taken it away
            if not shape.has_words:
                self.builder.begin(shape, self._known(), self._shapes.clear, of_words=True)
                return
        wanted = self._settings.index != "exact" and can_have(shape, self._known())
        if not wanted or shape.is_indexed_for_good or not self.builder.due(shape.table):
            return
        shape = self._describe(name)  # somebody else may have built one
        if shape.is_indexed_for_good:
            return
        least = 1 if self._settings.index == "hnsw" else self._index_from
        if shape.index is not None:
            least = max(1, GROWTH * shape.index.n_rows)
            ((estimate,),) = self._asked(name, layout.ESTIMATE, [self._full(shape.table)])
            if 0 <= estimate < NEAR * least:  # to count that many would read the whole table, at every look
                return
        ask = f"SELECT count(*) FROM (SELECT FROM {self._full(shape.table)} LIMIT %s) t"
        if self._asked(name, ask, [least])[0][0] >= least:
            self.builder.begin(shape, self._known(), self._shapes.clear)

    # -- questions ---------------------------------------------------------------------------------

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return where, None

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        timeout_s = timeout_s or self._settings.query_timeout_s
        shape = self._shapes.get(name) or self._describe(name, timeout_s)
        row = checked_query(vector, shape.info.dimension, shape.info.metric)
        row = prepared(row, shape.info.metric)
        if shape.kind == "halfvec" and np.abs(row).max() > writing.HALF_MOST:
            raise CollectionMismatch(f"the query holds a value beyond {writing.HALF_MOST:.0f}", what="query")
        if top_k <= 0:
            return Matches((), "more")
        question = nearest.Question(
            self._full(shape.table),
            shape,
            self._known(),
            row,
            top_k + 1,
            among,
            where,
            payload,
            nearest.Search(self._settings.ef_search, shape.index.probes(self._settings) if shape.index else 1),
            self._few,
        )
        found = self._of(name, lambda cursor: nearest.ask(cursor, question), timeout_s)
        metric = shape.info.metric
        return _matches([(key, nearest.score(distance, metric), *kept) for key, distance, *kept in found], top_k)

    def query_words(
        self, name: str, text: str, top_k: int, *, where: Filter | None = None, timeout_s: float | None = None
    ) -> Matches:  # fmt: skip
        timeout_s = timeout_s or self._settings.query_timeout_s
        shape = self._shapes.get(name) or self._describe(name, timeout_s)
        table, is_indexed = self._full(shape.table), shape.has_words
        found = self._of(
            name, lambda cursor: words.find(cursor, table, text, top_k + 1, where, is_indexed=is_indexed), timeout_s
        )
        return _matches(found, top_k)

    def close(self) -> None:
        self.connections.close()
        self.builder.close()

    # -- calls -------------------------------------------------------------------------------------

    def _full(self, table: str) -> str:
        return f"{quoted(self._settings.schema_name)}.{quoted(table)}"

    def _known(self) -> Extension:
        """The extension, as whoever described a collection found it."""
        return self._extension or self._run(self._of_extension)

    def _asked(self, name: str, statement: str, given: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._of(name, lambda cursor: cursor.execute(statement, given).fetchall())

    def _of(self, name: str, work: Callable[[Cursor], T], timeout_s: float | None = None) -> T:
        """`work` on the table of a collection, whose shape is forgotten if that fails: it may be another by now."""
        try:
            return self._run(work, name, timeout_s)
        except (UnknownCollection, BackendRefused, Faulty):
            self._shapes.pop(name, None)
            self._extension = None
            raise

    def _run(self, work: Callable[[Cursor], T], name: str | None = None, timeout_s: float | None = None) -> T:
        return self.connections.run(work, timeout_s or self._settings.timeout_s, name)


def _matches(found: Sequence[tuple[Any, ...]], top_k: int) -> Matches:
    """Rows of (key, score, metadata, payload), one more than were asked for where there are."""
    with plain.damage_told("the table in PostgreSQL"):
        items = [Match(key, score, *(filters.read(it or {}) for it in told)) for key, score, *told in found]
    items.sort(key=lambda match: (-match.score, match.key))
    return Matches(items[:top_k], "more" if len(items) > top_k else "exhausted")


def _some(keys: Collection[str]) -> Iterator[list[str]]:
    """Those that can be keys at all, each once."""
    unique = sorted({key for key in keys if key.isascii() and "\0" not in key})
    for start in range(0, len(unique), KEYS):
        yield unique[start : start + KEYS]
