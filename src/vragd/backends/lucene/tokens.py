"""
Metadata as tokens of one keyword field, and filters as queries over it. Does no I/O.

A field for each property would make the mapping grow with every note. A token begins with the property's name, then
a mark of its kind: `status"done`, `rating#p4010…`, `done!true`, `due@p4310…`, and `status?` for its being there. The
engine compares tokens by the bytes of their UTF-8, which is by code point, as our filters do.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import xxhash

from vragd.backends.base import Among
from vragd.terms.filter import And, Compare, Exists, Filter, In, Metadata, Moment, Not, Or, Prefix, Scalar
from vragd.terms.filter import split as split_filter

FIELD = "tok"
MOST_TEXT = 256  # characters of a text that a token holds: the engine takes 32,766 bytes
MOST_TERMS = 50_000  # in one clause: the engine takes 65,536
MOST_CLAUSES, MOST_DEPTH = 400, 12  # the engines take 1,024 clauses and, of some versions, 20 levels

_TEXT, _NUMBER, _FLAG, _MOMENT, _THERE = '"', "#", "!", "@", "?"
_LARGEST = int(struct.unpack(">d", bytes.fromhex("7fefffffffffffff"))[0])
_COMPLEMENT = str.maketrans("0123456789abcdef", "fedcba9876543210")
_RARE = re.compile("[\ud7ff-\udfff]")  # no UTF-8 holds a lone surrogate: two characters that sort where it did
Query = dict[str, Any]


def tokens(data: Metadata) -> list[str]:
    """The tokens of metadata, sorted, each once."""
    found = set()
    for field, value in data.items():
        name = _name(field)
        found.add(name + _THERE)
        for element in value if isinstance(value, tuple) else (value,):
            if token := _token(name, element):
                found.add(token)
    return sorted(found)


def _name(field: str) -> str:
    """A property's name without what could be taken for a mark."""
    escaped = re.sub('["#!@?%]', lambda found: f"%{ord(found[0]):02x}", _escaped(field))
    return escaped if len(escaped) <= MOST_TEXT else f"{escaped[:200]}%{_digest(field)}"


def _token(name: str, value: Scalar) -> str:
    """The token of one value; empty for what equals nothing."""
    match value:
        case bool():
            return f"{name}{_FLAG}{'true' if value else 'false'}"
        case str():
            text = _escaped(value)
            kept = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\0{_digest(value)}"
            return f"{name}{_TEXT}{kept}"
        case Moment(us, _):
            return f"{name}{_MOMENT}{_number(us)}"
        case float() if math.isnan(value):
            return ""
    return f"{name}{_NUMBER}{_number(value)}"


def _number(value: float) -> str:
    """
    A number so that texts are in its order, exactly: the double below it in size, then what it exceeds that by.

    No code is the beginning of another, so that of negative ones all digits can be turned round.
    """
    size = abs(value)
    if isinstance(size, int):
        near = float(min(size, _LARGEST))
        if int(near) > size:
            near = math.nextafter(near, 0.0)
        rest = size - int(near)
    else:
        near, rest = size, 0
    more = f"{rest:x}" if rest else ""
    code = f"{struct.pack('>d', near).hex()}{len(more):04x}{more}"
    return "n" + code.translate(_COMPLEMENT) if value < 0 else "p" + code


def _escaped(text: str) -> str:
    return _RARE.sub(lambda found: "\ud7ff" + chr(ord(found[0]) - 0xD7FF + 1), text)


def _digest(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))


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
            return len(_escaped(text)) <= MOST_TEXT
        case Compare(_, op, str() as text):
            return op == "=" or len(_escaped(text)) <= MOST_TEXT
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
            return {"term": {FIELD: _name(field) + _THERE}}
        case Prefix(field, text):
            return {"prefix": {FIELD: {"value": f"{_name(field)}{_TEXT}{_escaped(text)}"}}}
        case Compare(field, op, value):
            return _compared(_name(field), op, value)
        case In(field, values):
            name = _name(field)
            return one_of(FIELD, sorted({token for value in values if (token := _token(name, value))}))


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
    token = _token(name, value)
    if not token or (isinstance(value, bool) and op != "="):
        return {"match_none": {}}
    if op == "=":
        return {"term": {FIELD: token}}
    kind = token[len(name)]
    least, beyond = name + kind, name + chr(ord(kind) + 1)
    ends = {
        "<": {"gte": least, "lt": token}, "<=": {"gte": least, "lte": token},
        ">": {"gt": token, "lt": beyond}, ">=": {"gte": token, "lt": beyond},
    }  # fmt: skip
    return {"range": {FIELD: ends[op]}}


def _some(values: Sequence[str | int]) -> Iterator[Sequence[str | int]]:
    for start in range(0, len(values), MOST_TERMS):
        yield values[start : start + MOST_TERMS]
