"""What a JavaScript pattern is made of. Characters are code points in unicode mode, UTF-16 units otherwise."""

from __future__ import annotations

from dataclasses import dataclass


class Node:
    """A part of a pattern."""

    __slots__ = ()


@dataclass(slots=True)
class Char(Node):
    code: int


@dataclass(slots=True)
class Dot(Node):
    """Any character but a line end; with the flag `s` any."""


@dataclass(slots=True)
class Set(Node):
    """One character of `ranges` or of a class named in `kinds` (`d D s S w W`, or a property)."""

    ranges: list[tuple[int, int]]
    kinds: list[str | Property]
    negated: bool = False


@dataclass(slots=True)
class Property(Node):
    r"""`\p{name=value}`, or of everything else."""

    name: str
    value: str
    negated: bool


@dataclass(slots=True)
class Edge(Node):
    r"""`^`, `$`, `b` or `B`."""

    kind: str


@dataclass(slots=True)
class Sequence(Node):
    parts: list[Node]


@dataclass(slots=True)
class Choice(Node):
    options: list[Node]


@dataclass(slots=True)
class Group(Node):
    """`index` is None for one that captures nothing; `on` and `off` are flags it sets for what is in it."""

    index: int | None
    inside: Node
    on: str = ""
    off: str = ""


@dataclass(slots=True)
class Look(Node):
    ahead: bool
    negated: bool
    inside: Node


@dataclass(slots=True)
class Reference(Node):
    """What was captured by one of these groups: those of one name, of which one at most has taken part."""

    indices: list[int]


@dataclass(slots=True)
class Repeat(Node):
    inside: Node
    least: int
    most: int | None
    lazy: bool


def children(node: Node) -> list[Node]:
    """The nodes directly inside."""
    match node:
        case Sequence(parts):
            return parts
        case Choice(options):
            return options
        case Group() | Look() | Repeat():
            return [node.inside]
    return []
