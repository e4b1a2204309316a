"""What `vragd purge` finds, and what it leaves."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vragd.errors import UsageError
from vragd.system.files import vault_around
from vragd.system.places import expanded, home


@dataclass(frozen=True)
class Thing:
    """What is ours and is removed by `remove`, which says what of it stayed after all. `size` in bytes; `path`
    is a text where it is no file."""

    kind: str
    path: Path | str
    remove: Callable[[], list[Left]]
    size: int = 0
    said: str = ""


@dataclass(frozen=True)
class Left:
    """What stays, and why."""

    path: str
    why: str


@dataclass
class Found:
    """All of it. What is `left` is named, so that nobody believes it gone."""

    things: list[Thing] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True)
class Vaults:
    """The folders that are searched, and vaults that Obsidian knows; real paths."""

    folders: frozenset[Path]

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Vaults:
        """Those of these paths, where they lead. The home directory is none: it holds all that is ours."""
        real = {Path(os.path.realpath(folder)) for folder in folders}
        own = home()
        return cls(frozenset(real - {Path("/"), *([own.resolve()] if own else [])}))

    def around(self, path: Path) -> Path | None:
        """The vault or searched folder that holds `path`, wherever links lead; None where none does."""
        real = Path(os.path.realpath(path))
        held = next((folder for folder in (real, *real.parents) if folder in self.folders), None)
        return held or vault_around(real)

    def is_one(self, folder: Path) -> bool:
        """Whether that very folder is one."""
        return Path(os.path.realpath(folder)) in self.folders or (folder / ".obsidian").is_dir()


def paths_in(file: Path) -> list[Path]:
    """Every path that a file of settings may give a source, whether it can be understood or not."""
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return []
    found = list[Path]()
    for named in re.findall(r"""\bpath["']?\s*:\s*["']?([~/][^"'\n,}]*)""", text):
        with suppress(UsageError):
            found.append(expanded(named.strip()))
    return found


def is_own_file(path: Path) -> bool:
    """Whether that is an ordinary file of ours, and no link."""
    with suppress(OSError):
        info = path.lstat()
        return stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid()
    return False


def unlinked(path: Path) -> list[Left]:
    """Remove a file; what stayed of it."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return [Left(str(path), error.strerror or type(error).__name__)]
    tidy(path.parent)
    return []


def tidy(folder: Path) -> None:
    """Remove the folders of our name that are empty, from this one upwards: `…/vragd`, `…/vragd/run`."""
    while _is_of_our_name(folder):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _is_of_our_name(folder: Path) -> bool:
    return folder.name == "vragd" or (folder.name == "run" and folder.parent.name == "vragd")


def is_empty_of_ours(folder: Path) -> bool:
    """Whether that is a folder of our name, and no link, with nothing in it. Raises OSError."""
    info = folder.lstat()
    is_own = stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and _is_of_our_name(folder)
    return is_own and not any(folder.iterdir())
