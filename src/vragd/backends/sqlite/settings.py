"""The settings of a SQLite file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from vragd.backends.settings import PathSettings
from vragd.errors import BackendRefused


class SqliteBackend(PathSettings):
    """One SQLite file, searched exactly; other programs may read it meanwhile."""

    type: Literal["sqlite"]

    def kept_files(self) -> tuple[Path, ...]:
        path = Path(self.path)
        kept = re.compile(rf"{re.escape(path.name)}\.damaged(\.\d+)?")
        try:
            return tuple(sorted(one for one in path.parent.iterdir() if kept.fullmatch(one.name)))
        except OSError:
            return ()

    def may_write(self) -> None:
        super().may_write()
        check_no_link(Path(self.path))


def check_no_link(path: Path) -> None:
    """Raise BackendRefused for a link: the files that SQLite keeps beside a database stand beside what is opened."""
    if path.is_symlink():
        raise BackendRefused(f"{path} is a link", hint="name the file itself")


Settings = SqliteBackend
