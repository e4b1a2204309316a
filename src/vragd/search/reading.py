"""
A note, or a part of it, read back from the catalog's text of it: by lines, by a heading, by a block, by a passage's id.

It is the note as it was read last: what was saved a moment ago and is pending is not in it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vragd.catalog.facts import text_of_note
from vragd.catalog.graph import File, Graph
from vragd.catalog.link_names import heading_key, is_below, place_keys
from vragd.catalog.model import Found
from vragd.catalog.passages import Passages, is_id
from vragd.catalog.reader import Snapshot
from vragd.errors import NotFound, UsageError
from vragd.notes.blocks import blocks_of
from vragd.notes.chunk import OTHER, REGISTRY, split_name
from vragd.notes.markdown import front_matter
from vragd.notes.structure import BLOCK_ID, lines_with_ids
from vragd.search.headings import as_read
from vragd.search.links import Asked, FileRef, Linked, graph_of, refs_of
from vragd.terms.names import shown

N_NEAR = 3
_ITEM = re.compile(r"\s*(?:[-+*]|\d{1,9}[.)])(?:\s|$)")
_LINES_OF = ("markdown", "code")  # readers whose line numbers are those of the text


@dataclass(frozen=True, slots=True)
class Part:
    """A passage within what is read. Lines are 1-based, the last included."""

    id: str
    heading: tuple[str, ...]
    lines: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Got:
    """
    What was asked for of the `note`: its `text` and `lines` of `n_lines`, in a document those of pages, slides or rows.

    `id` is that of the passage, where one was asked for by it. `changed`: that passage is no more, and this is the one
    of its note that is nearest to it. `copies`: other notes that have the passage. `parts` are what it is made of.
    """

    note: FileRef
    place: str
    id: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    n_lines: int
    text: str
    changed: bool
    parts: tuple[Part, ...]
    copies: tuple[FileRef, ...] = ()
    generation: int = 0


def by_id(target: Linked, name: str) -> Got | None:
    """
    The passage with this id, or with its text if it moved; if it was edited what is nearest to it in its note, whatever
    that is called by now; None where no note of `target` has or had it.

    Raises NotFound for a passage that is gone with all it was in.
    """
    if not is_id(name):
        return None
    with target.reader.snapshot() as now:
        graph, passages = graph_of(target, now.db), Passages(now.db)
        alike, gone = passages.alike(name), passages.gone(name)
        if not alike and gone is None:
            return None
        if seen := _seen(target, now, graph, alike):
            return _passage(target, now, graph, seen, changed=False)
        nearest = passages.nearest(gone) if gone is not None else []
        if seen := _seen(target, now, graph, nearest):
            return _passage(target, now, graph, seen[:1], changed=True)
    if target.sources:
        return None  # it may be in another
    said = f"the passage {name!r} is gone, and its note is gone as well or has another name and another text"
    raise NotFound(said, hint="ask anew: vragd query")


def of_file(target: Linked, asked: Asked) -> Got:
    """
    The lines, or what stands below the heading, or the block, that was asked for; else the whole note.

    Raises NotFound for a place that is not there, UsageError for lines that are none, and for what is no note.
    """
    with target.reader.snapshot() as now:
        graph = graph_of(target, now.db)
        file = graph.at(asked.file.source, asked.file.path)
        if file is None:
            raise NotFound(f"{_said(asked.file)} is gone", hint="vragd files lists what is there")
        if not file.note:
            raise UsageError(f"{_said(file)} is no note: vragd knows its name alone", hint="")
        text = _Text(now, file)
        first, last = text.range_of(asked)
        parts = text.parts_in(first, last)
        (note,) = refs_of(target, graph, [file])
        heading = parts[0].heading if parts else ()
        return Got(
            note, asked.place, "", heading, (first, last), text.n_lines, text.between(first, last), changed=False,
            parts=parts, generation=now.generation(),
        )  # fmt: skip


def _seen(target: Linked, now: Snapshot, graph: Graph, chunks: Sequence[int]) -> list[tuple[File, Found]]:
    """Those of the passages that may be shown, each with its note."""
    found = now.lookup.passages(chunks)
    seen = list[tuple[File, Found]]()
    for one in (found[chunk] for chunk in chunks if chunk in found):
        if target.sources and one.source not in target.sources:
            continue
        if (file := graph.at(one.source, one.path)) is not None:
            seen.append((file, one))
    return seen


def _passage(target: Linked, now: Snapshot, graph: Graph, seen: Sequence[tuple[File, Found]], *, changed: bool) -> Got:
    """The first of these, the others are its copies."""
    (file, found), *others = seen
    text = _Text(now, file)
    note, *copies = refs_of(target, graph, [file, *dict.fromkeys(one for one, _ in others if one != file)])
    part = Part(found.id, found.heading, found.lines)
    whole = text.is_lines and len(text.parts_in(*found.lines)) == 1  # else it is a part of a long line
    said = text.between(*found.lines) if whole else found.text
    return Got(
        note, "", found.id, found.heading, found.lines, text.n_lines, said, changed, (part,), tuple(copies),
        now.generation(),
    )  # fmt: skip


class _Text:
    """A note's text, by lines; what is no lines of a file, by its passages."""

    def __init__(self, now: Snapshot, file: File) -> None:
        self._file = file
        rows = Passages(now.db).of_note(file.note)
        found = now.lookup.passages([chunk for chunk, *_ in rows])
        self._passages = [found[chunk] for chunk, *_ in rows]
        kept = text_of_note(now.db, file.note)
        module, _ = REGISTRY.get(split_name(file.path)[1], OTHER)
        self.is_lines = kept is not None and module in _LINES_OF
        self.is_marked = self.is_lines and module == "markdown"
        if kept is None and not self._passages:
            raise NotFound(f"{_said(file)} was not read", hint="vragd files says why")
        self.lines = (kept or "").removesuffix("\n").split("\n") if self.is_lines else []
        self.n_lines = len(self.lines) if self.is_lines else max((one.lines[1] for one in self._passages), default=1)

    def between(self, first: int, last: int) -> str:
        """The text of these lines."""
        if self.is_lines:
            return "\n".join(self.lines[first - 1 : last])
        return "\n\n".join(one.text for one in self._passages if one.lines[0] <= last and one.lines[1] >= first)

    def parts_in(self, first: int, last: int) -> tuple[Part, ...]:
        """The passages that these lines touch."""
        touched = (one for one in self._passages if one.lines[0] <= last and one.lines[1] >= first)
        return tuple(Part(one.id, one.heading, one.lines) for one in touched)

    def range_of(self, asked: Asked) -> tuple[int, int]:
        """The first and last line of what was asked for."""
        if asked.lines is not None:
            first, last = asked.lines
            if not 1 <= first <= last or first > self.n_lines:
                has = f"{_said(self._file)} has lines 1 to {self.n_lines:,}"
                raise UsageError(f"there are no lines {first:,} to {last:,}: {has}", hint="NOTE:FROM-TO, from 1 on")
            return first, min(last, self.n_lines)
        wanted = place_keys(asked.place)
        if not wanted:
            return 1, self.n_lines
        if asked.place.startswith("^"):
            found = self._block(asked.place[1:].strip()) if self.is_marked else None
            near = list[str]()
        else:
            found = (self._section(wanted) or self._section(wanted, as_read)) if self.is_marked else None
            found = found or self._below(wanted)
            near = self._headings_near(asked.place)
        if found is None:
            hint = f"did you mean #{' or #'.join(near)}?" if near else "vragd get NOTE reads it whole"
            raise NotFound(f"{_said(self._file)} has no place #{asked.place}", hint=hint)
        return found

    def _headings(self) -> list[tuple[int, int, str]]:
        """(line from 0, level, title) of each heading, those in quotes and lists as well."""
        found = blocks_of([line.rstrip() for line in self.lines], front_matter(self.lines))
        tops = [(block.start, *block.heading) for block in found.blocks if block.heading]
        return sorted([*tops, *found.inner])

    def _section(self, wanted: Sequence[str], spelt: Callable[[str], str] = str) -> tuple[int, int] | None:
        """From the first heading that is there in this order to the next of its level; headings as they are `spelt`."""
        headings = self._headings()
        above = list[tuple[int, str]]()
        for at, (line, level, title) in enumerate(headings):
            above = [one for one in above if one[0] < level]
            above.append((level, heading_key(spelt(title))))
            if above[-1][1] == wanted[-1] and is_below([key for _, key in above], wanted):
                behind = (start for start, other, _ in headings[at + 1 :] if other <= level)
                last = next(behind, len(self.lines))
                while last > line + 1 and not self.lines[last - 1].strip():
                    last -= 1
                return line + 1, last
        return None

    def _below(self, wanted: Sequence[str]) -> tuple[int, int] | None:
        """What stands below a heading of a file that has no marks: of code its names, of documents what they have."""
        there = [one for one in self._passages if is_below([heading_key(part) for part in one.heading], wanted)]
        return (min(one.lines[0] for one in there), max(one.lines[1] for one in there)) if there else None

    def _headings_near(self, place: str) -> list[str]:
        names = {part.casefold(): part for one in self._passages for part in one.heading}
        last = place.rpartition("#")[2].strip().casefold()
        return [names[name] for name in difflib.get_close_matches(last, names, N_NEAR, 0.6)]

    def _block(self, name: str) -> tuple[int, int] | None:
        """The list item or block that ends in `^name`, or, where that has a line to itself, the one before it."""
        lines = [line.rstrip() for line in self.lines]
        found = blocks_of(lines, front_matter(lines))
        blocks, may_have = [block for block in found.blocks if block.kind != "comment"], set(lines_with_ids(found))
        for at, block in enumerate(blocks):
            for line in range(block.start, block.end):
                match = BLOCK_ID.search(lines[line])
                if match is None or match[1].casefold() != name.casefold() or line not in may_have:
                    continue
                if lines[line] == f"^{match[1]}":  # a line of its own
                    if line > block.start:
                        return block.start + 1, line
                    return (blocks[at - 1].start + 1, blocks[at - 1].end) if at else None
                return self._item(block.start, block.end, line)
        return None

    def _item(self, start: int, end: int, line: int) -> tuple[int, int]:
        """Of a list the item that has the line, and what is indented below it; else the whole block."""
        begins = next((at for at in range(line, start - 1, -1) if _ITEM.match(self.lines[at])), None)
        if begins is None:
            return start + 1, end
        depth = _indent(self.lines[begins])
        behind = (at for at in range(begins + 1, end) if self.lines[at].strip() and _indent(self.lines[at]) <= depth)
        last = next((at for at in behind if at > line), end)
        return begins + 1, last


def _indent(line: str) -> int:
    line = line.expandtabs(4)
    return len(line) - len(line.lstrip())


def _said(file: File) -> str:
    return shown(f"{file.source}/{file.path}")
