"""
A note's text by lines, as the catalog has it, and where in it what is asked for stands: lines, a heading, a block.

Whatever takes a place in a note (`get`, `links`, `outline`) asks here whether it is there, and says so alike.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from vragd.catalog.facts import text_of_note
from vragd.catalog.graph import File
from vragd.catalog.link_names import heading_key, is_below, place_keys, place_readings
from vragd.catalog.model import Found
from vragd.catalog.passages import Passages
from vragd.catalog.reader import Snapshot
from vragd.errors import NotFound, UsageError
from vragd.notes.blocks import blocks_of
from vragd.notes.chunk import OTHER, REGISTRY, split_name
from vragd.notes.markdown import front_matter
from vragd.notes.structure import BLOCK_ID, lines_with_ids
from vragd.search.headings import SPELT
from vragd.system.filenames import shown

N_NEAR = 3
_ITEM = re.compile(r"\s*(?:[-+*]|\d{1,9}[.)])(?:\s|$)")
_LINES_OF = ("markdown", "code")  # readers whose line numbers are those of the text


def is_within(heading: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether what stands under the headings `heading` is within `wanted` (keys), as they are written, read or seen."""
    return any(is_below([heading_key(spelt(part)) for part in heading], wanted) for spelt in SPELT)


class NoteText:
    """A note's text by lines; what is no lines of a file, by its passages. Raises NotFound if it was not read."""

    def __init__(self, now: Snapshot, file: File) -> None:
        self._file = file
        rows = Passages(now.db).of_note(file.note)
        found = now.lookup.passages([chunk for chunk, *_ in rows])
        self.passages: Sequence[Found] = [found[chunk] for chunk, *_ in rows]
        kept = text_of_note(now.db, file.note)
        module, _ = REGISTRY.get(split_name(file.path)[1], OTHER)
        self.is_lines = kept is not None and module in _LINES_OF
        self._is_marked = self.is_lines and module == "markdown"
        if kept is None and not self.passages:
            raise NotFound(f"{said(file)} was not read", hint="vragd files says why")
        self.lines = (kept or "").removesuffix("\n").split("\n") if self.is_lines else []
        self.n_lines = len(self.lines) if self.is_lines else max((one.lines[1] for one in self.passages), default=1)

    def between(self, first: int, last: int) -> str:
        """The text of these lines."""
        if self.is_lines:
            return "\n".join(self.lines[first - 1 : last])
        return "\n\n".join(one.text for one in self.passages_in(first, last))

    def passages_in(self, first: int, last: int) -> list[Found]:
        """The passages that these lines touch."""
        return [one for one in self.passages if one.lines[0] <= last and one.lines[1] >= first]

    def range_of(self, place: str, lines: tuple[int, int] | None) -> tuple[int, int]:
        """
        The first and last of the `lines`, or of what stands below the headings, or in the block (`^` and its id), that
        `place` names; else of all. Raises UsageError for lines that are none, NotFound for a place that is not there.
        """
        if lines is not None:
            first, last = lines
            if not 1 <= first <= last or first > self.n_lines:
                has = f"{said(self._file)} has lines 1 to {self.n_lines:,}"
                raise UsageError(f"there are no lines {first:,} to {last:,}: {has}", hint="NOTE:FROM-TO, from 1 on")
            return first, min(last, self.n_lines)
        if not place_keys(place):
            return 1, self.n_lines
        if place.startswith("^"):
            found = self._block(place[1:].strip()) if self._is_marked else None
        else:
            found = self._under(self.keys_of(place))
        if found is None:
            raise self._lacks(place)
        return found

    def keys_of(self, place: str) -> tuple[str, ...]:
        """The keys of the headings that `place` names: parted at each `#`, or where none is there so, as one is."""
        named = place_keys(place)
        if not named or place.startswith("^"):
            return named
        return next((keys for keys in place_readings(place) if self._under(keys)), named)

    def _under(self, wanted: Sequence[str]) -> tuple[int, int] | None:
        if not self._is_marked:
            return self._below(wanted)
        found = (self._section(wanted, spelt) for spelt in SPELT)
        return next(filter(None, found), None) or self._below(wanted)

    def _lacks(self, place: str) -> NotFound:
        if place.startswith("^"):
            kind, near = "block", _nearest(place[1:].strip(), (name for _, name in self._ids()), "#^")
        else:
            titles = (title for _, _, title in self._headings()) if self._is_marked else ()
            kind = "heading"
            near = _nearest(place.rpartition("#")[2].strip(), (*titles, *self._headings_of_passages()), "#")
        hint = f"did you mean {' or '.join(near)}?" if near else "vragd outline NOTE lists its headings"
        return NotFound(f"{said(self._file)} has no {kind} #{place}", hint=hint)

    def _headings(self) -> list[tuple[int, int, str]]:
        """(line from 0, level, title) of each heading, those in quotes and lists as well."""
        found = blocks_of([line.rstrip() for line in self.lines], front_matter(self.lines))
        tops = [(block.start, *block.heading) for block in found.blocks if block.heading]
        return sorted([*tops, *found.inner])

    def _headings_of_passages(self) -> Iterator[str]:
        for one in self.passages:
            yield from one.heading

    def _section(self, wanted: Sequence[str], spelt: Callable[[str], str]) -> tuple[int, int] | None:
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
        there = [one for one in self.passages if is_below([heading_key(part) for part in one.heading], wanted)]
        return (min(one.lines[0] for one in there), max(one.lines[1] for one in there)) if there else None

    def _ids(self) -> Iterator[tuple[int, str]]:
        """(line from 0, id) of each block that has one."""
        if self._is_marked:
            lines = [line.rstrip() for line in self.lines]
            for line in sorted(lines_with_ids(blocks_of(lines, front_matter(lines)))):
                if match := BLOCK_ID.search(lines[line]):
                    yield line, match[1]

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


def said(file: File) -> str:
    """A file as messages have it."""
    return shown(f"{file.source}/{file.path}")


def _nearest(name: str, names: Iterable[str], mark: str) -> list[str]:
    known = {one.casefold(): f"{mark}{one}" for one in names}
    return [known[one] for one in difflib.get_close_matches(name.casefold(), known, N_NEAR, 0.6)]


def _indent(line: str) -> int:
    line = line.expandtabs(4)
    return len(line) - len(line.lstrip())
