"""
What a question is made of. Bare words rank, everything else filters; the scope of a filter is the whole note.

`parse` gives no `And` or `Or` with a single part, none directly inside its like, and an empty one only for no text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from vragd.search.grammar.operands import Operand, Sign


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; with no part it is everything."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any part holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Node


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word as it was typed, without blanks."""

    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    r"""What stood in quotes, its `\"` undone. An empty one is in everything."""

    text: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """What stood between slashes: JavaScript's flavour, a `\\/` in it left as it was."""

    source: str


class Scope(StrEnum):
    """Where something has to be, as it is typed; the last two: how letters are compared."""

    FILE = "file"
    PATH = "path"
    CONTENT = "content"
    LINE = "line"
    BLOCK = "block"
    SECTION = "section"
    TASK = "task"
    TASK_TODO = "task-todo"
    TASK_DONE = "task-done"
    MATCH_CASE = "match-case"
    IGNORE_CASE = "ignore-case"


@dataclass(frozen=True, slots=True)
class Within:
    """`file:(…)`: the part holds for the file's name; `line:(…)`: for one line."""

    scope: Scope
    part: Node


@dataclass(frozen=True, slots=True)
class Tag:
    """The note has the tag, or one nested in it. `name` is without `#`."""

    name: str


@dataclass(frozen=True, slots=True)
class Null:
    """Of the value of a property: it is there and empty; neither `""` nor `[]` is. No part of an `And`."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The value, or one of a list's, compares so. `value` is as typed, without its quotes."""

    op: Literal["=", "!=", "<", "<=", ">", ">="]
    value: str


@dataclass(frozen=True, slots=True)
class Property:
    """`test` is None for "has it"; a node is about the words of the value, or of one item of a list, or `Null`."""

    name: str
    test: Node | Compared | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """
    `to`: notes that link to `target`; `from`: notes that `target` links to. Without brackets and alias.

    `embed`: by an embed, or by what is none; None for either. Only expressions tell them apart.
    """

    direction: Literal["to", "from"]
    target: str
    embed: bool | None = None


@dataclass(frozen=True, slots=True)
class Source:
    label: str


@dataclass(frozen=True, slots=True)
class Store:
    name: str


@dataclass(frozen=True, slots=True)
class When:
    """
    The note's time lies between two bounds; `dates.bounds` says which moments these are. An empty one is open.

    `start` is a date as typed, from whose beginning on, or `>` and a date, from whose end on. `end` is a date until
    whose end, or `<` and a date until whose beginning. So `after:X` has the start `X`, `before:X` the end `<X`, and
    `on:X` has `X` for both.
    """

    field: Literal["date", "created", "modified"]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The note lies in the folder, or below it; as `--folder` has it. Only expressions ask so."""

    path: str


@dataclass(frozen=True, slots=True)
class Compares:
    """Two values compare so, as `expressed` has it. Only expressions ask so."""

    left: Operand
    op: Sign
    right: Operand


@dataclass(frozen=True, slots=True)
class Asks:
    """
    A value contains, begins or ends with `value`, is empty, or counts as true. Only expressions ask so.

    `value` is None for the last two.
    """

    what: Literal["contains", "startsWith", "endsWith", "isEmpty", "isTruthy"]
    of: Operand
    value: Operand | None = None


Expressed = Folder | Compares | Asks
Textual = And | Or | Not | Word | Phrase | Pattern | Null
Node = Textual | Within | Tag | Property | Link | Source | Store | When | Expressed
