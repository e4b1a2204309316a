"""`open_backend`: a backend without a daemon, in a place that is nobody else's."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vragd.backends.base import VectorBackend
from vragd.backends.checks import outside_vaults
from vragd.backends.given import text
from vragd.backends.vectors import Vectors
from vragd.errors import BackendRefused, UsageError
from vragd.system.files import TEMPORARY, disk_error, private_dir
from vragd.system.lock import only_user
from vragd.system.places import expanded
from vragd.terms.backends import PATHS, TYPES


def open_backend(kind: str, path: Path | str | None = None, **settings: Any) -> Vectors:
    """
    A backend of this type, as docs/backends.md lists them: `path` for those of this machine, which is opened or made,
    outside every vault; for others their own `settings`.

    Raises ConfigError for a type or a setting that there is not, BackendRefused for a place that may not be used,
    DaemonBusy where another process has it.
    """
    from pydantic import ValidationError

    kind, place = text("the type of a backend", kind), None if path is None else _place(path)
    given = dict(settings)
    if kind in PATHS and place is not None:
        given["path"] = str(place)
    try:
        made = TYPES.settings(kind).model_validate({"type": kind, **given})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or kind
        raise UsageError(
            f"{where}: {first['msg'].removeprefix('Value error, ')}", hint="see docs/backends.md"
        ) from None
    if made.needs_folder and place is None:
        raise UsageError(f"open_backend({kind!r}) needs a folder", hint="path=…")
    if place is not None and not (made.needs_folder or kind in PATHS):
        raise UsageError(f"open_backend({kind!r}) keeps nothing in a folder", hint="leave path out")
    with ExitStack() as stack:
        backend: VectorBackend = TYPES.load(kind, "backend").create(made, place or Path())
        stack.callback(backend.close)
        if made.needs_folder:
            assert place is not None
            try:
                outside_vaults(place / "lock")
                _refuse_stores_of_vragd(place)
                _refuse_strangers(place, made.kept)
                if not place.exists():
                    private_dir(place)
            except OSError as error:
                raise disk_error(error, str(place)) from error
            stack.enter_context(only_user(place))
        return Vectors(backend, stack.pop_all(), made.advice())


def _place(path: object) -> Path:
    """Absolute. Raises UsageError for what is no path."""
    if not isinstance(path, str | bytes | os.PathLike):
        raise UsageError(f"the path is {type(path).__name__}", hint="name a folder in full")
    named = os.fsdecode(path)
    if not named.strip():
        raise UsageError("the path is empty", hint="name a folder in full")
    if "\0" in named:
        raise UsageError("a path cannot hold a NUL character", hint="name a folder in full")
    return expanded(named).absolute()


def _refuse_stores_of_vragd(place: Path) -> None:
    for folder in (place, *place.resolve().parents):
        if (folder / "catalog.db").exists() or ((folder / "lock").exists() and (folder / "stores").is_dir()):
            raise BackendRefused(f"{place} belongs to a vragd that keeps notes", hint="ask that one: vragd.Client")


def _refuse_strangers(place: Path, kept: str) -> None:
    """Raise BackendRefused for a folder that holds anything but stores whose files are of these names."""
    if not place.exists():
        return
    if not place.is_dir():
        raise BackendRefused(f"{place} is no folder", hint="name a folder of its own")
    ours = re.compile(rf"(?:{kept})|{TEMPORARY.pattern}", re.DOTALL)
    with os.scandir(place) as entries:
        for entry in entries:
            if not (_is_lock(entry) or _is_store(entry, ours)):
                raise BackendRefused(
                    f"{place} is there already, and holds {entry.name!r}, which vragd did not make",
                    hint="name a folder of its own",
                )


def _is_lock(entry: os.DirEntry[str]) -> bool:
    if entry.name != "lock" or not entry.is_file(follow_symlinks=False):
        return False
    return re.fullmatch(rb"\d*\n?", Path(entry).read_bytes()[:64]) is not None


def _is_store(entry: os.DirEntry[str], ours: re.Pattern[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    with os.scandir(entry) as files:
        return all(ours.fullmatch(file.name) and file.is_file(follow_symlinks=False) for file in files)
