"""Whether a note that changed since it was indexed may still be shown."""

from __future__ import annotations

from typing import Literal

from vragd.notes.chunk import may_be_closed, noes, split_name
from vragd.notes.optout import OPT_OUT
from vragd.sync.readers import Readers
from vragd.vault.read import Content
from vragd.vault.source import Source

No = Literal["out", "closed"]


def is_withdrawn(source: Source, readers: Readers, path: str) -> bool:
    """Whether the file is no note any longer, as its own text says, or nobody can tell. Blocks, as reading it does."""
    if readers.is_document(path):
        return source.is_there(path) is not True  # they have nothing to opt out by
    found = source.read(path)
    if not isinstance(found, Content):
        return True
    try:
        return readers.read((source.id, path), found) is None  # not within the time that was given
    except Exception:  # NotIndexable, and whatever a parser says of a text that it has never seen
        return True


def says_now(source: Source, path: str) -> No | None:
    """
    What the text of the note says by now of whom it is shown to: nobody, as it opts out, or no assistants; as closed to
    assistants counts what nobody can read. None for all others. Blocks likewise.
    """
    suffix = split_name(path)[1]
    if not may_be_closed(suffix):
        return None
    found = source.read(path)
    if not isinstance(found, Content):
        return "closed"
    try:
        said = noes(found.data, suffix)
    except Exception:  # as above
        return "closed"
    return "out" if OPT_OUT in said else "closed" if said else None
