"""
One segment: entries that were put together, never changed afterwards.

    header   magic, entries, dimension, bytes of the table        32 bytes, little-endian
    rows     float32, little-endian, shape (entries, dimension); of length 1 for cosine
    table    JSON: keys, versions, properties, payloads, times, and the keys that are gone with it
    digest   xxh3_128 of all before

In the table `which` tells for each entry which of the `properties` it has: the chunks of a note have the same ones.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from vragd.backends import plain
from vragd.backends.base import key_id
from vragd.system.alive import progress
from vragd.terms.filter import Metadata

_MAGIC = b"vragdsg1"
_HEADER = struct.Struct("<8sQQQ")
_DIGEST_BYTES = 16
_BLOCK = 4 * 1024 * 1024


class Damaged(Exception):
    """It is not what was written."""


class OtherVersion(ValueError):
    """It is what another version of vragd wrote: nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry; `values` as they are stored, float32, shape (dimension,). Times are seconds since 1970."""

    key: str
    values: np.ndarray
    version: str
    properties: Metadata
    payload: Metadata
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """What is in one. `rows` may lie in a file: shape (n, dimension), float32. `ids` are the keys' `key_id`."""

    name: str
    n_bytes: int
    keys: Sequence[str]
    ids: np.ndarray
    rows: np.ndarray
    versions: Sequence[str]
    properties: Sequence[Metadata]
    which: np.ndarray
    payloads: Sequence[Metadata]
    created_at: Sequence[float]
    updated_at: Sequence[float]
    gone: frozenset[str]

    def row(self, i: int) -> Row:
        return Row(
            self.keys[i], np.array(self.rows[i]), self.versions[i], self.properties[self.which[i]], self.payloads[i],
            self.created_at[i], self.updated_at[i],
        )  # fmt: skip


def written(rows: Sequence[Row], gone: Iterable[str], dimension: int) -> bytes:
    """A segment's bytes."""
    values = np.array([row.values for row in rows], dtype="<f4").reshape(len(rows), dimension)
    distinct: dict[str, int] = {}
    which = [distinct.setdefault(plain.written(row.properties), len(distinct)) for row in rows]
    listed = {
        "keys": [row.key for row in rows], "versions": [row.version for row in rows], "which": which,
        "created_at": [row.created_at for row in rows], "updated_at": [row.updated_at for row in rows],
        "gone": sorted(gone),
    }  # fmt: skip
    texts = {"properties": list(distinct), "payloads": [plain.written(row.payload) for row in rows]}
    parts = [f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}" for name, value in listed.items()]
    parts += [f"{json.dumps(name)}:[{','.join(some)}]" for name, some in texts.items()]
    table = ("{" + ",".join(parts) + "}").encode("ascii")
    body = b"".join([_HEADER.pack(_MAGIC, len(rows), dimension, len(table)), values.tobytes(), table])
    return body + xxhash.xxh3_128_digest(body)


def read(name: str, content: np.ndarray) -> Segment:
    """The segment of `content`, uint8, which it may go on to use. Says `progress`. Raises Damaged, OtherVersion."""
    end = len(content) - _DIGEST_BYTES
    if end < _HEADER.size or _digest(content[:end]) != content[end:].tobytes():
        raise Damaged(f"the checksum of {name} is wrong")
    magic, n, dimension, table_bytes = _HEADER.unpack(content[: _HEADER.size].tobytes())
    at = _HEADER.size + 4 * n * dimension
    if magic != _MAGIC or at + table_bytes != end:
        raise OtherVersion(f"{name} is of another version of vragd")
    table: Mapping[str, Any] = json.loads(content[at:end].tobytes())
    keys = table["keys"]
    return Segment(
        name, len(content), keys, np.fromiter((key_id(key) for key in keys), dtype=np.int64, count=n),
        content[_HEADER.size : at].view("<f4").reshape(n, dimension),
        table["versions"], [plain.of(data) for data in table["properties"]], np.array(table["which"], dtype=np.int64),
        [plain.of(data) for data in table["payloads"]], table["created_at"], table["updated_at"],
        frozenset(table["gone"]),
    )  # fmt: skip


def _digest(content: np.ndarray) -> bytes:
    """In blocks: what lies in a file is read with it, and a large one is no call that hangs."""
    digest = xxhash.xxh3_128()
    for start in range(0, len(content), _BLOCK):
        digest.update(content[start : start + _BLOCK].data)
        progress()
    return digest.digest()
