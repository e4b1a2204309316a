"""
What lies where in the database: one table that names the collections, and one for each of them.

The name of a collection's table holds its identity. So whoever still knows a collection that was deleted and made
again finds no table, and never writes into its successor.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vragd.backends.base import CollectionInfo
from vragd.backends.pgvector.settings import PgvectorBackend as Settings
from vragd.backends.pgvector.wire import VectorType
from vragd.errors import BackendRefused

FORMAT = 1
OLDEST, BEST = (0, 5, 0), (0, 8, 4)
HALF_FROM, ITERATIVE_FROM = (0, 7, 0), (0, 8, 0)
LEAST_LISTS = 50
INDEX_DIMENSIONS: Mapping[VectorType, int] = {"vector": 2_000, "halfvec": 4_000}
OPERATORS = {"cosine": "<=>", "euclidean": "<->", "dot": "<#>"}
_CLASSES = {"cosine": "cosine_ops", "euclidean": "l2_ops", "dot": "ip_ops"}


def quoted(name: str) -> str:
    """An identifier, in a statement that has parameters."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


@dataclass(frozen=True, slots=True)
class Extension:
    """pgvector as it is installed in the database: in which schema, and which version."""

    schema: str
    version: tuple[int, ...]

    def type(self, kind: VectorType) -> str:
        return f"{quoted(self.schema)}.{kind}"

    def operator(self, symbol: str) -> str:
        return f"OPERATOR({quoted(self.schema)}.{symbol})"

    def operator_class(self, kind: VectorType, metric: str) -> str:
        return f"{quoted(self.schema)}.{kind}_{_CLASSES[metric]}"


EXTENSION = """
    SELECT n.nspname, e.extversion, current_setting('server_encoding'), a.name IS NOT NULL
    FROM (SELECT 1) one LEFT JOIN pg_extension e ON e.extname = 'vector'
    LEFT JOIN pg_namespace n ON n.oid = e.extnamespace LEFT JOIN pg_available_extensions a ON a.name = 'vector'
"""


ESTIMATE = """
    SELECT CASE WHEN reltuples < 0 OR relpages = 0 THEN -1 ELSE
      reltuples / relpages * (pg_relation_size(oid) / current_setting('block_size')::bigint) END::bigint
    FROM pg_class WHERE oid = to_regclass(%s)
"""
"""How many rows a table has, as PostgreSQL itself reckons: of its size now. -1 where it never looked."""


def extension(row: tuple[Any, ...], settings: Settings) -> Extension:
    """What `EXTENSION` found. Raises BackendRefused where it cannot be worked with."""
    schema, version, encoding, available = row
    if encoding != "UTF8":
        raise BackendRefused(
            f"the database keeps text as {encoding}: {settings.where()}", hint="create one with ENCODING 'UTF8'"
        )
    if schema is None and available:
        raise BackendRefused(
            f"the extension vector is not in the database: {settings.where()}",
            hint="whoever runs the server: CREATE EXTENSION vector",
        )
    if schema is None:
        raise BackendRefused(
            f"pgvector is not installed on the server: {settings.where()}",
            hint="install it there (github.com/pgvector/pgvector), then CREATE EXTENSION vector",
        )
    found = Extension(schema, tuple(map(int, re.findall(r"\d+", version))))
    least = HALF_FROM if settings.vector_type == "halfvec" else OLDEST
    if found.version < least:
        raise BackendRefused(
            f"pgvector {version} is too old, {'.'.join(map(str, least))} is needed: {settings.where()}",
            hint="update it there, then ALTER EXTENSION vector UPDATE",
        )
    return found


@dataclass(frozen=True, slots=True)
class Index:
    """
    An index on the vectors that is whole. `kind`: hnsw or ivfflat; `options`: those it was made with.

    `n_rows`: of how many rows the lists of an IVFFlat index were made, `enough`: how many of them have to be looked
    into; 0 where nobody wrote that down.
    """

    kind: str
    options: Mapping[str, int]
    n_rows: int
    enough: int = 0

    @classmethod
    def described(cls, text: str) -> Index:
        """As `describe` has it."""
        it = json.loads(text)
        pairs = (option.partition("=") for option in it["options"] or ())
        options = {key: int(value) for key, _, value in pairs if value.isdigit()}
        note = re.fullmatch(r"lists of ([0-9]+) rows(?:, ([0-9]+) probes)?", it["note"] or "")
        return cls(it["kind"], options, int(note[1]) if note else 0, int(note[2] or 0) if note else 0)

    def probes(self, settings: Settings) -> int:
        """How many lists of an IVFFlat index a question looks into; half of them where nobody tried it."""
        lists = self.options.get("lists", 100)
        return min(lists, settings.probes or self.enough or math.ceil(lists / 2))

    def detail(self, settings: Settings) -> dict[str, int]:
        """What it was made with and how it is asked, for `store info`."""
        if self.kind == "ivfflat":
            return {**self.options, "probes": self.probes(settings), "lists_of_rows": self.n_rows}
        return {**self.options, "ef_search": settings.ef_search}


