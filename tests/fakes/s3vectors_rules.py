"""The documented limits of S3 Vectors and its filter language, as the service enforces them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from moto.s3vectors.models import Index

from tests.fakes.words import relevance

NAMES = {
    "vectorBucketName": re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
    "indexName": re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
}
BODY = 20 * 1024 * 1024
BATCH = {"PutVectors": ("vectors", 500), "DeleteVectors": ("keys", 500), "GetVectors": ("keys", 100)}
COMPARE = {"$gt": float.__gt__, "$gte": float.__ge__, "$lt": float.__lt__, "$lte": float.__le__}
OPERATORS = frozenset({"$eq", "$ne", "$in", "$nin", "$exists", *COMPARE})


class Refused(Exception):
    """A ValidationException, with what it says."""


def check_body(operation: str, body: Mapping[str, Any], size: int) -> None:
    """Refuse a request beyond a limit of size, count or name."""
    if size > BODY:
        raise Refused(f"the request has {size} bytes")
    for field, allowed in NAMES.items():
        if field in body and not allowed.fullmatch(body[field]):
            raise Refused(f"{field} {body[field]!r} is not a name")
    if operation in BATCH:
        field, most = BATCH[operation]
        if not 1 <= len(body[field]) <= most:
            raise Refused(f"{len(body[field])} {field}, expected 1 to {most}")
    if operation == "QueryVectors" and not 1 <= body["topK"] <= 100:
        raise Refused(f"topK {body['topK']}")
    if operation in ("ListVectors", "ListIndexes") and not 1 <= body.get("maxResults", 500) <= 1000:
        raise Refused(f"maxResults {body['maxResults']}")


def check_create_index(body: Mapping[str, Any]) -> None:
    """Refuse an index the service would not make."""
    hidden = body.get("metadataConfiguration", {}).get("nonFilterableMetadataKeys", [])
    if len(hidden) > 10 or any(not 1 <= len(key) <= 63 for key in hidden) or len(set(hidden)) != len(hidden):
        raise Refused(f"nonFilterableMetadataKeys {hidden}")
    if not 1 <= body["dimension"] <= 4096:
        raise Refused(f"dimension {body['dimension']}")


def check_put(vectors: Sequence[Mapping[str, Any]], index: Index, hidden: Collection[str]) -> None:
    """Refuse the whole batch if one of its vectors cannot be stored."""
    keys = [vector["key"] for vector in vectors]
    if len(set(keys)) != len(keys):
        raise Refused("a key stands twice in one request")
    for vector in vectors:
        if not 1 <= len(vector["key"]) <= 1024:
            raise Refused("a key is too long")
        values = vector["data"]["float32"]
        if len(values) != index.dimension:
            raise Refused(f"vector {vector['key']} has length {len(values)}")
        if not all(math.isfinite(value) for value in values) or not any(values):
            raise Refused(f"vector {vector['key']} is zero or not finite")
        _check_metadata(vector.get("metadata") or {}, hidden)


def _check_metadata(metadata: Mapping[str, Any], hidden: Collection[str]) -> None:
    if len(metadata) > 50:
        raise Refused(f"{len(metadata)} metadata keys")
    for key, value in metadata.items():
        if not _storable(value):
            raise Refused(f"metadata {key!r} is {value!r}")
    for part, limit in ((metadata, 40 * 1024), ({k: v for k, v in metadata.items() if k not in hidden}, 2048)):
        if (size := len(json.dumps(part, ensure_ascii=False).encode())) > limit:
            raise Refused(f"{size} bytes of metadata, {limit} are allowed")


def _storable(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(part, str) for part in value)
    return isinstance(value, str | int | float | bool)


def n_constraints(condition: Mapping[str, Any]) -> int:
    return sum(sum(map(n_constraints, wanted)) if key in ("$and", "$or") else 1 for key, wanted in condition.items())


def check_filter(condition: Mapping[str, Any], hidden: Collection[str]) -> None:
    """Refuse a filter the service cannot evaluate, whatever the index holds."""
    if (n := n_constraints(condition)) > 100:
        raise Refused(f"{n} constraints in a filter")
    for key, wanted in condition.items():
        if key in ("$and", "$or"):
            _check_list(key, wanted)
            for part in wanted:
                check_filter(part, hidden)
        elif key in hidden:
            raise Refused(f"metadata {key!r} is not filterable")
        else:
            for operator, value in wanted.items() if isinstance(wanted, dict) else ():
                if operator not in OPERATORS:
                    raise Refused(f"operator {operator}")
                if operator in ("$in", "$nin"):
                    _check_list(operator, value)


def check_texts(texts: Sequence[Mapping[str, str]], configured: Mapping[str, Any]) -> None:
    """Refuse words for a metadata key that has no full text, and beyond the limits."""
    built = {one["metadataKey"] for one in configured.get("textSearchConfigurations", ()) if one["status"] == "ACTIVE"}
    if not 1 <= len(texts) <= 10 or len({one["metadataKey"] for one in texts}) != len(texts):
        raise Refused(f"{len(texts)} texts")
    for one in texts:
        if not 1 <= len(one["text"]) <= 1_024:
            raise Refused(f"a text of {len(one['text'])} characters")
        if one["metadataKey"] not in built:
            raise Refused(f"metadata key {one['metadataKey']!r} is not searchable")


def _check_list(operator: str, wanted: Any) -> None:
    if not isinstance(wanted, list) or not wanted:
        raise Refused(f"{operator} needs a list that is not empty")


def poisoned(vectors: Sequence[Mapping[str, Any]], poison: str) -> bool:
    """Whether a key or any string of the metadata contains `poison`."""
    for vector in vectors:
        for value in (vector["key"], *(vector.get("metadata") or {}).values()):
            parts = value if isinstance(value, list) else [value]
            if any(isinstance(part, str) and poison in part for part in parts):
                return True
    return False


def matches(condition: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether `metadata` satisfies a filter that passed `check_filter`."""
    results = []
    for key, wanted in condition.items():
        if key == "$and":
            results.append(all(matches(part, metadata) for part in wanted))
        elif key == "$or":
            results.append(any(matches(part, metadata) for part in wanted))
        else:
            tests = wanted if isinstance(wanted, dict) else {"$eq": wanted}
            results += [_holds(operator, metadata.get(key), value) for operator, value in tests.items()]
    return all(results)


