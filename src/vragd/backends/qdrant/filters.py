"""
Filters as Qdrant's conditions, which it evaluates before the best are chosen. Does no I/O.

Equality, lists and what is there: by tokens in `tok`. Order of numbers and moments: by doubles in `num`, under a name
that any property can have. Qdrant knows no order of texts.
"""

from __future__ import annotations

import math
from typing import Any

import xxhash

from vragd.backends.base import Among
from vragd.backends.tokens import name_of, there, token
from vragd.terms.filter import And, Compare, Exists, Filter, In, Metadata, Moment, Not, Or, Prefix, Scalar, kind_of
from vragd.terms.filter import split as split_filter

TOKENS, NUMBERS, ID = "tok", "num", "id"
MOST_DEPTH = 24  # of JSON the server reads 128 levels, and each of ours is two of it
_WHOLE = 2**53  # up to which every whole number is a double, and what is larger is a larger double
_LARGEST = 1.7976931348623157e308
_NEVER: dict[str, Any] = {"has_id": []}
Query = dict[str, Any]


def numbers(data: Metadata) -> dict[str, list[float]]:
    """The numbers and moments of metadata, as nearly as a double has them."""
    found: dict[str, list[float]] = {}
    for field, value in data.items():
        for element in value if isinstance(value, tuple) else (value,):
            kind = kind_of(element)
            if kind in ("number", "moment") and not math.isnan(size := _size(element)):
                found.setdefault(_place(field, kind), []).append(size)
    return found


def split(where: Filter | None) -> tuple[Filter | None, Filter | None]:
    """What of a filter the server can evaluate exactly, and the rest, which is left to the caller."""
    return split_filter(where, lambda part: _can(part, MOST_DEPTH))


def _can(where: Filter, depth: int) -> bool:
    match where:
        case And(parts) | Or(parts):
            return depth > 0 and all(_can(part, depth - 1) for part in parts)
        case Not(part):
            return depth > 0 and _can(part, depth - 1)
        case Prefix():
            return False
        case Compare(_, op, value) if op != "=":
            kind = kind_of(value)
            return kind == "flag" or (kind != "text" and not abs(_size(value)) >= _WHOLE)
    return True


def query(where: Filter | None, among: Among | None) -> Query | None:
    """A filter, and the keys that are asked for, as one condition; None for no condition at all."""
    parts = [] if where is None else [_query(where)]
    if among is not None:
        parts.append({"key": ID, "match": {"any": among.ids.tolist()}} if len(among) else _NEVER)
    return {"must": parts} if parts else None


def _query(where: Filter) -> Query:
    match where:
        case And(parts):
            return {"must": [_query(part) for part in parts]} if parts else {"must_not": [_NEVER]}
        case Or(parts):
            return _any([_query(part) for part in parts])
        case Not(part):
            return {"must_not": [_query(part)]}
        case Exists(field):
            return {"key": TOKENS, "match": {"any": [there(field)]}}
        case In(field, values):
            return _one_of(field, values)
        case Compare(field, "=", value):
            return _one_of(field, (value,))
        case Compare(field, op, value) if kind_of(value) in ("number", "moment") and not math.isnan(_size(value)):
            end = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}[op]
            return {"key": f"{NUMBERS}.{_place(field, kind_of(value))}", "range": {end: _size(value)}}
    return _NEVER  # the order of a flag, or of what is no number


def _any(queries: list[Query]) -> Query:
    """All that ask for tokens are one condition: thousands are looked at one after another."""
    others = [one for one in queries if one.get("key") != TOKENS]
    made = sorted({it for one in queries if one.get("key") == TOKENS for it in one["match"]["any"]})
    if made:
        others.append({"key": TOKENS, "match": {"any": made}})
    return {"should": others} if others else _NEVER


def _one_of(field: str, values: tuple[Scalar, ...]) -> Query:
    made = sorted({it for value in values if (it := token(name_of(field), value))})
    return {"key": TOKENS, "match": {"any": made}} if made else _NEVER


def _size(value: Scalar) -> float:
    """A number, or the microseconds of a moment, as JSON can hold it."""
    number = value.us if isinstance(value, Moment) else value
    assert isinstance(number, int | float)
    try:
        return max(-_LARGEST, min(_LARGEST, float(number))) if number == number else math.nan
    except OverflowError:
        return _LARGEST if number > 0 else -_LARGEST


def _place(field: str, kind: str) -> str:
    return kind[0] + xxhash.xxh3_128_hexdigest(field.encode("utf-8", "surrogatepass"))
