"""The settings of a SQLite file."""

from __future__ import annotations

from typing import Literal

from vragd.backends.settings import PathSettings


class SqliteBackend(PathSettings):
    """One SQLite file, searched exactly; other programs may read it meanwhile."""

    type: Literal["sqlite"]


Settings = SqliteBackend
