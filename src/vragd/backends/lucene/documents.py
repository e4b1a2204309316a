"""
A vector as a document, and back.

| field | |
|---|---|
| `key`, `id` | the key, and its number for `among` |
| `vec` | of length 1 for cosine |
| `tok` | what can be filtered on, as `tokens` has it |
| `properties`, `payload` | JSON as text, which the engine neither reads nor changes |
| `words` | title, headings and text, where the index keeps text: what its full text is of |
| `version`, `created_at`, `updated_at` | `created_at`: when the vector was put |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from vragd.backends import plain
from vragd.backends.base import PAYLOAD_KEYS, Batch, Match, Stored, key_id
from vragd.backends.lucene.layout import WORDS
from vragd.backends.lucene.tokens import FIELD
from vragd.backends.tokens import tokens
from vragd.errors import VectorsRefused
from vragd.terms.filter import Value

MOST_ID = 512  # bytes, the engines' limit
_DIGEST = "#"
SEARCHED = ("title", "heading", "content")
Line = tuple[str, bytes]
"""A key, and what a bulk says of it: one line or two, each with its end."""


def document_id(key: str) -> str:
    """The id of a key's document: the key, or a digest of one that is longer than an id may be."""
    if len(key) <= MOST_ID and not key.startswith(_DIGEST):
        return key
    return _DIGEST + hashlib.sha256(key.encode()).hexdigest()


def vector(row: np.ndarray) -> str:
    """A float32 row, shape (n,), as JSON: nine digits give each number back exactly."""
    return "[" + ("%.9g," * len(row) % tuple(row.tolist()))[:-1] + "]"


def check(batch: Batch) -> None:
    """Raise VectorsRefused for a payload that others would not expect."""
    for data in batch.payload:
        if unknown := data.keys() - set(PAYLOAD_KEYS):
            raise VectorsRefused(f"a payload cannot hold {sorted(unknown)[0]!r}", part="metadata")


@dataclass(frozen=True, slots=True)
class Text:
    """Whether text is `kept`, and whether it is `searched`, too."""

    kept: bool
    searched: bool


def put_lines(
    batch: Batch, rows: np.ndarray, chosen: Sequence[tuple[str, int]], text: Text
) -> Iterator[Line]:  # fmt: skip
    """Of (key, place in the batch), made one by one: a vector as text is several times as large."""
    now = _now()
    for key, i in chosen:
        fields = {"key": key, "id": key_id(key), **_told(batch, i, text), "created_at": now,
                  "updated_at": now}  # fmt: skip
        document = _json(fields)[:-1] + ',"vec":' + vector(rows[i]) + "}"
        yield key, f"{_json({'index': {'_id': document_id(key)}})}\n{document}\n".encode()


def patch_lines(batch: Batch, chosen: Sequence[tuple[str, int]], text: Text) -> list[Line]:
    """As `put_lines`, for what is there already and keeps its vector."""
    now, lines = _now(), []
    for key, i in chosen:
        gone = {WORDS: None} if text.searched and not text.kept else {}  # a patch leaves what it does not name
        doc = {"doc": _told(batch, i, text) | gone | {"updated_at": now}}
        action = {"update": {"_id": document_id(key), "retry_on_conflict": 3}}
        lines.append((key, f"{_json(action)}\n{_json(doc)}\n".encode()))
    return lines


def delete_lines(keys: Sequence[str]) -> list[Line]:
    return [(key, f"{_json({'delete': {'_id': document_id(key)}})}\n".encode()) for key in keys]


def _told(batch: Batch, i: int, text: Text) -> dict[str, Any]:
    kept = batch.payload[i]
    told = {
        FIELD: tokens(batch.metadata[i]),
        "properties": plain.written(batch.metadata[i]),
        "payload": plain.written(plain.payload(kept, with_text=text.kept)),
        "version": batch.versions[i],
    }
    if text.kept and text.searched:
        told[WORDS] = "\n".join(part for key in SEARCHED for part in _parts(kept.get(key, "")))
    return told


def _parts(value: Value) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)


def stored(source: Mapping[str, Any], *, values: bool, metadata: bool) -> Stored:
    """What is held in a document."""
    row = np.array(source["vec"], dtype=np.float32) if values and source.get("vec") is not None else None
    if not metadata:
        return Stored(row, version=source.get("version", ""))
    properties, kept = (plain.or_nothing(plain.read, source.get(name, "")) for name in ("properties", "payload"))
    return Stored(row, properties, kept, source.get("version", ""))


def matches(found: Iterable[tuple[Mapping[str, Any], float]]) -> list[Match]:
    """
    Hits of a search with their scores. A document without a key is somebody else's. Raises what reading does, of one
    that somebody changed.
    """
    items = []
    for hit, score in found:
        if keys := hit.get("fields", {}).get("key"):
            source = hit.get("_source", {})
            properties, kept = (plain.read(source.get(name, "{}")) for name in ("properties", "payload"))
            items.append(Match(keys[0], float(score), properties, kept))
    return items


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
