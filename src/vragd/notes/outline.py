"""
Code to the stretches of lines that belong together, each below the names of the definitions around it.

A definition that fits a chunk is one stretch. One that does not is opened: its inner definitions are stretches, and so
is what stands between them; small ones stay with what is around them. Whether that is so depends on the definition
alone, so that an edit moves no stretch but its own.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from vragd.notes.size import MAX_CHARS, MIN_CHARS

Rows = tuple[int, int]
"""First and last line, counted from 0."""

MAX_DEPTH = 60
"""How far definitions and statements within each other are followed; what is deeper is cut between lines."""
MAX_NAME = 120
TOO_LITTLE = 120
"""Characters between definitions that are no passage of their own: `namespace x {`, `#endif`."""

_NAMES = """
    function_definition class_definition
    function_declaration generator_function_declaration class_declaration abstract_class_declaration
    method_definition interface_declaration enum_declaration type_alias_declaration internal_module module
    method_declaration type_spec constructor_declaration record_declaration annotation_type_declaration
    struct_declaration namespace_declaration property_declaration trait_declaration
    function_item struct_item enum_item union_item trait_item impl_item mod_item macro_definition
    struct_specifier class_specifier enum_specifier union_specifier namespace_definition
    class method singleton_method
"""
_DEFINITIONS = frozenset(_NAMES.split())
_WITH_BODY = frozenset(("struct_specifier", "class_specifier", "enum_specifier", "union_specifier"))
_FUNCTIONS = frozenset(("arrow_function", "function_expression", "function", "class", "generator_function"))
# What begins above the definition in it and belongs to it.
_WRAPPERS = frozenset(
    [
        "decorated_definition",
        "export_statement",
        "template_declaration",
        "lexical_declaration",
        "variable_declaration",
        "type_declaration",
        "ambient_declaration",
    ]
)
_ABOVE = frozenset(("attribute_item", "attribute_list", "annotation", "marker_annotation", "decorator"))
_A_WORD = re.compile(r"[^\W_]")
_LAST_NAME = re.compile(r"(\w+)(?:\[[^\]]*\])?\W*$")


@dataclass(slots=True)
class Stretch:
    """Lines below the names of the definitions around them, in parts that are better not cut."""

    path: tuple[str, ...]
    parts: list[Rows] = field(default_factory=list)


def outline(root: Any, lines: Sequence[str]) -> list[Stretch]:
    """Every line in one stretch, in order. `root` is tree-sitter's node of the text that the lines make."""
    reading = _Outline(lines)
    reading.open(root, (), 0, len(lines) - 1, 0)
    return reading.found


def paragraphs(lines: Sequence[str]) -> list[Stretch]:
    """Every line in one stretch, in parts that blank lines set off: for what nobody can parse."""
    edges = [0, *(i for i in range(1, len(lines)) if lines[i] and not lines[i - 1]), len(lines)]
    return [Stretch((), [(a, b - 1) for a, b in pairwise(edges)])]


@dataclass(slots=True)
class _Definition:
    node: Any
    name: str
    first: int
    last: int


