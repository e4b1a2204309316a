"""
Filters once more, as plainly as can be: whether one holds for a note is read from its raw file, by PyYAML and
markdown-it, and never from a catalog. For notes as `tests` make them: no comments, no nested tags, no code.
"""

from __future__ import annotations

import itertools
import re
from functools import partial
from typing import Any

import yaml
from markdown_it import MarkdownIt

from vragd.search.grammar.tree import (
    And,
    Compared,
    Node,
    Not,
    Null,
    Or,
    Pattern,
    Phrase,
    Property,
    Scope,
    Tag,
    Within,
    Word,
)


def plain(text: str) -> str:
    """As it is compared where case does not count."""
    accents = str.maketrans("äéÄÉ", "aeAE")
    return " ".join(text.translate(accents).lower().split())


class Oracle:
    """One raw file, read anew for each question."""

    def __init__(self, path: str, raw: str) -> None:
        self.path, self.raw = path, raw
        self.lines = raw.split("\n")
        end = self.lines.index("---", 1) + 1 if self.lines[0] == "---" else 0
        self.front = (yaml.safe_load("\n".join(self.lines[1 : end - 1])) or {}) if end else {}
        self.body = self.lines[end:]
        self.name = path.rpartition("/")[2]

    def passes(self, node: Node) -> bool:
        """Whether the filter holds for the note."""
        return self.says(node, [self.name.removesuffix(".md"), self.raw])

    def pieces(self, scope: Scope) -> list[str]:
        """The lines, tasks, blocks or sections of the note."""
        if scope is Scope.LINE:
            return self.lines
        tasks = [m for line in self.body if (m := re.fullmatch(r"- \[(.)\] (.*)", line))]
        if scope is Scope.TASK:
            return [m[2] for m in tasks]
        if scope in (Scope.TASK_TODO, Scope.TASK_DONE):
            return [m[2] for m in tasks if (m[1] == " ") == (scope is Scope.TASK_TODO)]
        tops = [one for one in MarkdownIt("commonmark").parse("\n".join(self.body)) if one.level == 0 and one.map]
        if scope is Scope.BLOCK:
            edges = [(one.map[0], one.map[1]) for one in tops if one.map]
        else:
            starts = [one.map[0] for one in tops if one.map and one.type == "heading_open" and one.map[0]]
            edges = list(itertools.pairwise([0, *starts, len(self.body)]))
        return [text for start, end in edges if (text := "\n".join(self.body[start:end])).strip()]

    def says(self, node: Node, texts: list[str], *, case: bool = False) -> bool:
        """Whether it holds for these texts of the note."""
        again = partial(self.says, texts=texts, case=case)
        match node:
            case And(parts):
                return all(map(again, parts))
            case Or(parts):
                return any(map(again, parts))
            case Not(part):
                return not again(part)
            case Word(needle) | Phrase(needle):
                return any(needle in " ".join(t.split()) if case else plain(needle) in plain(t) for t in texts)
            case Pattern(source):
                return any(re.search(source, t, 0 if case else re.I) for t in texts)
            case Within(Scope.MATCH_CASE | Scope.IGNORE_CASE as scope, part):
                return self.says(part, texts, case=scope is Scope.MATCH_CASE)
            case Within(Scope.FILE, part):
                return self.says(part, [self.name], case=case)
            case Within(Scope.PATH, part):
                return self.says(part, [self.path], case=case)
            case Within(Scope.CONTENT, part):
                return self.says(part, [self.raw], case=case)
            case Within(scope, part):
                return any(self.says(part, [piece], case=case) for piece in self.pieces(scope))
            case Tag(name):
                inline = re.findall(r"(?:^|\s)#([\w/]+)", "\n".join(self.body))
                tags = [plain(tag) for tag in [*inline, *(self.front.get("tags") or [])]]
                return any(tag == plain(name) or tag.startswith(plain(name) + "/") for tag in tags)
            case Property(name, test):
                keys = {str(key).lower(): value for key, value in self.front.items()}
                return name.lower() in keys and self._value(keys[name.lower()], test, case=case)
        raise AssertionError(node)

    def _value(self, value: Any, test: Any, *, case: bool) -> bool:
        items = value if isinstance(value, list) else [value]
        if test is None:
            return True
        if isinstance(test, Null):
            return value is None
        if test == Not(Null()):
            return value is not None
        if isinstance(test, Or):
            return any(self._value(value, part, case=case) for part in test.parts)
        if isinstance(test, Compared):
            if test.op == "!=":
                return not any(self._is(item, "=", test.value) for item in items)
            return any(self._is(item, test.op, test.value) for item in items)
        said = ["" if i is None else str(i).lower() if isinstance(i, bool) else str(i) for i in items]
        return any(self.says(test, [one], case=case) for one in said)

    def _is(self, item: Any, op: str, typed: str) -> bool:
        if item is None:
            return False
        if isinstance(item, bool):
            return op == "=" and typed == str(item).lower()
        if isinstance(item, int):
            if not typed.isdigit():
                return False
            a, b = item, int(typed)
        else:
            a, b = plain(item), plain(typed)  # type: ignore[assignment]
        return {"=": a == b, "<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[op]
