"""Whether a note that changed since it was indexed may still be shown."""

from __future__ import annotations

from vragd.notes.chunk import may_be_closed, says_no, split_name
from vragd.sync.readers import Readers
from vragd.vault.read import Content
from vragd.vault.source import Source


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


def is_closed_now(source: Source, path: str) -> bool:
    """
    Whether assistants may be shown the note no longer, as its own text says, or nobody can tell. Blocks likewise.

    What opts out altogether is among that.
    """
    suffix = split_name(path)[1]
    if not may_be_closed(suffix):
        return False
    found = source.read(path)
    if not isinstance(found, Content):
        return True
    try:
        return says_no(found.data, suffix)
    except Exception:  # as above
        return True