class _Outline:
    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._ends = [0, *accumulate(len(line) + 1 for line in lines)]
        self._words = [0, *accumulate(_A_WORD.search(line) is not None for line in lines)]
        self._above = set[int]()  # lines of comments and attributes alone
        self._kids: dict[int, tuple[list[Any], list[int]]] = {}
        self.found: list[Stretch] = []

    def _size(self, first: int, last: int) -> int:
        return self._ends[last + 1] - self._ends[first]

    def _says(self, first: int, last: int) -> bool:
        return self._words[last + 1] > self._words[first]

    # -- definitions --------------------------------------------------------------------------------

    def open(self, node: Any, path: tuple[str, ...], first: int, last: int, depth: int) -> None:
        """Add the stretches of these lines, all within `node`."""
        if depth > MAX_DEPTH or self._size(first, last) <= MAX_CHARS:
            self._add(path, [(first, last)])
            return
        at = first
        inner = self._inner(node, first, last)
        for one in inner:
            if self._size(one.first, one.last) < MIN_CHARS:
                continue
            if self._is_about_next(at, one.first - 1, inner):
                one.first = at
            self._between(node, path, at, one.first - 1, inner)
            self.open(one.node, (*path, one.name), one.first, one.last, depth + 1)
            at = one.last + 1
        self._between(node, path, at, last, inner)

    def _is_about_next(self, first: int, last: int, inner: Sequence[_Definition]) -> bool:
        """Whether there is a short comment and nothing else, or too little for a passage: an opening line."""
        size = self._size(first, last)
        if size < TOO_LITTLE and not _begun(inner, first, last):
            return True
        return first > 0 and size < MIN_CHARS and all(row in self._above for row in range(first, last + 1)
                                                      if self._lines[row])  # fmt: skip

    def _between(self, node: Any, path: tuple[str, ...], first: int, last: int, inner: Sequence[_Definition]) -> None:
        if first > last:
            return
        here = _begun(inner, first, last)
        if self.found and not here and self._size(first, last) < TOO_LITTLE:
            self._close(last)
            return
        alone = len(here) == 1 and not (self._says(first, here[0].first - 1) or self._says(here[0].last + 1, last))
        self._add((*path, here[0].name) if alone else path, list(self._parts(node, first, last, 0)))

    def _inner(self, node: Any, first: int, last: int) -> list[_Definition]:
        """The outermost definitions within `node`, with the comments above them; no line is in two."""
        found: list[_Definition] = []
        above = self._above
        waiting = [(child, child.start_point[0]) for child in reversed(node.children)]
        while waiting:
            child, begins = waiting.pop()
            a, b = child.start_point[0], child.end_point[0]
            if "comment" in child.type or child.type in _ABOVE:
                above.update(row for row in range(a, b + 1) if row > a or self._starts_line(child))
            elif child.type in _DEFINITIONS or child.type == "variable_declarator":
                name = name_of(child)
                if name and first <= a <= b <= last:
                    found.append(_Definition(child, name, max(begins, first), b))
                    continue
            if a < b:  # what is on one line has nothing to open
                begins = begins if child.type in _WRAPPERS else -1
                waiting += [
                    (each, min(begins, each.start_point[0]) if begins >= 0 else each.start_point[0])
                    for each in reversed(child.children)
                ]
        kept: list[_Definition] = []
        low = first
        for one in found:
            if one.first < low:
                continue
            while one.first > low and one.first - 1 in above:
                one.first -= 1
            kept.append(one)
            low = one.last + 1
        return kept

    def _starts_line(self, node: Any) -> bool:
        line = self._lines[node.start_point[0]]
        return len(line) - len(line.lstrip()) >= len(line.encode("utf-8", "replace")[: node.start_point[1]].rstrip())

    # -- what is not opened -------------------------------------------------------------------------

    def _parts(self, node: Any, first: int, last: int, depth: int) -> Iterator[Rows]:
        """Lines in parts that begin where something within `node` does, each small enough if it can be."""
        kids, begin = self._kids_of(node)
        low, high = bisect_right(begin, first), bisect_right(begin, last)
        edges = [first, *sorted(set(begin[low:high])), last + 1]
        for a, b in pairwise(edges):
            if self._size(a, b - 1) > MAX_CHARS and depth < MAX_DEPTH:
                # of those that begin on the line, the one that goes on for longest
                inner = kids[max(0, bisect_left(begin, a) - 1) : bisect_right(begin, a)]
                child = max(inner, key=lambda one: one.end_point[0], default=None)
                if child is not None and child.end_point[0] > max(a, child.start_point[0]):
                    yield from self._parts(child, a, b - 1, depth + 1)
                    continue
            yield a, b - 1

    def _kids_of(self, node: Any) -> tuple[list[Any], list[int]]:
        if node.id not in self._kids:
            kids = node.named_children
            self._kids[node.id] = (kids, [kid.start_point[0] for kid in kids])
        return self._kids[node.id]

    def _add(self, path: tuple[str, ...], parts: list[Rows]) -> None:
        """A stretch of parts with words; what has none, a closing bracket say, goes with what is before it."""
        kept: list[Rows] = []
        for a, b in parts:
            if kept and not (self._says(a, b) and self._says(*kept[-1])):
                kept[-1] = (kept[-1][0], b)
            else:
                kept.append((a, b))
        if self.found and not any(self._says(*part) for part in kept):
            self._close(kept[-1][1])
        elif len(self.found) == 1 and not any(self._says(*part) for part in self.found[0].parts):
            kept[0] = (self.found.pop().parts[0][0], kept[0][1])
            self.found.append(Stretch(path, kept))
        else:
            self.found.append(Stretch(path, kept))

    def _close(self, last: int) -> None:
        """What is before goes on to this line."""
        parts = self.found[-1].parts
        parts[-1] = (parts[-1][0], last)


def _begun(inner: Sequence[_Definition], first: int, last: int) -> Sequence[_Definition]:
    """Those that begin on these lines."""
    begin = bisect_left(inner, first, key=lambda one: one.first)
    return inner[begin : bisect_right(inner, last, key=lambda one: one.first)]


def name_of(node: Any) -> str:
    """What a definition is called, in one line; '' for what has no name, or is none."""
    if node.type in _WITH_BODY and node.child_by_field_name("body") is None:
        return ""  # a mention
    if node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        if value is None or value.type not in _FUNCTIONS:
            return ""
    if node.type == "impl_item":
        kind, trait = _text(node.child_by_field_name("type")), _text(node.child_by_field_name("trait"))
        return f"{trait} for {kind}" if trait else kind
    named = node.child_by_field_name("name")
    if named is None:
        named, steps = node.child_by_field_name("declarator"), 0
        while named is not None and steps < MAX_DEPTH and (within := named.child_by_field_name("declarator")):
            named, steps = within, steps + 1
    name = _text(named)
    receiver = (
        _LAST_NAME.search(_text(node.child_by_field_name("receiver"))) if node.type == "method_declaration" else None
    )
    return f"{receiver[1]}.{name}" if receiver and name else name


def _text(node: Any) -> str:
    return " ".join(node.text.decode("utf-8", "replace").split())[:MAX_NAME] if node is not None else ""
