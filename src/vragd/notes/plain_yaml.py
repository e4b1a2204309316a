"""
The YAML that nearly all properties are written in, read a line at a time: several times quicker than by a parser.

`key: text`, quoted text, `[a, b]`, and lists below their key. Whatever could mean something else is not for here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from vragd.notes.model import Node

# Within a line, what is left of Unicode: neither line ends of YAML's own nor what it may not hold.
_ANY = r"[ -~\u00a0-\u2027\u202a-\ud7ff]"
_TEXT = rf"[A-Za-z0-9_/\u00a1-\u1fff\u2e80-\ud7ff](?:(?!: |:$| #){_ANY})*+"
_IN_LIST = rf"[A-Za-z0-9_/\u00a1-\u1fff\u2e80-\ud7ff](?:(?![,\[\]{{}}:#\"']){_ANY})*+"
_DOUBLE = rf'"(?:(?!["\\]){_ANY})*+"'
_SINGLE = rf"'(?:(?!'){_ANY})*+'"
_VALUE = rf"(?P<text>{_TEXT})|(?P<quoted>{_DOUBLE}|{_SINGLE})"
_PAIR = rf"(?P<key>[A-Za-z][A-Za-z0-9_-]{{0,100}}+):(?: ++(?:{_VALUE}|\[(?P<list>[^\[\]]*+)\]))?+ *+$"
_ITEM = rf"(?P<blanks> *+)- ++(?:{_VALUE}) *+$"
_PART = rf" *+(?:(?P<text>{_IN_LIST})|(?P<quoted>{_DOUBLE}|{_SINGLE})) *+(?:,|$)"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Once one is wanted: the ranges of Unicode take long, and most who load this read no note."""
    return re.compile(pattern)


def read(text: str) -> dict[str, Node] | None:
    """The values by key in lower case, of which the first counts; None if it is not of this kind."""
    found: dict[str, Node] = {}
    opened: Node | None = None  # a key that has no value yet, or items so far
    blanks = ""
    for number, line in enumerate(text.split("\n")):
        if not line.strip(" "):
            continue
        if match := _compiled(_PAIR).match(line):
            node = _node(match, number)
            if node is None:
                return None
            found.setdefault(match["key"].lower(), node)
            opened = node if not node.text and node.plain and node.items is None else None
        elif opened is not None and (match := _compiled(_ITEM).match(line)):
            if opened.items is None:
                opened.items, opened.plain, blanks = [], False, match["blanks"]
            elif match["blanks"] != blanks:
                return None
            opened.items.append(_scalar(match, number))
        else:
            return None
    return found


def _node(match: re.Match[str], number: int) -> Node | None:
    if (inner := match["list"]) is None:
        return _scalar(match, number)
    items = list(_parts(inner, number))
    return None if None in items else Node("", number, items=[item for item in items if item is not None])


def _parts(inner: str, number: int) -> Iterator[Node | None]:
    """The items of a list on one line; None for what is not of this kind."""
    at = 0
    while at < len(inner.rstrip(" ")):
        match = _compiled(_PART).match(inner, at)
        if match is None:
            yield None
            return
        yield _scalar(match, number)
        at = match.end()
    if inner.rstrip(" ").endswith(","):
        yield None


def _scalar(match: re.Match[str], number: int) -> Node:
    if quoted := match["quoted"]:
        return Node(quoted[1:-1], number)
    return Node((match["text"] or "").rstrip(" "), number, plain=True)
