"""The settings of a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vragd.backends.settings import PathSettings
from vragd.errors import BackendRefused


class SqliteBackend(PathSettings):
    """One SQLite file, searched exactly; other programs may read it meanwhile."""

    type: Literal["sqlite"]

    def may_write(self) -> None:
        super().may_write()
        check_no_link(Path(self.path))


def check_no_link(path: Path) -> None:
    """Raise BackendRefused for a link: the files that SQLite keeps beside a database stand beside what is opened."""
    if path.is_symlink():
        raise BackendRefused(f"{path} is a link", hint="name the file itself")


Settings = SqliteBackend
