"""
Lines to blocks: where CommonMark sees headings, code, HTML, lists and quotes, and Obsidian comments and formulas.

One pass, a bounded stack of containers, no look behind: linear in the text whatever it holds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

from vragd.notes.html import BLANK_LINE, html_end
from vragd.notes.model import Block, Blocks, Kind
from vragd.notes.paragraphs import formulas, is_no_title

MAX_DEPTH = 32
"""Quotes and list items within one another; what is deeper is text."""

_ATX = re.compile(r"(#{1,6})(?=[ \t]|$)")
_FENCE = re.compile(r"(`{3,}+)([^`]*+)$|(~{3,}+)(.*)$")
_BREAK = re.compile(r"(?:(?:-[ \t]*+){3,}+|(?:_[ \t]*+){3,}+|(?:\*[ \t]*+){3,}+)$")
_SETEXT = re.compile(r"(?:=++|-++)[ \t]*+$")
_ITEM = re.compile(r"(?:[-+*]|(\d{1,9})[.)])(?:( +)|$)")
_TASK = re.compile(r"\[(.)\](?: +|$)")
_CALLOUT = re.compile(r"\[!([^\]\[]{1,64}+)\][+-]?(?: +|$)")
_QUOTE = -1  # a container; list items are the width of what stands before their text


def blocks_of(lines: Sequence[str], start: int = 0) -> Blocks:
    """The blocks of `lines[start:]`, which have no blanks at their ends."""
    scan = _Scan(lines, start)
    scan.run()
    return scan.found


class _Scan:
    """The state between two lines."""

    def __init__(self, lines: Sequence[str], start: int) -> None:
        self.lines, self.at = lines, start
        self.found = Blocks()
        self.stack: list[int] = []
        self.paragraph = -1  # where the open paragraph began
        self.paragraph_depth = 0
        self.inline = -1
        self.open: Block | None = None  # the block that grows
        self.fresh_item = -1  # the line of an item that began without text
        self._closers: dict[str, list[int]] = {}
        self._formulas = formulas(lines)

    def run(self) -> None:
        """Every line, once."""
        lines, n = self.lines, len(self.lines)
        while self.at < n:
            line = lines[self.at]
            if not line:
                if self.stack:
                    self._blank()
                elif self.open is not None:
                    self._end_block()
                self.at += 1
            elif not self.stack and line[0] not in _MARKED:
                first = i = self.at  # nothing but text can begin like this, nor end it
                while i < n and (line := lines[i]) and line[0] not in _MARKED:
                    i += 1
                if self._formulas:
                    i = max([i, *(self._formulas[k] + 1 for k in range(first, i) if k in self._formulas)])
                if self.paragraph < 0:
                    self.paragraph, self.paragraph_depth = first, 0
                self.at = i - 1
                if self.open is None:
                    self.open = Block(first, i)
                    self.found.blocks.append(self.open)
                else:
                    self.open.end = i
                self.at = i
            elif not self.stack and line[0] in _LEAVES:
                self._leaf(line.expandtabs(4) if "\t" in line else line, 0, 0, False)
                self.at += 1
            else:
                self._line(line.expandtabs(4) if "\t" in line else line)
                self.at += 1
        self._end_block()

    # -- what a line does ---------------------------------------------------------------------------

    def _blank(self) -> None:
        self._end_paragraph()
        if self.fresh_item == self.at - 1 and self.stack and self.stack[-1] != _QUOTE:
            self.stack.pop()  # an item may begin with one blank line, not two
        for depth, container in enumerate(self.stack):
            if container == _QUOTE:
                del self.stack[depth:]
                break
        self._end_block()

    def _line(self, line: str) -> None:
        position, depth = self._continued(line)
        if position >= len(line):  # nothing but the marks of quotes
            self._end_paragraph()
            self._grow()
            del self.stack[depth:]
            return
        lazy = self.paragraph >= 0 and depth < len(self.stack)
        while True:
            indent = _indent(line, position)
            if indent >= 4:
                break
            here = position + indent
            mark = line[here]
            if mark == ">" and depth < MAX_DEPTH:
                self._open(depth, _QUOTE)
                self.found.has_quotes = True
                lazy = False
                position = here + 1 + (line[here + 1 : here + 2] == " ")
                depth += 1
                if position >= len(line):
                    self._grow()
                    return
                self._callout(line, position)
                continue
            item = _ITEM.match(line, here) if mark in "-+*" or mark.isdigit() else None
            if item is None or depth >= MAX_DEPTH or not self._item_may_begin(line, here, item, depth):
                break
            after = item.end()
            width = after - position
            if item[2] is None or after >= len(line):
                self._open(depth, item.end(1) - position + 2 if item[1] else indent + 2)
                self.fresh_item = self.at
                self._grow()
                return
            if len(item[2]) > 4:
                width = item.start(2) + 1 - position
            self._open(depth, width)
            lazy = False
            depth += 1
            position += width
            if task := _TASK.match(line, position):
                self.found.tasks.append((self.at, task[1], task.end()))
        self._leaf(line, position, depth, lazy)

    def _leaf(self, line: str, position: int, depth: int, lazy: bool) -> None:
        indent = _indent(line, position)
        continues = self.paragraph >= 0
        if indent >= 4:
            if continues:
                self._text(self.paragraph_depth)
            else:
                del self.stack[depth:]
                self._grow()  # indented code
            return
        here = position + indent
        mark = line[here]
        if mark in "#`~<$%=-_*" and self._special(line, here, position, depth, lazy, mark):
            return
        if not continues:
            del self.stack[depth:]
            self._text(depth)
        else:
            self._text(self.paragraph_depth)

    def _special(self, line: str, here: int, position: int, depth: int, lazy: bool, mark: str) -> bool:
        """Whether the line is something else than text, which is then done."""
        if mark == "#" and (atx := _ATX.match(line, here)):
            self._heading(depth, self.at, len(atx[1]), closed(line[atx.end() :]))
            return True
        if mark in "`~" and (fence := _FENCE.match(line, here)):
            self._fence(depth, here - position, fence[1] or fence[3], (fence[2] or fence[4] or "").strip())
            return True
        in_its_container = self.paragraph >= 0 and not lazy and depth == self.paragraph_depth
        if (
            mark in "=-"
            and in_its_container
            and _SETEXT.match(line, here)
            and not is_no_title(self.lines[self.paragraph : self.at])
        ):
            first = self.paragraph
            title = " ".join(part.strip(" \t>") for part in self.lines[first : self.at])
            self._heading(depth, first, 1 if mark == "=" else 2, title)
            return True
        if mark in "-_*" and _BREAK.match(line, here):
            self._end_paragraph()
            del self.stack[depth:]
            self._grow()
            return True
        if mark == "<" and (end := html_end(line, here, self.paragraph >= 0)) is not None:
            self._until("html", depth, end)
            return True
        if mark in "$%" and line.startswith(mark * 2, here) and mark * 2 not in line[here + 2 :]:
            return self._marked_block("math" if mark == "$" else "comment", mark * 2, depth)
        return False

    # -- containers ---------------------------------------------------------------------------------

    def _continued(self, line: str) -> tuple[int, int]:
        """How far into the line its open containers reach, and how many of them go on."""
        position = 0
        for depth, container in enumerate(self.stack):
            indent = _indent(line, position)
            if container == _QUOTE:
                here = position + indent
                if indent > 3 or line[here : here + 1] != ">":
                    return position, depth
                position = here + 1 + (line[here + 1 : here + 2] == " ")
            elif position + indent >= len(line):
                continue  # blank behind a quote's mark
            elif indent >= container:
                position += container
            else:
                return position, depth
        return position, len(self.stack)

    def _open(self, depth: int, container: int) -> None:
        self._end_paragraph()
        del self.stack[depth:]
        self.stack.append(container)

    def _item_may_begin(self, line: str, here: int, item: re.Match[str], depth: int) -> bool:
        if _BREAK.match(line, here):
            return False
        if self.paragraph < 0 or depth < self.paragraph_depth:
            return True
        if self._is_setext(line, here, depth):
            return False
        return item.end() < len(line) and item[1] in (None, "1")  # only these interrupt a paragraph

    def _is_setext(self, line: str, here: int, depth: int) -> bool:
        return depth == self.paragraph_depth and line[here] == "-" and _SETEXT.match(line, here) is not None

    def _callout(self, line: str, position: int) -> None:
        if line.startswith("[!", position) and (mark := _CALLOUT.match(line, position)):
            kind = mark[1].partition("|")[0]  # behind it stands how it is to be shown
            self.found.callouts.append((self.at, kind.strip().lower(), position, mark.end()))

    # -- leaves -------------------------------------------------------------------------------------

    def _text(self, depth: int) -> None:
        if self.paragraph < 0:
            self.paragraph, self.paragraph_depth = self.at, depth
        self._grow()
        if self.at not in self._formulas:
            return
        last = self._formulas[self.at]
        while self.at < last:  # text, whatever a line of it begins with
            line = self.lines[self.at + 1].expandtabs(4)
            if self._continued(line)[1] < len(self.stack):
                return
            self.at += 1
            self._grow()

    def _end_paragraph(self) -> None:
        if self.paragraph >= 0:
            self.found.inline.append((self.paragraph, self.at, "text"))
            self.paragraph = -1

    def _grow(self) -> None:
        if self.open is None:
            self.open = Block(self.at, self.at + 1)
            self.found.blocks.append(self.open)
        else:
            self.open.end = self.at + 1

    def _end_block(self) -> None:
        self._end_paragraph()
        self.open = None

    def _heading(self, depth: int, first: int, level: int, title: str) -> None:
        del self.stack[depth:]
        if first < self.at:
            self.paragraph = -1
        self._end_paragraph()
        self.found.inline.append((first, self.at + 1 if first == self.at else self.at, "text"))
        if depth:
            self.found.inner.append((first, level, title))
            self._grow()
            return
        if self.open is not None and first < self.at:  # its text was a paragraph until now
            self.open.end = first
            if self.open.start == first:
                self.found.blocks.pop()
        self.open = None
        self.found.blocks.append(Block(first, self.at + 1, "heading", (level, title)))

    def _fence(self, depth: int, indent: int, marks: str, info: str) -> None:
        first = last = self.at
        self._end_paragraph()
        del self.stack[depth:]
        whole = not depth
        if whole:
            self.open = None
        self._grow()
        closing = _closing(marks)
        n = len(self.lines)
        if whole:
            for at in range(first + 1, n):
                self.at = at
                if line := self.lines[at]:
                    last = at
                    if marks in line and closing.match(line):
                        break
            assert self.open is not None
            self.open.end = last + 1
        while not whole and self.at + 1 < n:
            line = self.lines[self.at + 1]
            if line or (depth and _QUOTE in self.stack):
                line = line.expandtabs(4) if "\t" in line else line
                position, reached = self._continued(line)
                if reached < depth:
                    break
                self.at += 1
                if closing.match(line, position):
                    self._grow()
                    break
            else:
                self.at += 1
            if line:
                self._grow()
        assert self.open is not None
        if whole:
            self.open.kind = "code"
        if whole or not self.lines[self.at]:
            self.open = None
        self.found.fences.append((first, self.at + 1, info))

    def _until(self, kind: Kind, depth: int, end: re.Pattern[str]) -> None:
        """Lines to the one with `end` in it, or a blank one where that is never; no further than the container."""
        self._end_paragraph()
        del self.stack[depth:]
        whole, first = not depth, self.at
        if whole:
            self.open = None
        self._grow()
        while not end.search(self.lines[self.at]) and self.at + 1 < len(self.lines):
            line = self.lines[self.at + 1]
            if not line and end is BLANK_LINE:
                break
            if depth and (line or _QUOTE in self.stack) and self._continued(line)[1] < depth:
                break
            self.at += 1
            if line:
                self._grow()
        self.found.inline.append((first, self.at + 1, kind))
        assert self.open is not None
        if whole:
            self.open.kind = kind
            self.open = None

    def _marked_block(self, kind: Kind, mark: str, depth: int) -> bool:
        """`$$` or `%%` over lines, if it is ever closed."""
        if mark not in self._closers:
            self._closers[mark] = [i for i, line in enumerate(self.lines) if mark in line]
        closers = self._closers[mark]
        after = bisect_left(closers, self.at + 1)
        if after == len(closers) or self.lines[closers[after]].rpartition(mark)[2]:
            return False
        self._end_paragraph()
        del self.stack[depth:]
        if not depth:
            self.open = None
        first = self.at
        self.at = closers[after]
        if self.open is None:
            self.found.blocks.append(Block(first, self.at + 1, kind))
            self.open = None
        else:
            self.open.end = self.at + 1
        if kind == "comment":
            self.found.inline.append((first, self.at + 1, kind))
        return True


_MARKED = frozenset(" \t#`~<>$%=-_*+0123456789")
_LEAVES = frozenset("#`~<$%=_")  # with which no quote or item begins


@lru_cache(64)
def _closing(marks: str) -> re.Pattern[str]:
    return re.compile(rf" {{0,3}}{marks[0]}{{{len(marks)},}}+[ \t]*+$")


_BLANKS = re.compile(r" *+")


def _indent(line: str, position: int) -> int:
    if line[position : position + 1] != " ":
        return 0
    match = _BLANKS.match(line, position)
    return match.end() - position if match else 0


def closed(text: str) -> str:
    """The title of a heading, without closing marks that stand apart."""
    title = text.strip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else title
