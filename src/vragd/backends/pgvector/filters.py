"""
Metadata as jsonb and filters as SQL over it. Does no I/O.

A scalar is the JSON value of its kind, so that jsonpath never takes one kind for another; a moment is an object with
`us`. jsonpath compares texts by code point, numbers exactly, and looks into lists, as our filters do.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vragd.terms.filter import And, Compare, Exists, Filter, In, Metadata, Moment, Not, Or, Prefix, Scalar, Value

_ALTERNATIVES = 200  # in one jsonpath: it is evaluated as deep as it is long
_INFINITE = "1" + "0" * 400 + ".0"  # beyond any double, and read back as infinity
# jsonb holds neither NUL nor lone surrogates. They are written as two characters that sort where the one did.
_RARE = re.compile("[\x00\x01\ud7ff-\udfff]")
_WRITTEN = re.compile("\x01([\x01\x02])|\ud7ff([\x01-\u0801])")


def written(data: Metadata) -> bytes:
    """Metadata or a payload as JSON, UTF-8."""
    return ("{" + ",".join(f"{_text(key)}:{_written(value)}" for key, value in data.items()) + "}").encode()


def read(plain: Mapping[str, Any]) -> Metadata:
    """What was `written`, after a parser of JSON."""
    return {_read_text(key): _read(value) for key, value in plain.items()}


def _written(value: Value) -> str:
    return "[" + ",".join(map(_scalar, value)) + "]" if isinstance(value, tuple) else _scalar(value)


def _scalar(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case Moment(us, date_only):
            return f'{{"us":{us},"date_only":{"true" if date_only else "false"}}}'
        case float() if math.isnan(value):
            return '{"float":"nan"}'
        case float() if math.isinf(value):
            return _INFINITE if value > 0 else f"-{_INFINITE}"
        case float() if value.is_integer():
            return f"{int(value)}.0"  # exact, and still no whole number when it comes back
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(_escaped(text), ensure_ascii=False)


def _escaped(text: str) -> str:
    return _RARE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 2:
        return "\x01" + chr(code + 1)
    return "\ud7ff" + chr(code - 0xD7FF + 1)


def _read_text(text: str) -> str:
    return _WRITTEN.sub(_unescape, text)


def _unescape(found: re.Match[str]) -> str:
    return chr(ord(found[1]) - 1) if found[1] else chr(0xD7FF + ord(found[2]) - 1)


def _read(plain: Any) -> Value:
    if isinstance(plain, list):
        return tuple(_read_scalar(part) for part in plain)
    return _read_scalar(plain)


def _read_scalar(plain: Any) -> Scalar:
    if isinstance(plain, dict):
        return Moment(plain["us"], plain["date_only"]) if "us" in plain else math.nan
    found: Scalar = _read_text(plain) if isinstance(plain, str) else plain
    return found


def condition(where: Filter, column: str) -> tuple[str, list[Any]]:
    """A filter as SQL that is true or false, and the parameters of its marks."""
    match where:
        case And(parts):
            return _joined(parts, " AND ", "TRUE", column)
        case Or(parts):
            return _joined(parts, " OR ", "FALSE", column)
        case Not(part):
            text, parameters = condition(part, column)
            return f"NOT {text}", parameters
        case Exists(field):
            return f"({column} ? %s)", [_escaped(field)]
        case Prefix(field, text):
            return _any(column, [_path(field, f"@ starts with {_text(text)}")])
        case Compare(field, op, value):
            return _any(column, [_path(field, made)] if (made := _compared(op, value)) else [])
        case In(field, values):
            made_of = [made for value in values if (made := _compared("=", value))]
            return _any(column, [_path(field, " || ".join(some)) for some in _some(made_of)])


def _joined(parts: Sequence[Filter], word: str, empty: str, column: str) -> tuple[str, list[Any]]:
    if not parts:
        return empty, []
    made = [condition(part, column) for part in parts]
    return "(" + word.join(text for text, _ in made) + ")", [one for _, some in made for one in some]


def _any(column: str, paths: list[str]) -> tuple[str, list[Any]]:
    if not paths:
        return "FALSE", []
    return "(" + " OR ".join(f"{column} @? %s::jsonpath" for _ in paths) + ")", list(paths)


def _path(field: str, test: str) -> str:
    return f"$.{_text(field)}[*] ? ({test})"


def _compared(op: str, value: Scalar) -> str:
    """A test of jsonpath for one element; empty where none ever passes."""
    match value:
        case bool():
            return f"@ == {_scalar(value)}" if op == "=" else ""
        case Moment(us, _):
            return f"@.us {'==' if op == '=' else op} {us}"
        case float() if math.isnan(value):
            return ""
    return f"@ {'==' if op == '=' else op} {_scalar(value)}"


def _some(parts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(parts), _ALTERNATIVES):
        yield parts[start : start + _ALTERNATIVES]
