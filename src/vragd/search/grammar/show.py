"""Tree -> text that reads as the same tree."""

from __future__ import annotations

import re

from vragd.search.grammar.signs import CASES, LINKS, is_name, written
from vragd.search.grammar.tree import (
    And,
    Asks,
    Compared,
    Compares,
    Folder,
    Link,
    Node,
    Not,
    Null,
    Or,
    Pattern,
    Phrase,
    Property,
    Scope,
    Source,
    Store,
    Tag,
    When,
    Within,
    Word,
)

_BARE = re.compile(r'[^\s"()\[\]\\/<>-][^\s"()\[\]]*')
_VALUE = re.compile(r'[^\s"<>=!\[\]](?:[^\[\]"]*[^\s\[\]"])?')
_OR = re.compile(r"(?:\A|\s)OR(?:\s|\Z)")
_OPERATOR_OF = {direction: operator for operator, direction in LINKS.items()}


def show(node: Node, *, in_value: bool = False) -> str:
    """
    `parse(show(node)) == node` for every tree that `parse` gives; what is not needed is left out. `in_value`: of a
    property, where a word `null` that stands alone would be read as `Null`.

    Raises TypeError for what only expressions say: the grammar of questions has no words for it.
    """
    match node:
        case And(parts):
            return " ".join(_beside(part, in_value=in_value) for part in parts)
        case Or(parts):
            return " OR ".join(show(part, in_value=in_value) for part in parts)
        case Not(part):
            return _negated(part, in_value=in_value)
        case Word("null") if in_value:
            return "\\null"
        case Null():
            return "null"
        case Word(text):
            return written(text)
        case Phrase(text):
            return _in_quotes(text)
        case Pattern(source):
            return f"/{source}/"
        case Within(scope, part):
            return f"{scope}:{_operand(scope, part)}"
        case Tag(name):
            return f"tag:{_name('#' + name if name.startswith('#') else name)}"
        case Property(name, test):
            return _property(name if is_name(name) else _in_quotes(name), test)
        case Link(direction, target, None):
            return f"{_OPERATOR_OF[direction]}:{_target(target)}"
        case Source(name):
            return f"source:{_name(name)}"
        case Store(name):
            return f"store:{_name(name)}"
        case When():
            return _when(node)
        case Folder() | Compares() | Asks() | Link():
            raise TypeError(f"only an expression says this: {node!r}")


def _operand(scope: Scope, part: Node) -> str:
    match part:
        case Word() | Phrase() | Pattern():
            return show(part)
        case Not():
            return f" {show(part)}"  # `-` negates behind a blank
        case And() | Or():
            return _grouped(part)
    return show(part) if scope in CASES else _grouped(part)


def _beside(part: Node, *, in_value: bool) -> str:
    match part:
        case Or():
            return _grouped(part, in_value=in_value)
        case Not(Word()):
            return show(part)
        case Not():
            return show(part, in_value=in_value)
    return show(part)


def _grouped(node: Node, *, in_value: bool = False) -> str:
    inner = show(node, in_value=in_value)
    return f"({inner}{_blank(inner, '()')})"


def _blank(inner: str, pair: str) -> str:
    r"""A blank where the last word would take what closes the group for its own: `a(`, `\`."""
    depth = 0
    for char in re.split(r"\s", inner)[-1]:
        depth = depth + 1 if char == pair[0] else max(0, depth - 1) if char == pair[1] else depth
    return " " if depth or inner.endswith("\\") else ""


def _negated(part: Node, *, in_value: bool) -> str:
    if isinstance(part, And | Or | Not):
        return f"-{_grouped(part, in_value=in_value)}"
    text = show(part, in_value=in_value)
    return f"-\\{text}" if text[:1] in ("-", ">") else f"-{text}"


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def _name(text: str) -> str:
    """Without quotes where it can be. One that ends with a backslash was never in quotes."""
    return written(text) if _BARE.fullmatch(text) or text.endswith("\\") else _in_quotes(text)


def _target(target: str) -> str:
    plain = target == target.strip() and not any(char in target for char in "[]|\n")
    return f"[[{target}]]" if plain else _name(target)


def _property(name: str, test: Node | Compared | None) -> str:
    match test:
        case None:
            return f"[{name}]"
        case Compared(op, value):
            bare = (_VALUE.fullmatch(value) and not _OR.search(value)) or value.endswith("\\")
            return f"[{name}{op}{value if bare else _in_quotes(value)}]"
    text = show(test, in_value=True)
    if text[:1] in ("<", ">", "=") or text.startswith("!="):
        text = f"\\{text}"
    if text.startswith(("-", ":", "//")):
        text = f" {text}"  # where `-` negates, and `::` is not read
    return f"[{name}:{text}{_blank(text, '[]')}]"


def _when(when: When) -> str:
    start, end = when.start, when.end
    if when.field == "date" and not end and not start.startswith(">"):
        return f"after:{_date(start)}"
    if when.field == "date" and not start and end.startswith("<"):
        return f"before:{_date(end[1:])}"
    operator = "on" if when.field == "date" else when.field
    if start == end or start.startswith(">") or end.startswith("<"):
        return f"{operator}:{_date(start or end)}"
    return f"{operator}:{_date(f'{start}..{end}')}"


def _date(text: str) -> str:
    return f'"{text}"' if " " in text else text
