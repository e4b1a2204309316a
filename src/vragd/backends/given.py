"""What programs give to `Vectors`, checked and as Python has it: metadata of NumPy's kinds is plain afterwards."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from vragd.backends.base import MAX_KEY_BYTES, Batch
from vragd.errors import CollectionMismatch, UsageError, VectorsRefused
from vragd.terms.filter import And, Compare, Filter, In, Metadata, Scalar

Given = Mapping[str, Any]
Row = Any
"""Numbers: a list, a tuple, or an array of any float type."""
_SPACE = re.compile(r"[a-z0-9]{0,32}")
_EXPECTED = "text, a number, true, false or a list"


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A vector under its key, 1 to 1,024 ASCII characters. `metadata` is what filters see: text, numbers, lists."""

    key: str
    vector: Row
    metadata: Given = field(default_factory=dict)
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return (self.key, self.metadata) == (other.key, other.metadata) and np.array_equal(self.vector, other.vector)


def records(given: Iterable[Record | Sequence[Any] | Given]) -> Iterator[Record]:
    """Each of what was given, as it is reached. Raises UsageError for what is no record, or not several."""
    if isinstance(given, Record | Mapping | str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"records are several, found {type(given).__name__}", hint="a list of (key, vector, metadata)")
    return map(_record, given)


def _record(given: Record | Sequence[Any] | Given) -> Record:
    if isinstance(given, Record):
        made = given
    elif isinstance(given, Mapping):
        if unknown := [name for name in given if name not in ("key", "vector", "metadata")]:
            raise UsageError(f"a record has no {unknown[0]!r}", hint="key, vector and metadata")
        if missing := [name for name in ("key", "vector") if name not in given]:
            raise UsageError(f"a record is without {missing[0]!r}", hint="key, vector and metadata")
        made = Record(given["key"], given["vector"], given.get("metadata"))  # type: ignore[arg-type]
    elif not isinstance(given, Iterable) or isinstance(given, str | bytes | set | frozenset):
        raise UsageError(f"a record is {type(given).__name__}", hint="(key, vector, metadata)")
    elif len(parts := tuple(given)) in (2, 3):
        made = Record(*parts)
    else:
        raise UsageError(f"a record has {len(parts)} parts", hint="(key, vector) or (key, vector, metadata)")
    return Record(_key(made.key), made.vector, {} if made.metadata is None else made.metadata)


def _key(given: object) -> str:
    if not isinstance(given, str):
        raise UsageError(f"a key is {type(given).__name__}, expected text", hint=f"for example {str(given)[:40]!r}")
    return str.__str__(given)


def keys(given: Iterable[str]) -> list[str]:
    """Those that may be there, each once, in the order given. Raises UsageError for what is no text, or one text."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError(f"keys are several, found {type(given).__name__}", hint=f"for example [{given!r:.40}]")
    return [key for key in dict.fromkeys(map(_key, given)) if key.isascii() and 1 <= len(key) <= MAX_KEY_BYTES]


def changes(given: Mapping[str, Given]) -> Iterator[Record]:
    """Keys with metadata, without vectors."""
    if not isinstance(given, Mapping):
        raise UsageError(f"metadata is {type(given).__name__}", hint="a mapping: {key: metadata}")
    return (Record(_key(key), None, {} if one is None else one) for key, one in given.items())


def text(what: str, given: object) -> str:
    """A name, or the beginning of keys."""
    if not isinstance(given, str):
        raise UsageError(f"{what} is {type(given).__name__}, expected text")
    return str.__str__(given)


def space(given: object) -> str:
    """What names a model for a backend."""
    if not _SPACE.fullmatch(named := text("space", given)):
        raise UsageError(f"a space cannot be called {named[:80]!r}", hint="up to 32 of a-z and 0-9")
    return named


def whole(what: str, given: object) -> int:
    """A whole number, of NumPy's too. True and 2.0 are none."""
    try:
        if isinstance(given, bool):
            raise TypeError
        return operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{what} is {given!r:.40}, expected a whole number") from None


