"""What would be embedded of some notes, for who wants to know how much that is before there is a store."""

from __future__ import annotations

from collections.abc import Iterable

from vragd.notes.chunk import read_note, split_name
from vragd.notes.model import NotIndexable


def passages_of(notes: Iterable[tuple[str, bytes]]) -> list[str]:
    """The texts of all passages of these notes, each a path and what is in the file; what is no note has none."""
    found = list[str]()
    for path, data in notes:
        try:
            note = read_note(data, *split_name(path))
        except NotIndexable:
            continue
        found += [chunk.embed_text for chunk in note.chunks]
    return found
