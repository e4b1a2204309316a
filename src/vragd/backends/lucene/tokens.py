"""
Filters as queries over one keyword field, which holds metadata as tokens. Does no I/O.

A field for each property would make the mapping grow with every note.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vragd.backends.base import Among
from vragd.backends.tokens import MOST_TEXT, beginning, escaped, name_of, there, token
from vragd.terms.filter import And, Compare, Exists, Filter, In, Not, Or, Prefix, Scalar
from vragd.terms.filter import split as split_filter

FIELD = "tok"
MOST_TERMS = 50_000  # in one clause: the engine takes 65,536
MOST_CLAUSES, MOST_DEPTH = 400, 12  # the engines take 1,024 clauses and, of some versions, 20 levels

Query = dict[str, Any]


# -- filters -----------------------------------------------------------------------------------------------


def split(where: Filter | None) -> tuple[Filter | None, Filter | None]:
    """What of a filter the engine can evaluate, and the rest, which is left to the caller."""
    ours, rest = split_filter(where, _can)
    return (ours, rest) if ours is None or _n_clauses(ours) <= MOST_CLAUSES else (None, where)


def _can(where: Filter) -> bool:
    return _can_every(where) and _n_clauses(where) <= MOST_CLAUSES and _depth(where) <= MOST_DEPTH


def _can_every(where: Filter) -> bool:
    """A text beyond what a token holds can be equal to another, but neither its order nor its end is known."""
    match where:
        case And(parts) | Or(parts):
            return all(map(_can_every, parts))
        case Not(part):
            return _can_every(part)
        case Prefix(_, text):
            return len(escaped(text)) <= MOST_TEXT
        case Compare(_, op, str() as text):
            return op == "=" or len(escaped(text)) <= MOST_TEXT
    return True


def _n_clauses(where: Filter) -> int:
    match where:
        case And(parts):
            return sum(map(_n_clauses, parts))
        case Or(parts):
            others = [part for part in parts if not _is_one_token(part)]
            return 1 + (len(parts) - len(others)) // MOST_TERMS + sum(map(_n_clauses, others))
        case Not(part):
            return _n_clauses(part)
        case In(_, values):
            return 1 + len(values) // MOST_TERMS
    return 1


def _is_one_token(where: Filter) -> bool:
    """Whether it asks for one token: many of them are one clause."""
    return isinstance(where, Exists) or (isinstance(where, Compare) and where.op == "=")


def _depth(where: Filter) -> int:
    match where:
        case And(parts) | Or(parts):
            return 1 + max(map(_depth, parts), default=0)
        case Not(part):
            return 1 + _depth(part)
    return 1


def query(where: Filter) -> Query:
    """A filter as a query that only filters."""
    match where:
        case And(parts):
            return {"bool": {"filter": [query(part) for part in parts]}} if parts else {"match_all": {}}
        case Or(parts):
            made = [query(part) for part in parts]
            single = sorted({one["term"][FIELD] for one in made if "term" in one})
            return _any([one for one in made if "term" not in one] + ([one_of(FIELD, single)] if single else []))
        case Not(part):
            return {"bool": {"must_not": [query(part)]}}
        case Exists(field):
            return {"term": {FIELD: there(field)}}
        case Prefix(field, text):
            return {"prefix": {FIELD: {"value": beginning(field, text)}}}
        case Compare(field, op, value):
            return _compared(name_of(field), op, value)
        case In(field, values):
            name = name_of(field)
            return one_of(FIELD, sorted({it for value in values if (it := token(name, value))}))


def among(keys: Among, field: str) -> Query:
    """Those whose number is in `field`."""
    return one_of(field, keys.ids.tolist())


def one_of(field: str, values: Sequence[str | int]) -> Query:
    return _any([{"terms": {field: some}} for some in _some(values)])


def _any(queries: list[Query]) -> Query:
    if len(queries) == 1:
        return queries[0]
    return {"bool": {"should": queries, "minimum_should_match": 1}} if queries else {"match_none": {}}


def _compared(name: str, op: str, value: Scalar) -> Query:
    made = token(name, value)
    if not made or (isinstance(value, bool) and op != "="):
        return {"match_none": {}}
    if op == "=":
        return {"term": {FIELD: made}}
    kind = made[len(name)]
    least, beyond = name + kind, name + chr(ord(kind) + 1)
    ends = {
        "<": {"gte": least, "lt": made}, "<=": {"gte": least, "lte": made},
        ">": {"gt": made, "lt": beyond}, ">=": {"gte": made, "lt": beyond},
    }  # fmt: skip
    return {"range": {FIELD: ends[op]}}


def _some(values: Sequence[str | int]) -> Iterator[Sequence[str | int]]:
    for start in range(0, len(values), MOST_TERMS):
        yield values[start : start + MOST_TERMS]
