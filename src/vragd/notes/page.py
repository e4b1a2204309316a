"""Lines of Markdown to chunks and marks: what every reader of Markdown, or of something with Markdown in it, shares."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from vragd.notes.blocks import blocks_of
from vragd.notes.cut import Cutter, Span
from vragd.notes.inline import DELIMITERS, Edit, Found, Inline
from vragd.notes.machine import Count, strip_machine_text
from vragd.notes.model import Block, Blocks, Callout, Chunk, Field, Heading, LeftOut, Link, Marks, Task
from vragd.notes.size import MAX_CHARS, MIN_CHARS

MAX_SHORT = 400
_NO_PROSE = frozenset(("base", "query", "dataview", "dataviewjs", "tasks"))  # languages of Obsidian and its plugins
_HASHES = re.compile(r"#{1,6}[ \t]++")
_A_WORD = re.compile(r"[^\W_]")
_QUOTES = re.compile(r"^[ \t]*+(?:>[ \t]?+)++", re.M)


@dataclass(slots=True)
class Page:
    """What was read: `words` are of the comments, `tags` as written, repeated ones too."""

    chunks: list[Chunk] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)
    tags: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    left_out: tuple[LeftOut, ...] = ()


def read_page(lines: Sequence[str], first_line: int = 1) -> Page:
    """The page on `lines`, of which the first is `first_line` in its file."""
    return _Reading([line.rstrip() for line in lines], first_line).page()


def embedded(text: str) -> str:
    """
    `text`, a piece of Markdown, without marks, as a chunk's `embed_text` is: what tests hold vectors against.

    "" if nothing is left. What began before the piece, a comment say, is not known.
    """
    reading = _Reading([line.rstrip() for line in text.split("\n")], 1)
    return reading.embedded(0, len(reading.text))


class _Reading:
    def __init__(self, lines: list[str], first_line: int) -> None:
        kept, gone, self.machine = strip_machine_text(lines)
        self.wordless, self.comments = Count(), Count()
        self.words: list[str] = []
        self.comment_links: list[Link] = []
        self.numbers: Sequence[int] = range(first_line, first_line + len(kept))
        if gone:
            self.numbers = [i + first_line for i in range(len(kept)) if i not in gone]
            kept = [line for i, line in enumerate(kept) if i not in gone]
        blocks = blocks_of(kept)
        if any(block.kind == "comment" for block in blocks.blocks):
            kept, blocks = self._without_comments(kept, blocks)
        self.lines, self.blocks = kept, blocks
        self.text = "\n".join(kept)
        self.starts = [0, *accumulate([len(line) + 1 for line in kept])]
        self.found = self._inline()
        self._starts_of_edits: list[int] | None = None

    def _without_comments(self, lines: list[str], blocks: Blocks) -> tuple[list[str], Blocks]:
        """Lines without those of comment blocks, a blank one for each block; their links and words are kept."""
        kept: list[str] = []
        numbers: list[int] = []
        at = 0
        for block in blocks.blocks:
            if block.kind != "comment":
                continue
            text = "\n".join(lines[block.start : block.end])
            inline = Inline(text)
            inline.comment(0, len(text))
            for offset, kind, target, subpath, alias, embed in inline.found.links:
                line = self.numbers[block.start + text.count("\n", 0, offset)]
                self.comment_links.append(Link(target, line, kind, subpath, alias, embed))  # type: ignore[arg-type]
            self._leave_out(self.comments, text)
            kept += [*lines[at : block.start], ""]
            numbers += self.numbers[at : block.start + 1]
            at = block.end
        self.numbers = [*numbers, *self.numbers[at:]]
        kept += lines[at:]
        return kept, blocks_of(kept)

    # -- marks --------------------------------------------------------------------------------------

    def _inline(self) -> Found:
        reader, starts, text = Inline(self.text), self.starts, self.text
        for first, last, kind in self.blocks.inline:
            start, end = starts[first], starts[last] - 1
            if kind == "text":
                reader.read(start, end)
            elif kind == "html":
                reader.html(start, end)
            else:  # within a list or a quote
                reader.comment(start, end)
                reader.found.edits.append((start, end, ""))
        edits = reader.found.edits
        n = len(edits)
        for i, _, _ in self.blocks.inner:
            if hashes := _HASHES.search(text, starts[i], starts[i + 1]):
                edits.append((*hashes.span(), ""))
        for first, last, info in self.blocks.fences:
            if info.partition(" ")[0].lower() in _NO_PROSE:
                edits.append((starts[first], starts[last] - 1, ""))
            edits.append((starts[first], starts[first + 1], ""))
            if last - first > 1 and not text[starts[last - 1] : starts[last]].strip("`~> \t\n"):
                edits.append((starts[last - 1], starts[last] - 1, ""))
        for block in self.blocks.blocks:
            if block.heading is not None:
                start = starts[block.start]
                if block.end - block.start == 1 and self.lines[block.start].lstrip()[:1] == "#":
                    line = self.lines[block.start]
                    edits.append((start, start + len(line) - len(line.lstrip(" #")), ""))
                else:
                    edits.append((starts[block.end - 1], starts[block.end] - 1, ""))
        edits += [self._on(i, mark, title) for i, _, mark, title in self.blocks.callouts]
        edits += [self._on(i, self._box(i, title), title) for i, _, title in self.blocks.tasks]
        if self.blocks.has_quotes:
            edits += [(match.start(), match.end(), "") for match in _QUOTES.finditer(text)]
        if "-|" in text or "- |" in text or "|-" in text or "| -" in text:
            edits += [(match.start(), match.end(), "") for match in DELIMITERS.finditer(text)]
        if len(edits) > n:
            reader.found.edits = _merged(edits)
        return reader.found

    def _on(self, line: int, start: int, end: int) -> Edit:
        """Columns of a line whose tabs count as blanks, as offsets."""
        text = self.lines[line]
        if "\t" in text:
            start, end = _column(text, start), _column(text, end)
        at = self.starts[line]
        return at + min(start, len(text)), at + min(end, len(text)), ""

    def _box(self, line: int, title: int) -> int:
        """The column of a task's `[`: one blank or more stand before its text, or none at the end of a line."""
        text = self.lines[line]
        return len((text.expandtabs(4) if "\t" in text else text)[:title].rstrip()) - len("[x]")

    def line_of(self, offset: int) -> int:
        """The line in the file of an offset into the text."""
        return self.numbers[bisect_right(self.starts, offset) - 1]

    def _marks(self) -> Marks:
        found, blocks, number = self.found, self.blocks, self.numbers
        if not (found.links or self.comment_links or blocks.blocks):
            return Marks()
        links = [
            Link(target, self.line_of(at), kind, subpath, alias, embed)  # type: ignore[arg-type]
            for at, kind, target, subpath, alias, embed in found.links
        ]
        if self.comment_links:
            links = sorted([*links, *self.comment_links], key=lambda link: link.line)
        return Marks(
            tuple(links),
            tuple(Heading(b.heading[0], b.heading[1], number[b.start]) for b in blocks.blocks if b.heading),
            tuple(Task(state, self._rest(i, column), number[i]) for i, state, column in blocks.tasks),
            tuple(Callout(kind, self._rest(i, column), number[i]) for i, kind, _, column in blocks.callouts),
            tuple(Field(key, value, self.line_of(at)) for at, key, value in found.fields),
            tuple((name, self.line_of(at)) for at, name in found.block_ids),
            tuple((name, self.line_of(at)) for at, name in found.footnotes),
        )

    def _rest(self, line: int, column: int) -> str:
        text = self.lines[line]
        return (text.expandtabs(4) if "\t" in text else text)[column:].strip()

    # -- text ---------------------------------------------------------------------------------------

    def embedded(self, start: int, end: int) -> str:
        """The text between two offsets without its marks and blank lines."""
        edits = self.found.edits
        if edits:
            i = max(0, bisect_left(self._edit_starts(), start) - 1)
            parts, at = [], start
            while i < len(edits) and edits[i][0] < end:
                first, last, instead = edits[i]
                i += 1
                if last <= at:
                    continue
                if first >= at:
                    parts.append(self.text[at:first])
                    parts.append(instead)
                at = min(last, end)
            parts.append(self.text[at:end])
            text = "".join(parts)
        else:
            text = self.text[start:end]
        if "`" in text:
            text = text.replace("`", "")
        if " \n" not in text and "\n\n" not in text and (not edits or text.isascii()):
            return text.strip()
        return "\n".join([line for part in text.split("\n") if (line := part.rstrip())]).strip()

    # -- chunks -------------------------------------------------------------------------------------

    def page(self) -> Page:
        chunks = list(self._chunks())
        left_out = (
            *self.machine.told("machine_text"),
            *self.wordless.told("wordless"),
            *self.comments.told("comment"),
        )
        return Page(chunks, self._marks(), self.found.tags, self.words, left_out)

    def _chunks(self) -> Iterator[Chunk]:
        cutter, starts = Cutter(self.text), self.starts
        for path, blocks in sections_of(self.blocks.blocks, self._says):
            begin, end = starts[blocks[0].start], starts[blocks[-1].end] - 1
            if end - begin <= MAX_CHARS:
                yield from self._chunk((begin, end), path)
                continue
            above, within, below = self._parted(blocks)
            for some in (above, within, below):
                if some:
                    for span in cutter.cut(*self._units(some)):
                        yield from self._chunk(span, path)

    def _parted(self, blocks: Sequence[Block]) -> tuple[Sequence[Block], Sequence[Block], Sequence[Block]]:
        """
        Apart from the text the headings above it, and those at the end, that leave no room for it in a chunk.

        They are many, or long: a paragraph right above a rule is a heading.
        """
        starts, room = self.starts, MAX_CHARS - MIN_CHARS
        saying = [i for i, block in enumerate(blocks) if self._says(block)]
        if not saying:
            return (), blocks, ()
        begin, end = starts[blocks[saying[0]].start], starts[blocks[saying[-1]].end]
        first = next(i for i in range(saying[0] + 1) if begin - starts[blocks[i].start] <= room)
        last = next(i for i in range(len(blocks), saying[-1], -1) if starts[blocks[i - 1].end] - end <= room)
        return blocks[:first], blocks[first:last], blocks[last:]

    def _units(self, blocks: Sequence[Block]) -> tuple[list[Span], int, int]:
        """
        Spans of blocks, those of headings with what is below them; where the first line with a word begins, and where
        the last word is.
        """
        starts, units = self.starts, list[Span]()
        saying = [i for i, block in enumerate(blocks) if self._says(block)] or [len(blocks) - 1]
        first, last = saying[0], saying[-1]
        begin, hold, end = starts[blocks[0].start], starts[blocks[first].start], starts[blocks[-1].end] - 1
        above = begin
        for block in blocks[first : last + 1]:
            above = starts[block.start] if above < 0 else above
            if block.heading is None:
                units.append((above, starts[block.end] - 1))
                above = -1
        if not units:
            return [(starts[block.start], starts[block.end] - 1) for block in blocks], begin, self._tail(begin, end)
        tail = units[-1][1]
        units[-1] = (units[-1][0], end)
        if word := _A_WORD.search(self.text, hold):
            hold = self.text.rfind("\n", 0, word.start()) + 1
        return units, hold, self._tail(hold, tail)

    def _tail(self, start: int, end: int) -> int:
        """Where the last letter or digit of a span is."""
        while end > start and not self.text[end - 1].isalnum():
            end -= 1
        return end - 1

    def _says(self, block: Block) -> bool:
        """Whether the block is text with a word, and not one of marks and comments only."""
        start, end = self.starts[block.start], self.starts[block.end] - 1
        if block.heading is not None or (word := _A_WORD.search(self.text, start, end)) is None:
            return False
        if end - start > MAX_SHORT or not self._edited(word.start()):
            return True
        return _A_WORD.search(self.embedded(start, end)) is not None

    def _edited(self, offset: int) -> bool:
        """Whether what stands there is not embedded as it is."""
        i = bisect_right(self._edit_starts(), offset) - 1
        return i >= 0 and self.found.edits[i][1] > offset

    def _edit_starts(self) -> list[int]:
        if self._starts_of_edits is None:
            self._starts_of_edits = [edit[0] for edit in self.found.edits]
        return self._starts_of_edits

    def _chunk(self, span: Span, path: tuple[str, ...]) -> Iterator[Chunk]:
        start, end = span
        text = self.text[start:end].strip()
        if not text:
            return
        embed = self.embedded(start, end)
        if _A_WORD.search(embed) is None:
            self._leave_out(self.wordless, text)
            return
        start = self.text.index(text[0], start) if self.text[start] != text[0] else start
        end = start + len(text)
        lines = (self.line_of(start), self.line_of(end - 1))
        yield Chunk(text, path, lines, text if embed == text else embed)

    def _leave_out(self, count: Count, text: str) -> None:
        for line in text.split("\n"):
            if line.strip():
                count.add(line)
        if _A_WORD.search(text):
            self.words.append(text)


