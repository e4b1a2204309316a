"""The settings of a folder."""

from __future__ import annotations

from typing import Literal

from vragd.backends.settings import PathSettings


class FileBackend(PathSettings):
    """A folder of files, mapped into memory and searched exactly; others may read it meanwhile."""

    type: Literal["file"]


Settings = FileBackend