def row(key: str | None, numbers: Row, dimension: int) -> np.ndarray:
    """
    float32, shape (dimension,), of the vector under this key; None for the query.

    Raises CollectionMismatch, VectorsRefused, both naming the key.
    """
    what, named = ("the query", ()) if key is None else (f"the vector of {key!r}", (key,))
    try:
        given = np.asarray(numbers)
        if given.dtype.kind not in "biufO":
            raise TypeError
        if given.ndim == 0:
            raise VectorsRefused(
                f"{what} is {type(numbers).__name__}, expected {dimension} numbers", keys=named, part="values"
            )
        with np.errstate(over="ignore"):
            found = given.astype(np.float32)
    except OverflowError:  # a whole number that no float is large enough for
        found = np.full(given.shape, np.inf, dtype=np.float32)
    except (TypeError, ValueError):
        raise VectorsRefused(f"{what} holds what is no number", keys=named, part="values") from None
    if found.shape != (dimension,):
        had = f"{found.shape[0]} numbers" if found.ndim == 1 else f"the shape {found.shape}"
        raise CollectionMismatch(
            f"{what} has {had}, the store's have {dimension}", what="dimension", hint="it may be another model's"
        )
    if not np.isfinite(found).all():
        raise VectorsRefused(f"{what} holds a value that is not finite", keys=named, part="values")
    if not found.any():
        raise VectorsRefused(f"{what} is zero", keys=named, part="values")
    return found


def batch(given: Sequence[Record], rows: np.ndarray | None) -> Batch:
    """Records as a backend takes them. Raises VectorsRefused for metadata that cannot be kept."""
    nothing: list[Metadata] = [{}] * len(given)
    return Batch([one.key for one in given], rows, [_kept(one) for one in given], nothing, [""] * len(given))


def _kept(record: Record) -> Metadata:
    if not isinstance(record.metadata, Mapping):
        raise VectorsRefused(
            f"the metadata of {record.key!r} is {type(record.metadata).__name__}, expected a mapping",
            keys=(record.key,), part="metadata",
        )  # fmt: skip
    found: dict[str, Any] = {}
    for name, value in record.metadata.items():
        several = _several(value, (list, tuple))
        parts = [_scalar(one) for one in (several if several is not None else [value])]
        if not isinstance(name, str) or None in parts:
            raise VectorsRefused(
                f"{name!r} of {record.key!r} is {_called(value)}, expected {_EXPECTED}",
                keys=(record.key,), part="metadata",
            )  # fmt: skip
        found[str.__str__(name)] = parts[0] if several is None else tuple(parts)
    return found


def _several(value: object, kinds: tuple[type, ...]) -> Iterable[Any] | None:
    """The values of a list; None for one value."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return list(value)
    return value if isinstance(value, kinds) else None  # type: ignore[return-value]


def _scalar(value: object) -> Scalar | None:
    """The same as Python has it, no subclass; None for what cannot be kept, or is beyond every float."""
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case str():
            return str.__str__(value)
        case bool():
            return value
        case int():
            return int(value) if int(value).bit_length() < 1_024 else None
        case float():
            return float(value)
    return None


def _called(value: object) -> str:
    return "a number of more than 308 digits" if isinstance(value, int) else type(value).__name__


def shown(metadata: Metadata) -> dict[str, Any]:
    """Metadata as it is given back: lists are lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in metadata.items()}


def condition(given: Filter | Given | None) -> Filter | None:
    """A filter as backends take it. Raises UsageError for what is none."""
    if given is None or isinstance(given, get_args(Filter)):
        return given
    if not isinstance(given, Mapping):
        raise UsageError(f"a filter is {type(given).__name__}", hint="expected a mapping, or a tree of conditions")
    parts: list[Filter] = []
    for name, value in given.items():
        several = _several(value, (list, tuple, set, frozenset))
        plain = [_scalar(one) for one in (several if several is not None else [value])]
        values = tuple(one for one in plain if one is not None)
        if not isinstance(name, str) or len(values) < len(plain):
            raise UsageError(f"the filter's {name!r} is {_called(value)}", hint=f"expected {_EXPECTED}")
        named = str.__str__(name)
        parts.append(Compare(named, "=", values[0]) if several is None else In(named, values))
    return And(tuple(parts)) if parts else None
