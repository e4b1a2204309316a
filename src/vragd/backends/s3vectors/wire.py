"""Vectors, metadata, filters and answers in the terms of S3 Vectors, within its limits. Does no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import xxhash

from vragd.backends.base import PAYLOAD_KEYS, Filter, Match, Metadata, MetadataValue, Metric
from vragd.errors import StoreMismatch

PUT_VECTORS = 500
BODY_BYTES = 20 * 1024 * 1024 - 64 * 1024  # a little room for what is around the vectors
# How AWS counts metadata is not documented to the byte, so each of these leaves room.
FILTERABLE_BYTES = 1_800  # of 2,048
FILTERABLE_VALUES = 85  # of a list, when all are shortened
CONTENT_BYTES, TEXT_BYTES, PATH_BYTES = 16_384, 1_024, 12_288  # of 40 KB for all together
SPACE, MODEL = "vragd-space-", "vragd-model-"


def batches(items: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """`items` in requests within the limits of count and bytes."""
    batch: list[dict[str, Any]] = []
    size = 0
    for item in items:
        length = len(json.dumps(item)) + 2
        if batch and (len(batch) == PUT_VECTORS or size + length > BODY_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def filterable(metadata: Metadata) -> dict[str, Any]:
    """
    `metadata` as AWS takes it. Where it is too much, values of lists are replaced by short hashes, which
    `condition` asks for too; of lists still too long (folders nested deeper than 85) the first are kept.
    """
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in metadata.items() if value != ()}
    if len(json.dumps(plain)) <= FILTERABLE_BYTES:
        return plain
    return {
        key: [_short(x) for x in value][:FILTERABLE_VALUES] if isinstance(value, list) else value
        for key, value in plain.items()
    }


def _short(value: str) -> str:
    return value if len(value) <= 15 and value.isascii() else "#" + xxhash.xxh64_hexdigest(value.encode())[:14]


def condition(filter: Filter) -> dict[str, Any]:  # noqa: A002
    """`filter` in AWS's terms. `$eq` is documented to look into lists; `$in` is not."""
    every = []
    for key, wanted in sorted(filter.items()):
        values: set[Any] = set(wanted) | {_short(value) for value in wanted if isinstance(value, str)}
        either = [{key: {"$eq": value}} for value in sorted(values, key=repr)]
        every.append(either[0] if len(either) == 1 else {"$or": either})
    return every[0] if len(every) == 1 else {"$and": every}


def payload(given: Metadata, with_text: bool) -> dict[str, Any]:
    """A payload as AWS takes it: cut to size, and without the text unless that is wanted."""
    if unknown := given.keys() - set(PAYLOAD_KEYS):
        raise StoreMismatch(f"a payload cannot hold {sorted(unknown)[0]!r}")
    fitted: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, str):
            limit = {"content": CONTENT_BYTES, "path": PATH_BYTES}.get(key, TEXT_BYTES)
            fitted[key] = _cut(value, limit)
        elif isinstance(value, tuple):
            fitted[key] = [_cut(part, TEXT_BYTES // 2) for part in value[:7]]
        else:
            fitted[key] = value
    if not with_text:
        fitted.pop("content", None)
    return {key: value for key, value in fitted.items() if value not in ("", [])}


def _cut(text: str, limit: int) -> str:
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def match(item: Mapping[str, Any], metric: Metric) -> Match:
    """An answer of QueryVectors, its distance as our score."""
    distance = float(item["distance"])
    score = 1 / (1 + distance) if metric == "euclidean" else max(-1.0, min(1.0, 1 - distance))
    metadata: dict[str, MetadataValue] = {}
    kept: dict[str, MetadataValue] = {}
    for key, value in (item.get("metadata") or {}).items():
        plain = tuple(value) if isinstance(value, list) else value
        (kept if key in PAYLOAD_KEYS else metadata)[key] = plain
    return Match(item["key"], score, metadata, kept)


def marks(space: str, model: str) -> list[str]:
    """Names of metadata keys that tell what an index holds; no vector has such a key."""
    # characters any service takes, and no more of them than the name of a metadata key may have
    readable = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[: 63 - len(MODEL)]
    return [mark for mark, known in ((SPACE + space, space), (MODEL + readable, readable)) if known]


def of_marks(keys: Sequence[str]) -> tuple[str, str]:
    """Space and readable model of an index with these metadata keys; empty where it has none."""
    space = next((key.removeprefix(SPACE) for key in keys if key.startswith(SPACE)), "")
    return space, next((key.removeprefix(MODEL) for key in keys if key.startswith(MODEL)), "")
