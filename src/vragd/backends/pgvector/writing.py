"""Rows on their way into a table: as the server takes them, and the statements that put them there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vragd.backends import plain
from vragd.backends.base import PAYLOAD_KEYS, Batch, key_id
from vragd.backends.pgvector import filters, wire
from vragd.backends.pgvector.connect import Cursor
from vragd.backends.pgvector.layout import Extension, Shape
from vragd.errors import VectorsRefused
from vragd.terms.filter import Metadata

COPY_FROM = 50  # rows from which a temporary table is worth its entries in the server's own tables
HALF_LEAST, HALF_MOST = 2.0**-14, 65_504.0  # between these a half is off by 1/2,048 at most
COLUMNS = ("key", "id", "vec", "metadata", "payload", "version")
Row = tuple[bytes, ...]
"""A value for each of `COLUMNS`."""


def check(batch: Batch, rows: np.ndarray, shape: Shape) -> None:
    """Raise VectorsRefused for what PostgreSQL cannot hold, though another backend may."""
    if bad := tuple(key for key in batch.keys if "\0" in key):
        raise VectorsRefused("PostgreSQL takes no key with a NUL in it", keys=bad, part="key")
    if shape.kind == "halfvec" and len(rows):
        largest = np.abs(rows).max(axis=1)
        wrong = np.flatnonzero((largest < HALF_LEAST) | (largest > HALF_MOST))
        if bad := tuple(batch.keys[i] for i in wrong.tolist()):
            raise VectorsRefused(
                f"the values of vector {bad[0]!r} are too small or too large for halfvec", keys=bad, part="values",
                hint="vector_type: vector, for a store that is made anew",
            )  # fmt: skip
    for data in batch.payload:
        if unknown := data.keys() - set(PAYLOAD_KEYS):
            raise VectorsRefused(f"a payload cannot hold {sorted(unknown)[0]!r}", part="metadata")


def payload(given: Metadata, *, with_text: bool) -> bytes:
    """A payload as JSON, without the text unless that is wanted."""
    return filters.written(plain.payload(given, with_text=with_text))


def rows_of(
    batch: Batch, rows: np.ndarray, chosen: Sequence[tuple[str, int]], shape: Shape, *, with_text: bool
) -> list[Row]:  # fmt: skip
    """The rows of (key, place in the batch)."""
    values = wire.vectors(rows[[i for _, i in chosen]], shape.kind)
    return [
        (
            key.encode(), wire.int8(key_id(key)), value, wire.jsonb(filters.written(batch.metadata[i])),
            wire.jsonb(payload(batch.payload[i], with_text=with_text)), batch.versions[i].encode(),
        )
        for (key, i), value in zip(chosen, values, strict=True)
    ]  # fmt: skip


def put(cursor: Cursor, table: str, rows: Sequence[Row], shape: Shape, extension: Extension) -> None:
    """Upsert rows of distinct keys."""
    names, kind = ", ".join(COLUMNS), extension.type(shape.kind)
    into = f"INSERT INTO {table} AS t ({names})"
    if len(rows) < COPY_FROM:
        values = f"%b::text, %b::bigint, %b::{kind}, %b::jsonb, %b::jsonb, %b::text"
        each = [[wire.Wire(field) for field in row] for row in rows]
        cursor.executemany(f"{into} VALUES ({values}){_on_conflict(extension)}", each)
        return
    columns = f"key text, id bigint, vec {kind}, metadata jsonb, payload jsonb, version text"
    cursor.execute(f"CREATE TEMP TABLE vragd_put ({columns}) ON COMMIT DROP", [])
    with cursor.copy(f"COPY pg_temp.vragd_put ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        for block in wire.copied(rows):
            copy.write(block)
    select = f"SELECT {names} FROM pg_temp.vragd_put ORDER BY key"
    cursor.execute(f"{into} {select}{_on_conflict(extension)}", [])


def _on_conflict(extension: Extension) -> str:
    """A vector that is written again, changed or not, is another entry of an index: what is equal is left alone."""
    changed = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[2:])
    return (
        f" ON CONFLICT (key) DO UPDATE SET {changed}, updated_at = now()"
        " WHERE (t.metadata, t.payload, t.version) IS DISTINCT FROM (excluded.metadata, excluded.payload,"
        f" excluded.version) OR NOT t.vec {extension.operator('=')} excluded.vec"
    )
