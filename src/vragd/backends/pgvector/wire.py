"""Rows in PostgreSQL's binary format, which is several times faster than text. Does no I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from psycopg.adapt import Dumper
from psycopg.pq import Format

VectorType = Literal["vector", "halfvec"]
COPY_BEGIN, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_INT8_OID = 20
_DTYPES: dict[str, Any] = {"vector": np.dtype(">f4"), "halfvec": np.dtype(">f2")}


class Wire(bytes):
    """A parameter as the server receives it; the statement says of which type it is."""


class WireDumper(Dumper):
    format = Format.BINARY
    oid = 0  # a type of an extension has another number in each database

    def dump(self, obj: Wire) -> bytes:
        return bytes(obj)


def vectors(rows: np.ndarray, kind: VectorType) -> list[bytes]:
    """Each of `rows`, shape (n, dimension), as a value of the extension's type."""
    head = struct.pack(">HH", rows.shape[1], 0)
    return [head + row.tobytes() for row in rows.astype(_DTYPES[kind])]


def vector(value: bytes, kind: VectorType) -> np.ndarray:
    """The float32 row of a value of the extension's type."""
    row: np.ndarray = np.frombuffer(value, dtype=_DTYPES[kind], offset=4).astype(np.float32)
    return row


def int8(value: int) -> bytes:
    return struct.pack(">q", value)


def jsonb(text: bytes) -> bytes:
    return b"\x01" + text


def int8_array(values: np.ndarray) -> bytes:
    """An array of bigint, of int64."""
    if not len(values):
        return struct.pack(">iiI", 0, 0, _INT8_OID)
    parts = np.empty(len(values), dtype=[("length", ">i4"), ("value", ">i8")])
    parts["length"], parts["value"] = 8, values
    return struct.pack(">iiIii", 1, 0, _INT8_OID, len(values), 1) + parts.tobytes()


def copied(rows: Iterable[Sequence[bytes]]) -> Iterable[bytes]:
    """Rows as COPY takes them, begin and end included."""
    yield COPY_BEGIN
    for row in rows:
        yield struct.pack(">h", len(row)) + b"".join(struct.pack(">i", len(field)) + field for field in row)
    yield COPY_END
