"""Values of properties as text and back: JSON, where a day is {"date": …} and a time of one {"datetime": …}."""

from __future__ import annotations

import json
import math
from datetime import date, datetime

from vragd.notes.model import Value


def said(value: Value) -> str:
    """The value as JSON."""
    return json.dumps(_plain(value), ensure_ascii=False)


def value_of(text: str) -> Value:
    """The value that `said` gave as text."""
    return _typed(json.loads(text))


def _plain(value: Value) -> object:
    match value:
        case tuple():
            return [_plain(each) for each in value]
        case datetime():
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case str():
            return value.encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _typed(value: object) -> Value:
    match value:
        case list():
            return tuple(_typed(each) for each in value)
        case {"date": str(day)}:
            return date.fromisoformat(day)
        case {"datetime": str(moment)}:
            return datetime.fromisoformat(moment)
        case bool() | int() | float() | str() | None:
            return value
    raise TypeError(f"no value of a property: {value!r}")
