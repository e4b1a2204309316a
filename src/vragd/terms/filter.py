"""
Conditions on what a vector or a note is known by: one tree for backends, catalog and clients.

Two-valued: a condition on a field that is absent does not hold, so its `Not` does. A list holds where any of its
elements does. Values of unlike types never match: `True` is not 1, "1" is not 1; 1 and 1.0 are one number. Moments
are compared as moments, whether a time of day was given or not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """Microseconds since 1970 in UTC; `date_only` where no time of day was given."""

    us: int
    date_only: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.us, int) or isinstance(self.us, bool):
            raise TypeError(f"microseconds are a whole number, found {self.us!r}")


Scalar = str | int | float | bool | Moment
Value = Scalar | tuple[Scalar, ...]
Metadata = Mapping[str, Value]
Comparison = Literal["=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; with no part it always does."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any part holds; with no part it never does."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


@dataclass(frozen=True, slots=True)
class Compare:
    """`field op value`. Order is defined for numbers, for texts by code point, and for moments."""

    field: str
    op: Comparison
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """The field equals one of the values; of none, never."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    """The field is a text that begins so."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Exists:
    field: str


Filter = And | Or | Not | Compare | In | Prefix | Exists
KINDS = frozenset(kind.__name__ for kind in get_args(Filter))
"""Of conditions: what a backend pushes that evaluates them all."""


def equals(field: str, value: Scalar) -> Filter:
    return Compare(field, "=", value)


def one_of(field: str, values: Collection[Scalar]) -> Filter:
    """The field equals one of `values`."""
    return In(field, tuple(sorted(values, key=repr)))


def every(*parts: Filter | None) -> Filter | None:
    """All of the parts that are there; None when none is."""
    there = tuple(part for part in parts if part is not None)
    return None if not there else there[0] if len(there) == 1 else And(there)


def holds(where: Filter, metadata: Metadata) -> bool:
    """Whether `metadata` satisfies `where`. Recurses as deep as the tree is."""
    match where:
        case And(parts):
            return all(holds(part, metadata) for part in parts)
        case Or(parts):
            return any(holds(part, metadata) for part in parts)
        case Not(part):
            return not holds(part, metadata)
        case Exists(field):
            return field in metadata
        case Compare(field, op, value):
            return any(compares(element, op, value) for element in _elements(metadata, field))
        case In(field, values):
            return any(compares(element, "=", value) for element in _elements(metadata, field) for value in values)
        case Prefix(field, text):
            return any(isinstance(e, str) and e.startswith(text) for e in _elements(metadata, field))


def _elements(metadata: Metadata, field: str) -> tuple[Scalar, ...]:
    value = metadata.get(field)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def kind_of(value: Scalar) -> str:
    """`flag`, `number`, `text` or `moment`: only values of one kind are compared."""
    match value:
        case bool():
            return "flag"
        case int() | float():
            return "number"
        case str():
            return "text"
        case Moment():
            return "moment"
    raise TypeError(f"no value of metadata: {value!r}")


def compares(have: Scalar, op: Comparison, wanted: Scalar) -> bool:
    """Whether `have op wanted`. Flags have no order; what is no number compares with none."""
    kind = kind_of(have)
    if kind != kind_of(wanted):
        return False
    if kind == "moment":
        assert isinstance(have, Moment)
        assert isinstance(wanted, Moment)
        return _OPERATIONS[op](have.us, wanted.us)
    return (op == "=" or kind != "flag") and _OPERATIONS[op](have, wanted)


_OPERATIONS: Mapping[str, Callable[[object, object], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}


def split(where: Filter | None, can: Callable[[Filter], bool]) -> tuple[Filter | None, Filter | None]:
    """
    `where` as two filters which together say the same: what `can` be evaluated, and the rest.

    Only the parts of a conjunction come apart. `can` is asked for leaves, and for `Or` and `Not` as a whole.
    """
    if where is None:
        return None, None
    if not isinstance(where, And):
        return (where, None) if can(where) else (None, where)
    halves = [split(part, can) for part in where.parts]
    return every(*(ours for ours, _ in halves)), every(*(rest for _, rest in halves))


def shown(where: Filter) -> str:
    """The filter as text for people."""
    match where:
        case And(parts):
            return "(" + " and ".join(map(shown, parts)) + ")"
        case Or(parts):
            return "(" + " or ".join(map(shown, parts)) + ")"
        case Not(part):
            return f"not {shown(part)}"
        case Compare(field, op, value):
            return f"{field} {op} {value!r}"
        case In(field, values):
            return f"{field} in {list(values)!r}"
        case Prefix(field, text):
            return f"{field} begins with {text!r}"
        case Exists(field):
            return f"{field} exists"
