"""
The settings of backends, as docs/backends.md says to write them: `BackendSettings`, and of one whose place is a path.

Loads no backend: the configuration is read by commands that never search.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import unquote

from pydantic import field_validator

from vragd.errors import BackendRefused, BackendUnavailable, DataDirError, UsageError
from vragd.system.places import expanded
from vragd.system.writers import OnlyWriter
from vragd.terms.fields import PathText
from vragd.terms.settings import BackendSettings as BackendSettings  # packages have it from here


class PathSettings(BackendSettings):
    """The settings of a backend whose place is a path of this machine, outside every vault."""

    path: PathText
    remote_text: bool = False

    shared: ClassVar[bool] = True

    @field_validator("path")
    @classmethod
    def _has_a_name(cls, path: str) -> str:
        if not Path(os.path.normpath(path)).name:
            raise ValueError(f"{path} is the root of the file system: name a place of its own")
        return path

    @classmethod
    def from_url(cls, url: str) -> Self:
        """`TYPE:PATH`, or `TYPE:///PATH?remote_text=true`; a relative path is below the working directory."""
        kind, _, rest = url.partition(":")
        name, _, more = rest.removeprefix("//").partition("?")
        if not name:
            raise UsageError(f"expected a path behind {kind}:", hint=f"such as {kind}:notes")
        place = {"type": kind, "path": str(expanded(unquote(name)).absolute())}
        return cls.model_validate({**place, **cls.keys_of(more, place.keys())})

    def where(self) -> str:
        return self.path

    def files(self) -> tuple[Path, ...]:
        return (Path(self.path),)

    def may_write(self) -> None:
        path = Path(self.path)
        for link in (path, *path.parents):
            if link.is_symlink() and not link.exists():
                raise BackendRefused(f"{link} is a link that leads nowhere", hint="choose another path, or remove it")
        there = next(folder for folder in path.parents if folder.exists())
        if not there.is_dir():
            raise BackendRefused(f"{there} is not a directory", hint="choose another path")
        for one in (there, path):
            if one.exists() and not os.access(one, os.W_OK):
                raise BackendUnavailable(f"{one} cannot be written", hint="look at its owner and its permissions")
        try:
            OnlyWriter(path).look()
        except DataDirError as error:
            raise BackendUnavailable(error.message, hint=f"look at {path} and its permissions") from error