def _holds(operator: str, have: Any, wanted: Any) -> bool:
    if operator == "$exists":
        return (have is not None) is wanted
    if operator == "$eq":
        return any(_same(part, wanted) for part in (have if isinstance(have, list) else [have]))
    if operator == "$ne":
        return not _holds("$eq", have, wanted)
    if operator in ("$in", "$nin"):
        return (not isinstance(have, list) and have in wanted) is (operator == "$in")
    return isinstance(have, int | float) and COMPARE[operator](float(have), float(wanted))


def _same(have: Any, wanted: Any) -> bool:
    """Booleans, numbers and strings are types of their own."""
    return have is not None and isinstance(have, bool) == isinstance(wanted, bool) and bool(have == wanted)


def found_by_words(index: Index, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What words find, the best first; the scores are not AWS's BM25, which no document gives the parameters of."""
    found = []
    for key, vector in index.vectors.items():
        metadata = vector.metadata or {}
        scores = [
            (one["metadataKey"], relevance(metadata, one["metadataKey"], one["text"])) for one in body["queryTexts"]
        ]
        said = [{"metadataKey": name, "score": score} for name, score in scores if score]
        if said and (not body.get("filter") or matches(body["filter"], metadata)):
            told = {"key": key, "scores": {"bm25Scores": said}}
            found.append(told | ({"metadata": metadata} if body.get("returnMetadata") else {}))
    found.sort(key=lambda one: -sum(said["score"] for said in one["scores"]["bm25Scores"]))
    return found[: body["topK"]]
