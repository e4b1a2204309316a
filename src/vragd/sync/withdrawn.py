"""Whether a note that changed since it was indexed may still be shown."""

from __future__ import annotations

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
