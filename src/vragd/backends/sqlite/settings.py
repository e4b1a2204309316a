"""The settings of a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from vragd.backends.settings import BackendSettings, of_path
from vragd.terms.fields import PathText


class SqliteBackend(BackendSettings):
    """One SQLite file, searched exactly; other programs may read it meanwhile."""

    type: Literal["sqlite"]
    path: PathText
    remote_text: bool = False

    shared: ClassVar[bool] = True

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`sqlite:PATH`, or `sqlite:///PATH?remote_text=true`; a relative path is below the working directory."""
        return cls.model_validate(of_path(url))

    def where(self) -> str:
        return f"file {self.path}"

    def files(self) -> tuple[Path, ...]:
        return (Path(self.path),)


Settings = SqliteBackend
