"""What a note links to, and the files beside the notes, as the catalog is told."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vragd.catalog.model import LinkRow
from vragd.notes.model import Heading, Note
from vragd.vault.ignore import Rules
from vragd.vault.scan import MAX_ATTACHMENTS, Scan

MAX_LINKS = 20_000
"""Of one note; who has more is a machine, or its list."""


def link_rows(note: Note) -> tuple[LinkRow, ...]:
    """The links of a note, each with the headings it stands under."""
    links = note.marks.links[:MAX_LINKS]
    if not links:
        return ()
    lines, paths = _paths(note.marks.headings)
    return tuple(
        LinkRow(
            link.line, link.kind, _text(link.target), _text(link.subpath), _text(link.alias), link.embed,
            paths[bisect_right(lines, link.line) - 1] if lines and link.line >= lines[0] else (),
        )
        for link in links
    )  # fmt: skip


def _text(written: str) -> str:
    """What SQLite takes: half a pair, as an escaped one may leave, is no text."""
    return written.encode("utf-8", "replace").decode() if not written.isascii() else written


def _paths(headings: Sequence[Heading]) -> tuple[list[int], list[tuple[str, ...]]]:
    """The lines of headings, and what stands below each stands under."""
    path: list[Heading] = []
    lines, paths = list[int](), list[tuple[str, ...]]()
    for heading in headings:
        path = [*(above for above in path if above.level < heading.level), heading]
        lines.append(heading.line)
        paths.append(tuple(_text(one.title) for one in path))
    return lines, paths


@dataclass(slots=True)
class Attached:
    """Files that are no notes and have come or gone."""

    come: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.come or self.gone)


def compare_attachments(found: Scan, known: Iterable[str], rules: Rules) -> Attached:
    """
    What a scan says against the attachments that are `known` below its folder.

    What it misses is gone if it is believed; what is a note by now or excluded is, whatever is there.
    """
    known = set(known)
    attached = Attached()
    for path in known - found.attachments:
        if (
            path in found.notes
            or rules.hidden(path) is not None
            or (found.believed and not found.crowded and found.covers(path))
        ):
            attached.gone.append(path)
    room = MAX_ATTACHMENTS - len(known) + len(attached.gone)
    attached.come = sorted(found.attachments - known)[: max(0, room)]
    return attached
