"""The two halves of a question: what ranks, and what filters."""

from __future__ import annotations

from collections.abc import Iterator

from vragd.search.grammar.tree import And, Node, Not, Or, Phrase, Property, Scope, Within, Word

_ABOUT_NAMES = frozenset({Scope.FILE, Scope.PATH})


def ranked_text(node: Node) -> str:
    """
    What is embedded and ranked: the words and phrases that a note should have, in their order, with blanks between.

    Nothing negated, no pattern, nothing about a name, path, tag, property, link or time.
    """
    return " ".join(filter(None, _positive(node)))


def _positive(node: Node) -> Iterator[str]:
    match node:
        case Word(text) | Phrase(text):
            yield text
        case And(parts) | Or(parts):
            for part in parts:
                yield from _positive(part)
        case Within(scope, part) if scope not in _ABOUT_NAMES:
            yield from _positive(part)


def filter_of(node: Node) -> Node | None:
    """What filters: all but the bare words of the question itself. None where nothing does."""
    match node:
        case Word():
            return None
        case And(parts):
            rest = tuple(part for part in parts if not isinstance(part, Word))
            return None if not rest else rest[0] if len(rest) == 1 else And(rest)
    return node


def count(node: Node) -> int:
    """How many conditions a tree has: all that is not `And`, `Or`, `Not` or `Within`, in values too."""
    match node:
        case And(parts) | Or(parts):
            return sum(map(count, parts))
        case Not(part) | Within(_, part) | Property(_, (And() | Or() | Not()) as part):
            return count(part)
    return 1
