"""Metadata and payloads as JSON of ASCII, which any program reads and which comes back as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from vragd.errors import BackendRefused
from vragd.terms.filter import Metadata, Moment, Scalar, Value

T = TypeVar("T")
_BROKEN = (ValueError, TypeError, AttributeError, LookupError)
"""What reading may raise of what others wrote."""


@contextmanager
def damage_told(place: str) -> Iterator[None]:
    """Raise BackendRefused for an entry there that cannot be read: what others wrote is no fault of ours."""
    try:
        yield
    except _BROKEN:
        raise BackendRefused(
            f"{place} has an entry that is damaged", hint="vragd verify names it, and with --repair mends it"
        ) from None


def or_nothing(reading: Callable[[T], Metadata], given: T) -> Metadata:
    """What `reading` makes of it; nothing of what somebody broke, which is another then than what was put."""
    try:
        return reading(given)
    except _BROKEN:
        return {}


def payload(given: Metadata, *, with_text: bool) -> Metadata:
    """What is kept of a payload: all, or all but the text."""
    return given if with_text else {key: it for key, it in given.items() if key != "content"}


def written(data: Metadata) -> str:
    """`data` as JSON. A moment is `{"us": of 1970, in µs, "date_only": false}`, infinity `{"float": "inf"}`."""
    return json.dumps(parsed(data), separators=(",", ":"), allow_nan=False)


def parsed(data: Metadata) -> dict[str, Any]:
    """What a parser of JSON makes of it once it is `written`."""
    return {key: _plain(value) for key, value in data.items()}


def read(text: str) -> Metadata:
    """What was `written`. Raises ValueError for what is no JSON of this form."""
    return of(json.loads(text))


def of(given: Mapping[str, Any]) -> Metadata:
    """What was `written`, once a parser of JSON has read it."""
    return {key: _value(value) for key, value in given.items()}


def _plain(value: Value) -> Any:
    return [_scalar(part) for part in value] if isinstance(value, tuple) else _scalar(value)


def _scalar(value: Scalar) -> Any:
    if isinstance(value, Moment):
        return {"us": value.us, "date_only": value.date_only}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(part) for part in plain)
    if isinstance(plain, dict):
        return float(plain["float"]) if "float" in plain else Moment(plain["us"], plain["date_only"])
    return plain
