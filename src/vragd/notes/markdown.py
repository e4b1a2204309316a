"""Bytes to lines, lines to sections of blocks: just enough Markdown to know where a text may be cut."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vragd.notes.model import NotIndexable

MAX_FRONT_MATTER_LINES = 2_000
_NUL_SHARE = 0.01

# None may backtrack over a run of blanks or marks: a line can be megabytes long.
_HEADING = re.compile(r"^ {0,3}(#{1,6})(?=[ \t]|$)")
_FENCE = re.compile(r"^ {0,3}(`{3,}+(?!.*`)|~{3,}+)")  # with a backtick behind it, it is code within a line
_PROPERTY = re.compile(r"^([A-Za-z][\w-]*):(.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together: a paragraph, list, table, fenced code. Indices into the lines, end excluded."""

    start: int
    end: int


@dataclass(slots=True)
class Section:
    """What stands below one heading, that heading's line included; `heading` from the outermost in."""

    heading: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list)


def decode(data: bytes) -> tuple[str, bool]:
    """
    The text of `data`, and whether bytes had to be replaced. Line ends become a single newline.

    UTF-8 with or without a mark, UTF-16 with one. Raises NotIndexable for what is no text at all.
    """
    lossy = False
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
        lossy = "�" in text
    else:
        if data.count(0) > len(data) * _NUL_SHARE:
            raise NotIndexable("binary")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text, lossy = data.decode("utf-8-sig", "replace"), True
    return text.replace("\r\n", "\n").replace("\r", "\n"), lossy


def front_matter(lines: Sequence[str]) -> int:
    """How many lines the front matter takes, its two `---` included; 0 if there is none, or it never ends."""
    if not lines or lines[0].rstrip() != "---":
        return 0
    for i in range(1, min(len(lines), MAX_FRONT_MATTER_LINES)):
        if lines[i].rstrip() in ("---", "..."):
            return i + 1
    return 0


def properties(lines: Sequence[str]) -> dict[str, str]:
    """
    The top-level `key: value` pairs of front matter, keys in lower case, values as written less their quotes.

    Not a YAML parser on purpose: it cannot be made to fail, recurse or expand by what a note holds.
    """
    found: dict[str, str] = {}
    for line in lines:
        if match := _PROPERTY.match(line):
            value = match[2].strip(" \t")
            if not _quoted(value):
                value = f" {value}".partition(" #")[0].strip(" \t")  # a comment: `vragd: false # private`
            found.setdefault(match[1].lower(), value[1:-1] if _quoted(value) else value)
    return found


def _quoted(value: str) -> bool:
    return len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"


def sections(lines: Sequence[str], start: int) -> Iterator[Section]:
    """Cut `lines[start:]` at its headings. A heading with nothing below it opens the next one's section."""
    path: list[tuple[int, str]] = []
    current, has_text = Section(()), False
    for block, heading in _blocks(lines, start):
        if heading is not None:
            level, title = heading
            if has_text:
                yield current
                current, has_text = Section(()), False
            path = [(lv, t) for lv, t in path if lv < level] + [(level, title)]
            current.heading = tuple(t for _, t in path)
        else:
            has_text = True
        current.blocks.append(block)
    if current.blocks:
        yield current


def _blocks(lines: Sequence[str], start: int) -> Iterator[tuple[Block, tuple[int, str] | None]]:
    """Each block and, for a heading, its level and title."""
    i, opened = start, -1
    while i < len(lines):
        line = lines[i]
        mark = line.lstrip(" ")[:1]
        heading = _HEADING.match(line) if mark == "#" else None
        fence = _FENCE.match(line) if mark in ("`", "~") else None
        blank = not line.strip()
        if opened >= 0 and (heading or fence or blank):
            yield Block(opened, i), None
            opened = -1
        if fence:
            end = _fence_end(lines, i, fence[1])
            yield Block(i, end), None
            i = end
            continue
        if heading:
            yield Block(i, i + 1), (len(heading[1]), _title(line[heading.end() :]))
        elif not blank and opened < 0:
            opened = i
        i += 1
    if opened >= 0:
        yield Block(opened, len(lines)), None


def _title(text: str) -> str:
    title = text.strip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else title  # closing marks stand apart


def _fence_end(lines: Sequence[str], start: int, marker: str) -> int:
    """The line after the fence opened at `start`; a fence never closed goes on to the end, as in CommonMark."""
    for i in range(start + 1, len(lines)):
        line = lines[i].strip()
        if line.startswith(marker) and not line.strip(marker[0]):
            return i + 1
    return len(lines)
