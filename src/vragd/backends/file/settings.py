"""The settings of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from vragd.backends.settings import BackendSettings, of_path
from vragd.terms.fields import PathText


class FileBackend(BackendSettings):
    """A folder of files, mapped into memory and searched exactly; others may read it meanwhile."""

    type: Literal["file"]
    path: PathText
    remote_text: bool = False

    shared: ClassVar[bool] = True

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`file:FOLDER`, or `file:///FOLDER?remote_text=true`; a relative path is below the working directory."""
        return cls.model_validate(of_path(url))

    def where(self) -> str:
        return f"folder {self.path}"

    def files(self) -> tuple[Path, ...]:
        return (Path(self.path),)


Settings = FileBackend
