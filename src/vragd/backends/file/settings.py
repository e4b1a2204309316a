"""The settings of a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar, Literal

from vragd.backends.settings import PathSettings
from vragd.errors import BackendRefused, BackendUnavailable

OURS = re.compile(r"[0-9a-f]{16}\.segment|\.(?:manifest\.json|[0-9a-f]{16}\.segment)\.[0-9a-f]{8}\.tmp")
"""Segments, and what a killed write left: what may be deleted. A manifest is not among them."""


class FileBackend(PathSettings):
    """A folder of files, mapped into memory and searched exactly; others may read it meanwhile."""

    type: Literal["file"]

    suits: ClassVar[int | None] = 100_000  # the most that docs/backends.md has figures of
    beyond: ClassVar[str] = "faiss, or pgvector where others use it too"

    def may_write(self) -> None:
        super().may_write()
        path = Path(self.path)
        if path.exists() and not path.is_dir():
            raise BackendRefused(f"{path} is not a directory", hint="choose another path")

    def room_for(self, collection: str) -> None:
        folder = Path(self.path) / collection
        try:
            check_room(folder)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise BackendUnavailable(f"cannot read {folder}: {why}", hint="look at its permissions") from error


def check_room(folder: Path) -> None:
    """Raise BackendRefused for the folder of a collection that holds what is not ours, OSError."""
    if folder.is_dir() and any(not OURS.fullmatch(name) for name in os.listdir(folder)):
        raise BackendRefused(
            f"{folder} is there already, and holds what vragd did not make",
            hint="choose another path for the vectors, or another name for the store",
        )


Settings = FileBackend
