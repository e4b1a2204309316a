"""
A note, or a part of it, read back from the catalog's text of it: by lines, by a heading, by a block, by a passage's id.

It is the note as it was read last: what was saved a moment ago and is pending is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vragd.catalog.graph import File, Graph
from vragd.catalog.model import Found
from vragd.catalog.passages import Passages, is_id
from vragd.catalog.reader import Snapshot
from vragd.errors import NotFound, UsageError
from vragd.search.lines import NoteText, said
from vragd.search.links import Asked, FileRef, Linked, graph_of, refs_of


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
        graph = graph_of(target, now.db)
        seen, changed = _with_id(target, now, graph, name)
        return _passage(target, now, graph, seen, changed=changed) if seen else None


def note_of(target: Linked, name: str) -> Asked | None:
    """The note that has the passage `by_id`, or had it. Raises what that raises."""
    if not is_id(name):
        return None
    with target.reader.snapshot() as now:
        seen, _ = _with_id(target, now, graph_of(target, now.db), name)
        return Asked(seen[0][0], is_whole=True) if seen else None


def _with_id(target: Linked, now: Snapshot, graph: Graph, name: str) -> tuple[list[tuple[File, Found]], bool]:
    """The passages that have it, each with its note, or the nearest to one that had it; and which of both."""
    passages = Passages(now.db)
    alike, gone = passages.alike(name), passages.gone(name)
    if not alike and gone is None:
        return [], False
    if seen := _seen(target, now, graph, alike):
        return seen, False
    nearest = passages.nearest(gone) if gone is not None else []
    if seen := _seen(target, now, graph, nearest):
        return seen[:1], True
    if target.sources:
        return [], False  # it may be in another
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
            raise NotFound(f"{said(asked.file)} is gone", hint="vragd files lists what is there")
        if not file.note:
            raise UsageError(f"{said(file)} is no note: vragd knows its name alone", hint="")
        text = NoteText(now, file)
        first, last = text.range_of(asked.place, asked.lines)
        parts = tuple(Part(one.id, one.heading, one.lines) for one in text.passages_in(first, last))
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
    text = NoteText(now, file)
    note, *copies = refs_of(target, graph, [file, *dict.fromkeys(one for one, _ in others if one != file)])
    part = Part(found.id, found.heading, found.lines)
    whole = text.is_lines and len(text.passages_in(*found.lines)) == 1  # else it is a part of a long line
    shown = text.between(*found.lines) if whole else found.text
    return Got(
        note, "", found.id, found.heading, found.lines, text.n_lines, shown, changed, (part,), tuple(copies),
        now.generation(),
    )  # fmt: skip
