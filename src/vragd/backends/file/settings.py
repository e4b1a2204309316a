"""The settings of a folder."""

from __future__ import annotations

from typing import ClassVar, Literal

from vragd.backends.settings import PathSettings


class FileBackend(PathSettings):
    """A folder of files, mapped into memory and searched exactly; others may read it meanwhile."""

    type: Literal["file"]

    suits: ClassVar[int | None] = 100_000  # the most that docs/backends.md has figures of
    beyond: ClassVar[str] = "faiss, or pgvector where others use it too"


Settings = FileBackend