def lists_for(n_rows: int) -> int:
    """How many lists of so many rows: one for a thousand, above a million the square root, fifty at least."""
    return max(LEAST_LISTS, n_rows // 1_000) if n_rows <= 1_000_000 else min(32_768, math.isqrt(n_rows))


@dataclass(frozen=True, slots=True)
class Shape:
    """A collection as the database describes it."""

    info: CollectionInfo
    table: str
    kind: VectorType
    index: Index | None
    has_words: bool
    """Whether there is an index on the words of its text."""

    @property
    def is_indexed_for_good(self) -> bool:
        """Whether there is an HNSW index, whoever made it: it grows with its rows."""
        return self.index is not None and self.index.kind == "hnsw"


WORDS_INDEX, WORDS_BEFORE = "_f", "_t"
"""How the name of the index on a table's words ends, and how that of one that cut them otherwise did."""


def names_of_index(table: str) -> list[str]:
    """What the index on a table's vectors is called, if it is ours; the one that replaces it has the other name."""
    return [f"{table}_v", f"{table}_w"]


def new_identity() -> str:
    return secrets.token_hex(8)


def table_name(settings: Settings, name: str, identity: str) -> str:
    """At most 59 bytes, of 63 that a name may have."""
    readable = re.sub(r"[^a-z0-9]+", "_", name.lower())[:24]
    return f"{settings.prefix}c_{readable}_{identity}"


def registry(settings: Settings) -> str:
    return f"{quoted(settings.schema_name)}.{quoted(settings.prefix + 'collections')}"


def create_registry(settings: Settings) -> str:
    return f"""CREATE TABLE IF NOT EXISTS {registry(settings)} (
        name text COLLATE "C" PRIMARY KEY, identity text NOT NULL, table_name text NOT NULL, metric text NOT NULL,
        space text NOT NULL, model text NOT NULL, format integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now())"""


def create_table(settings: Settings, table: str, dimension: int, of: Extension) -> list[str]:
    """
    The statements that make a collection's table. Dead rows are swept early: they fill what an index scan sees.

    Vectors stay in their rows, as far as a page allows: of 2,000 bytes PostgreSQL would keep them in a table beside it,
    where a scan looks each of them up.
    """
    full = f"{quoted(settings.schema_name)}.{quoted(table)}"
    return [
        f"""CREATE TABLE {full} (
        key text COLLATE "C" PRIMARY KEY, id bigint NOT NULL, vec {of.type(settings.vector_type)}({dimension}) NOT NULL,
        metadata jsonb NOT NULL, payload jsonb NOT NULL, version text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())
        WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200, toast_tuple_target = 8160)""",
        f"CREATE INDEX ON {full} (id)",
        f"CREATE INDEX ON {full} USING gin (metadata jsonb_path_ops)",
    ]


def listed(settings: Settings) -> str:
    """The names of collections: as `describe`, without those whose table somebody dropped."""
    return f"""
    SELECT c.name FROM {registry(settings)} c JOIN pg_namespace n ON n.nspname = %s
    JOIN pg_class k ON k.relnamespace = n.oid AND k.relname = c.table_name"""


def describe(settings: Settings) -> str:
    """
    A collection by its name; a row without a table is of one whose table somebody dropped.

    Its index is ours; without one, an HNSW index of the user's that knows all of its vectors by its metric. An IVFFlat
    index of the user's does not count: nobody wrote down what its lists were made of.
    """
    by_metric = " ".join(f"WHEN '{metric}' THEN '_{operators}'" for metric, operators in _CLASSES.items())
    return f"""
    SELECT c.identity, c.table_name, c.metric, c.space, c.model, c.format, a.atttypmod, t.typname, c.created_at::text,
      (SELECT json_build_object('kind', m.amname, 'options', x.reloptions,
                                'note', obj_description(x.oid, 'pg_class'))::text
       FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
       JOIN pg_opclass o ON o.oid = i.indclass[0]
       CROSS JOIN LATERAL (SELECT x.relname IN (c.table_name || '_v', c.table_name || '_w') AS is_ours) own
       WHERE i.indrelid = k.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum
         AND o.opcname = t.typname || CASE c.metric {by_metric} END
         AND (m.amname = 'hnsw' OR m.amname = 'ivfflat' AND own.is_ours)
       ORDER BY own.is_ours DESC, x.oid DESC LIMIT 1),
      EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
              WHERE i.indrelid = k.oid AND i.indisvalid AND x.relname = c.table_name || '{WORDS_INDEX}')
    FROM {registry(settings)} c
    JOIN pg_namespace n ON n.nspname = %s
    JOIN pg_class k ON k.relnamespace = n.oid AND k.relname = c.table_name
    JOIN pg_attribute a ON a.attrelid = k.oid AND a.attname = 'vec' AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.name = %s"""
