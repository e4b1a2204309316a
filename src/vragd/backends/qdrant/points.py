"""
A vector as a point, and back.

| of the payload | |
|---|---|
| `key`, `id` | the key, and its number for `among` |
| `tok`, `num` | what is filtered on, as `filters` has it |
| `properties`, `payload` | JSON as text, which comes back as it was |
| `version`, `created_at`, `updated_at` | `created_at`: when the vector was put |
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from vragd.backends import plain
from vragd.backends.base import PAYLOAD_KEYS, Batch, Stored, key_id
from vragd.backends.qdrant.filters import ID, NUMBERS, TOKENS, numbers
from vragd.backends.tokens import tokens
from vragd.errors import VectorsRefused

_SPACE = uuid.UUID("6f1a2f0e-8b1d-5a53-9d65-7a1c3f0c2b11")
MOST_POINTS, MOST_BYTES = 500, 8 << 20  # of one request; the server takes 32 MiB unless it is told otherwise


def point_id(key: str) -> str:
    """The id of a key's point: ids are UUIDs or numbers."""
    return str(uuid.uuid5(_SPACE, key))


def check(batch: Batch) -> None:
    """Raise VectorsRefused for a payload that others would not expect."""
    for data in batch.payload:
        if unknown := data.keys() - set(PAYLOAD_KEYS):
            raise VectorsRefused(f"a payload cannot hold {sorted(unknown)[0]!r}", part="metadata")


def written(batch: Batch, rows: np.ndarray, *, with_text: bool) -> Iterator[str]:
    """The last of each key as JSON, one by one: a vector as text is several times as large."""
    now = stamp()
    for key, i in sorted({key: i for i, key in enumerate(batch.keys)}.items()):
        vector = ("%.9g," * rows.shape[1] % tuple(rows[i].tolist()))[:-1]  # nine digits give each number back exactly
        payload = told(batch, i, with_text=with_text, created_at=now)
        yield f'{{"id":"{point_id(key)}","vector":[{vector}],"payload":{as_json(payload)}}}'


def requests(points: Iterable[str]) -> Iterator[bytes]:
    """As many of them at once as one request may hold."""
    some: list[str] = []
    n_bytes = 0
    for point in points:
        if some and (len(some) == MOST_POINTS or n_bytes + len(point) > MOST_BYTES):
            yield _list(some)
            some, n_bytes = [], 0
        some.append(point)
        n_bytes += len(point)
    if some:
        yield _list(some)


def _list(points: list[str]) -> bytes:
    return f'{{"points":[{",".join(points)}]}}'.encode()


def told(batch: Batch, i: int, *, with_text: bool, created_at: str) -> dict[str, Any]:
    """The payload of a point."""
    return {
        "key": batch.keys[i], ID: key_id(batch.keys[i]), TOKENS: tokens(batch.metadata[i]),
        NUMBERS: numbers(batch.metadata[i]), "properties": plain.written(batch.metadata[i]),
        "payload": plain.written(plain.payload(batch.payload[i], with_text=with_text)),
        "version": batch.versions[i], "created_at": created_at, "updated_at": stamp(),
    }  # fmt: skip


def stored(point: Mapping[str, Any], *, values: bool, metadata: bool) -> Stored:
    """What is held in a point."""
    row = np.array(point["vector"], dtype=np.float32) if values else None
    data = point["payload"]
    if not metadata:
        return Stored(row, version=data.get("version", ""))
    metadata_of, kept = (plain.or_nothing(plain.read, data.get(name, "")) for name in ("properties", "payload"))
    return Stored(row, metadata_of, kept, data.get("version", ""))


def as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