def sections_of(
    blocks: Sequence[Block], says: Callable[[Block], bool] = lambda _: True
) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """
    Heading paths with their blocks. A heading with nothing below it opens the next one's section; `says` tells whether
    a block is something.

    Those at the end with nothing below go with the section before; a page of headings only has what they share.
    """
    path: list[tuple[int, str]] = []
    sections: list[tuple[tuple[str, ...], list[Block]]] = []
    current: list[Block] = []
    has_text = False
    paths: list[tuple[str, ...]] = []
    for block in blocks:
        if block.heading is not None:
            level, title = block.heading
            if has_text:
                sections.append((tuple(t for _, t in path), current))
                current, has_text, paths = [], False, []
            path = [(lv, t) for lv, t in path if lv < level] + [(level, title)]
            paths.append(tuple(t for _, t in path))
            current.append(block)
        else:
            has_text = has_text or says(block)
            current.append(block)
    if has_text:
        sections.append((tuple(t for _, t in path), current))
    elif current and sections:
        sections[-1][1].extend(current)
    elif current:
        sections.append((_shared(paths), current))
    yield from sections


def _shared(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    first = paths[0] if paths else ()
    for other in paths[1:]:
        n = 0
        while n < min(len(first), len(other)) and first[n] == other[n]:
            n += 1
        first = first[:n]
    return first


def _column(line: str, expanded: int) -> int:
    """The index into `line` of a column counted with tabs as blanks."""
    column = 0
    for i, char in enumerate(line):
        if column >= expanded:
            return i
        column += 4 - column % 4 if char == "\t" else 1
    return len(line)


def _merged(edits: list[Edit]) -> list[Edit]:
    """In order, none within another."""
    edits.sort(key=lambda edit: (edit[0], -edit[1]))
    kept: list[Edit] = []
    end = -1
    for edit in edits:
        if edit[0] >= end:
            kept.append(edit)
            end = edit[1]
    return kept
