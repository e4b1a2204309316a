"""
The nearest rows: by an exact scan, or by an index where it is there and finds enough.

An index is asked only where many rows pass: under a filter of 1 % it loses answers even with an iterative scan. Rows
that were deleted or changed stay in it until a vacuum and can leave an answer short: then, too, the exact scan
answers. So nothing but an exact scan ever says that there is nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vragd.backends.base import Among
from vragd.backends.pgvector import filters, wire
from vragd.backends.pgvector.connect import Cursor
from vragd.backends.pgvector.layout import OPERATORS, Extension, Shape
from vragd.terms.filter import Filter
from vragd.terms.metric import Metric

MOST_EF = 1_000  # the extension's own bound


@dataclass(frozen=True, slots=True)
class Search:
    """How an index is asked: `ef_search` of HNSW, `probes` of IVFFlat."""

    ef_search: int
    probes: int

    def settings(self, kind: str, n: int) -> str | None:
        """Those of the transaction that asks for `n` rows; None where an index of that kind cannot give so many."""
        if kind == "ivfflat":
            return f"SET LOCAL ivfflat.iterative_scan = relaxed_order; SET LOCAL ivfflat.probes = {self.probes}"
        if n > MOST_EF:
            return None
        ef = min(MOST_EF, max(self.ef_search, n))
        return f"SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {ef}"


@dataclass(frozen=True, slots=True)
class Question:
    """
    `vector` is prepared for the metric; `n` rows are wanted.

    Where at most `few` rows pass a filter, they are compared one by one.
    """

    table: str
    shape: Shape
    extension: Extension
    vector: np.ndarray
    n: int
    among: Among | None
    where: Filter | None
    payload: bool
    search: Search
    few: int


def ask(cursor: Cursor, question: Question) -> list[tuple[Any, ...]]:
    """(key, distance, metadata, payload) of the nearest, in no particular order where an index answers."""
    condition, given = _narrowed(question)
    index = question.shape.index
    how = question.search.settings(index.kind, question.n) if index else None
    if how and _many_pass(cursor, question, condition, given):
        cursor.execute(how, binary=False)
        found = _nearest(cursor, question, condition, given, "d")
        if len(found) == question.n:
            return found
    cursor.execute("SET LOCAL enable_indexscan = off")  # no answer by an index on the vectors
    return _nearest(cursor, question, condition, given, "d, key")


def _narrowed(question: Question) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    given: list[Any] = []
    if question.among is not None:
        conditions.append("id = ANY(%b::bigint[])")
        given.append(wire.Wire(wire.int8_array(question.among.ids)))
    if question.where is not None:
        text, parameters = filters.condition(question.where, "metadata")
        conditions.append(text)
        given += parameters
    return " WHERE " + " AND ".join(conditions) if conditions else "", given


def _many_pass(cursor: Cursor, question: Question, condition: str, given: list[Any]) -> bool:
    if not condition:
        return True
    if question.among is not None and len(question.among) <= question.few:
        return False
    row = cursor.execute(
        f"SELECT count(*) FROM (SELECT FROM {question.table}{condition} LIMIT %s) t", [*given, question.few + 1]
    ).fetchone()
    return row is not None and row[0] > question.few


def _nearest(cursor: Cursor, question: Question, condition: str, given: list[Any], order: str) -> list[tuple[Any, ...]]:
    operator = question.extension.operator(OPERATORS[question.shape.info.metric])
    (value,) = wire.vectors(question.vector[np.newaxis], question.shape.kind)
    kept = "metadata, payload" if question.payload else "NULL, NULL"
    found: list[tuple[Any, ...]] = cursor.execute(
        f"SELECT key, vec {operator} %b::{question.extension.type(question.shape.kind)} AS d, {kept}"
        f" FROM {question.table}{condition} ORDER BY {order} LIMIT %s",
        [wire.Wire(value), *given, question.n],
    ).fetchall()
    return found


def score(distance: float, metric: Metric) -> float:
    """What pgvector's operator says, as our score."""
    if metric == "euclidean":
        return 1 / (1 + distance)
    return -distance if metric == "dot" else max(-1.0, min(1.0, 1 - distance))
