"""Whether a text is as a filter says: words as parts of it, patterns, and what has to stand in one piece of it."""

from __future__ import annotations

import itertools
import re
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache

import regex

from vragd.catalog.fold import fold
from vragd.errors import UsageError
from vragd.notes.blocks import blocks_of
from vragd.notes.markdown import front_matter
from vragd.search.grammar.tree import And, Node, Not, Or, Pattern, Phrase, Scope, Within, Word
from vragd.vault.javascript.translate import translate, units

PATTERN_S = 2.0
"""For all that the patterns of one question look at in one store."""
_BEGINS = re.compile(r"[ \t>]*+(?:(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$)|```|~~~|#{1,6}[ \t])")
"""A line with which something else begins than the text of the list item it is in."""
PIECES = frozenset((Scope.LINE, Scope.BLOCK, Scope.SECTION, Scope.TASK, Scope.TASK_TODO, Scope.TASK_DONE))


class Look:
    """A text as it stands, as it is compared, and its pieces; each made when it is asked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lowered(self) -> str:
        return self.text.lower()

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    def has(self, text: str, *, case: bool) -> bool:
        """Whether it has the words of `text`, of whatever blanks between them, at the edges as parts of words."""
        needle = _needle(text, case)
        if case:
            return _is_in(needle, self.text)
        # folding leaves ASCII as it is, and costs more than this: what is there before it needs none
        return _is_in(needle, self.lowered) or (not self.text.isascii() and _is_in(needle, self.folded))

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    def pieces(self, scope: Scope) -> Iterator[tuple[int, Look]]:
        """Its lines, blocks, sections or tasks, each with the line it begins in, from 0."""
        if scope is Scope.LINE:
            yield from ((at, Look(line)) for at, line in enumerate(self._lines))
            return
        body = front_matter(self._lines)
        lines = self._lines[body:]
        found = blocks_of([line.rstrip() for line in lines])
        if scope in (Scope.TASK, Scope.TASK_TODO, Scope.TASK_DONE):
            ends = [*(block.end for block in found.blocks), len(lines)]
            for line, state, column in found.tasks:
                if scope is Scope.TASK or (scope is Scope.TASK_TODO) == (state == " "):
                    own = itertools.takewhile(_goes_on, lines[line + 1 : ends[bisect(ends, line)]])
                    yield body + line, Look("\n".join([lines[line].expandtabs(4)[column:], *own]))
            return
        if scope is Scope.BLOCK:
            edges = [(block.start, block.end) for block in found.blocks]
        else:
            starts = [0, *(block.start for block in found.blocks if block.heading and block.start), len(lines)]
            edges = list(itertools.pairwise(starts))
        for start, end in edges:
            if (text := "\n".join(lines[start:end])).strip():
                yield body + start, Look(text)


class Matcher:
    """
    Holds texts against trees of words, phrases, patterns and pieces. `others` answers for any other leaf.

    One thread. Raises UsageError when patterns took PATTERN_S in all.
    """

    def __init__(self, others: Callable[[Node], bool] = lambda _: False) -> None:
        self.others = others
        self._left_s = PATTERN_S

    def holds(self, node: Node, look: Look, *, case: bool = False) -> bool:
        match node:
            case And(parts):
                return all(self.holds(part, look, case=case) for part in parts)
            case Or(parts):
                return any(self.holds(part, look, case=case) for part in parts)
            case Not(part):
                return not self.holds(part, look, case=case)
            case Word(text) | Phrase(text):
                return look.has(text, case=case)
            case Pattern(source):
                return self._matches(source, look.text, case=case)
            case Within(Scope.MATCH_CASE, part):
                return self.holds(part, look, case=True)
            case Within(Scope.IGNORE_CASE, part):
                return self.holds(part, look, case=False)
            case Within(scope, part) if scope in PIECES:
                return any(self.holds(part, piece, case=case) for _, piece in look.pieces(scope))
        return self.others(node)

    def first_line(self, node: Node, look: Look, *, case: bool = False) -> int | None:
        """The first line, from 0, of what a filter found in a text; None where it is nothing that stands in a line."""
        match node:
            case And(parts) | Or(parts):
                lines = (self.first_line(part, look, case=case) for part in parts)
                return min((line for line in lines if line is not None), default=None)
            case Within(Scope.MATCH_CASE | Scope.IGNORE_CASE | Scope.CONTENT as scope, part):
                return self.first_line(part, look, case=scope is Scope.MATCH_CASE)
            case Within(scope, part) if scope in PIECES:
                for at, piece in look.pieces(scope):
                    if self.holds(part, piece, case=case):
                        return at + (self.first_line(part, piece, case=case) or 0)
            case Word() | Phrase() | Pattern():
                for at, line in look.pieces(Scope.LINE):
                    if line.text and self.holds(node, line, case=case):
                        return at
        return None

    def _matches(self, source: str, text: str, *, case: bool) -> bool:
        compiled, in_units = _compiled(source, case)
        if self._left_s <= 0:
            raise _slow(source)
        started = time.thread_time()  # others may have the processor meanwhile
        try:
            return compiled.search(units(text) if in_units else text, timeout=PATTERN_S) is not None
        except TimeoutError:
            raise _slow(source) from None
        finally:
            self._left_s -= time.thread_time() - started


def _goes_on(line: str) -> bool:
    """Whether a line behind a task's first is still its own text."""
    return bool(line.strip()) and not _BEGINS.match(line)


@lru_cache(64)
def _compiled(source: str, case: bool) -> tuple[regex.Pattern[str], bool]:
    made = translate(source.replace("\\/", "/"))
    if made.problem:
        raise UsageError(f"the pattern /{source}/ cannot be read: {made.problem}", hint="write it as JavaScript does")
    return regex.compile(made.pattern, 0 if case else regex.IGNORECASE), made.units


def _is_in(needle: str | re.Pattern[str], text: str) -> bool:
    return needle in text if isinstance(needle, str) else needle.search(text) is not None


@lru_cache(256)
def _needle(text: str, case: bool) -> str | re.Pattern[str]:
    words = (text if case else fold(text)).split()
    return words[0] if len(words) == 1 else re.compile(r"\s+".join(map(re.escape, words))) if words else ""


def _slow(source: str) -> UsageError:
    return UsageError(
        f"the pattern /{source}/ takes longer than {PATTERN_S:.0f} s",
        hint="narrow the question by words, a tag or a folder, or write a pattern that goes back less",
    )
