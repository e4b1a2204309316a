"""An expression -> its tokens, in linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<text>"(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+')
    |(?P<sign>===|!==|==|!=|<=|>=|&&|\|\||[^\s\w"'])
    |(?P<quote>["'])
    |(?P<other>\S))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Token:
    """`text` of a text is what it stands for, of all else what was typed. `quote`: one that nothing closes."""

    kind: Literal["number", "name", "text", "sign", "quote", "other", "end"]
    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """All of them; the last is `end`."""
    found = list[Token]()
    at = 0
    while match := _TOKEN.match(text, at):
        kind = match.lastgroup
        assert kind is not None
        start, at = match.span(kind)
        said = match[kind]
        if kind == "text":
            said = _ESCAPE.sub(lambda one: _ESCAPES.get(one[1], one[1]), said[1:-1])
        found.append(Token(kind, said, start, at))  # type: ignore[arg-type]
        if kind == "quote":
            break  # whatever follows is in it
    end = len(text.rstrip())
    found.append(Token("end", "", end, end))
    return found
