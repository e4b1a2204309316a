"""What other programs keep, told by its content and opened to be read."""

from __future__ import annotations

from pathlib import Path

from vragd.errors import UsageError
from vragd.store.exported import Origin
from vragd.stores.moves.lines import Lines


def open_as(kind: str, path: Path, collection: str | None = None) -> Origin:
    """
    What is at `path`, which is said to be of this kind; `collection` is which of several.

    Raises UsageError for something else, saying what it looks like.
    """
    if not path.exists():
        raise UsageError(f"there is no {path}")
    if collection is not None:
        raise UsageError("a file of lines holds one collection", hint="leave --collection out")
    return Lines(path)
