"""A store's catalog, opened by somebody else than the daemon that owns it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

BUSY_MS = 30_000
"""What the owner writes meanwhile is waited for: who does not is refused at once, and now and then."""


@contextmanager
def beside(file: Path, *, write: bool = False) -> Iterator[apsw.Connection]:
    """A connection to a catalog that is there: none is made in its place while the owner replaces it."""
    db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE if write else apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(BUSY_MS)
    try:
        yield db
    finally:
        db.close()
