"""What the stand-in of OpenSearch and Elasticsearch finds: it looks at every document. With the engines' limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.fakes.words import relevance

MOST_TERMS, MOST_CLAUSES, MOST_WINDOW = 65_536, 1_024, 10_000
Source = Mapping[str, Any]


class Refused(Exception):
    """A request the engine answers with this status and type."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(status, kind)
        self.status, self.kind = status, kind


def _values(source: Source, field: str) -> list[Any]:
    value = source.get(field)
    return value if isinstance(value, list) else [] if value is None else [value]


def matcher(query: Mapping[str, Any], clauses: list[int]) -> Callable[[Source], bool]:
    """Whether a document passes. `clauses` counts them, in its one element."""
    ((kind, given),) = query.items()
    if kind == "bool":
        return _bool(given, clauses)
    clauses[0] += 1
    if clauses[0] > MOST_CLAUSES:
        raise Refused(400, "too_many_nested_clauses")
    if kind in ("match_all", "match_none"):
        return lambda source: kind == "match_all"
    ((field, wanted),) = given.items()
    if kind == "exists":
        return lambda source: bool(_values(source, wanted))
    if kind == "term":
        return lambda source: wanted in _values(source, field)
    if kind == "terms":
        if len(wanted) > MOST_TERMS:
            raise Refused(400, "illegal_argument_exception")
        among = set(wanted)
        return lambda source: any(value in among for value in _values(source, field))
    if kind == "match":
        return lambda source: relevance(source, field, wanted["query"]) > 0
    if kind == "prefix":
        start = wanted["value"]
        return lambda source: any(value.startswith(start) for value in _values(source, field))
    if kind == "range":
        return lambda source: any(_in_range(value, wanted) for value in _values(source, field))
    raise Refused(400, "parsing_exception")


def _bool(given: Mapping[str, Any], clauses: list[int]) -> Callable[[Source], bool]:
    parts = {}
    for key in ("filter", "must", "must_not", "should"):
        some = given.get(key, [])
        parts[key] = [matcher(one, clauses) for one in (some if isinstance(some, list) else [some])]
    least = given.get("minimum_should_match", 0)
    return lambda source: (
        all(one(source) for one in parts["filter"] + parts["must"])
        and not any(one(source) for one in parts["must_not"])
        and sum(one(source) for one in parts["should"]) >= least
    )


def ranked(query: Mapping[str, Any]) -> Callable[[Source], float]:
    """The score of what passes a search by words; 0 of every other search."""
    match = query.get("bool", {}).get("must", {}).get("match")
    if match is None:
        return lambda source: 0.0
    ((field, wanted),) = match.items()
    return lambda source: relevance(source, field, wanted["query"])


def _in_range(value: str, ends: Mapping[str, str]) -> bool:
    have = value.encode()  # the engine compares bytes
    tests: dict[str, Callable[[bytes], bool]] = {
        "gte": lambda end: have >= end, "gt": lambda end: have > end,
        "lte": lambda end: have <= end, "lt": lambda end: have < end,
    }  # fmt: skip
    return all(tests[key](end.encode()) for key, end in ends.items())


def scored(rows: np.ndarray, query: np.ndarray, space: str) -> np.ndarray:
    """The engines' score of each row, as measured on them: float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        if space in ("l2", "l2_norm"):
            found = 1 / (1 + ((rows - query) ** 2).sum(axis=1))
        else:
            product = rows @ query
            if space in ("cosine", "cosinesimil"):
                lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
                found = (1 + product / lengths) / 2
            else:
                found = np.where(product >= 0, 1 + product, 1 / (1 - np.minimum(product, 0)))
    return np.asarray(found, dtype=np.float32)


def asked(body: Mapping[str, Any], kind: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The vector's part of a search, as `vector`, `k`, `space` (None for the field's), and its filter or query."""
    if body.get("size", 10) > MOST_WINDOW:
        raise Refused(400, "illegal_argument_exception")
    if "knn" in body:
        knn = body["knn"]
        if kind != "elasticsearch" or not knn["k"] <= knn["num_candidates"] <= MOST_WINDOW:
            raise Refused(400, "illegal_argument_exception")
        return {"vector": knn["query_vector"], "k": knn["k"], "space": None}, knn.get("filter")
    query = body["query"]
    if "knn" in query:
        ((_, knn),) = query["knn"].items()
        if kind != "opensearch" or knn["k"] > MOST_WINDOW:
            raise Refused(400, "parsing_exception")
        return {"vector": knn["vector"], "k": knn["k"], "space": None}, knn.get("filter")
    if "script_score" in query:
        script = query["script_score"]["script"]
        if kind != "opensearch" or script["lang"] != "knn":
            raise Refused(400, "illegal_argument_exception")
        params = script["params"]
        found = {"vector": params["query_value"], "k": MOST_WINDOW, "space": params["space_type"]}
        return found, query["script_score"]["query"]
    return None, query
