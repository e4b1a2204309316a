"""
The data directory, gone through by name: what vragd makes there is removed, whatever else lies between it stays.

It carries our mark if it has our lock. No link is followed, none is removed; a folder on another file system, of
another user, or that is a vault stays with all that is in it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vragd.cli.purge.thing import Left, Vaults, is_own_file, tidy
from vragd.config.settings import STORE_NAME
from vragd.system.files import TEMPORARY
from vragd.system.lock import shut_out

_TOP = re.compile(rf"lock|sent\.(?:json|lock)|{TEMPORARY.pattern}", re.DOTALL)
_STORE = re.compile(rf"{STORE_NAME}|\..+\.[0-9a-f]{{8}}\.deleted\.tmp")
_IN_STORE = re.compile(
    rf"store\.json|remote|emptied|catalog\.db(?:-wal|-shm|-journal)?|catalog\.db\.corrupt-.*|picture\.(?:layout|assistants)"
    rf"|{TEMPORARY.pattern}",
    re.DOTALL,
)
_IMPORTED = re.compile(
    rf"{STORE_NAME[1:-1]}\.db(?:(?:\.damaged(?:\.\d+)?)?(?:-wal|-shm|-journal)?|\.lock|\.part|\.from)|{TEMPORARY.pattern}"
)
_MODELS = re.compile(
    rf"whole\.json|.+\.(?:json|data|onnx(?:[._]data(?:_[0-9]+)?)?)(?:\.part)?|{TEMPORARY.pattern}", re.DOTALL
)
_PID = re.compile(rb"\d+\n")


@dataclass
class Inventory:
    """
    `folders` stand before what is in them. `size` is of the files, in bytes. `unread`: whether there is more that
    could not be looked into; it is named among `foreign`.
    """

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    foreign: list[Left] = field(default_factory=list)
    size: int = 0
    unread: bool = False

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Name `path` where it cannot be looked into, and go on with the rest."""
        try:
            yield
        except OSError as error:
            self.foreign.append(Left(path, error.strerror or type(error).__name__))
            self.unread = True


def has_mark(folder: Path) -> bool:
    """
    Whether that is a data directory of ours: a folder, no link, with the lock that every vragd puts down first.

    An empty one may be anybody's, but beside the folder of stores.
    """
    lock = folder / "lock"
    if folder.is_symlink() or not folder.is_dir() or not is_own_file(lock):
        return False
    with suppress(OSError), lock.open("rb") as opened:
        said = opened.read(64)
        if not said:
            stores = folder / "stores"
            return stores.is_dir() and not stores.is_symlink()
        return _PID.match(said) is not None
    return False


def inventory(folder: Path, vaults: Vaults, kept: Mapping[str, str]) -> Inventory:
    """
    What is in a data directory. Reads names alone. `kept` has by store the names (a regular expression) of files that
    its backend keeps there; under '' those of any store that is not named.
    """
    found = Inventory(folders=[folder])
    with found.reading(str(folder)):
        device = folder.lstat().st_dev
        for entry in _entries(folder):
            with found.reading(entry.path):
                if entry.name == "stores" and _is_own_folder(entry, device, vaults):
                    _stores(found, Path(entry.path), device, vaults, kept)
                elif entry.name == "imported" and _is_own_folder(entry, device, vaults):
                    _index(found, Path(entry.path), device, vaults, _IMPORTED)
                elif entry.name == "models" and _is_own_folder(entry, device, vaults):
                    _index(found, Path(entry.path), device, vaults, _MODELS)
                else:
                    _file(found, entry, ours=_TOP.fullmatch(entry.name) is not None)
    return found


def _stores(found: Inventory, folder: Path, device: int, vaults: Vaults, kept: Mapping[str, str]) -> None:
    entries = _entries(folder)
    found.folders.append(folder)
    for store in entries:
        with found.reading(store.path):
            if _STORE.fullmatch(store.name) and _is_own_folder(store, device, vaults):
                names = f"{kept.get(store.name, kept[''])}|{TEMPORARY.pattern}"
                below = {"index": names, "replicas": f"{names}|{kept['']}"}  # of a replica that was taken out, too
                _store(found, Path(store.path), device, vaults, below)
            else:
                found.foreign.append(Left(store.path, "vragd did not make it"))


def _store(found: Inventory, folder: Path, device: int, vaults: Vaults, below: Mapping[str, str]) -> None:
    entries = _entries(folder)
    found.folders.append(folder)
    for entry in entries:
        with found.reading(entry.path):
            if entry.name in below and _is_own_folder(entry, device, vaults):
                _index(found, Path(entry.path), device, vaults, re.compile(below[entry.name], re.DOTALL))
            else:
                _file(found, entry, ours=_IN_STORE.fullmatch(entry.name) is not None)


def _index(found: Inventory, folder: Path, device: int, vaults: Vaults, names: re.Pattern[str]) -> None:
    entries = _entries(folder)
    found.folders.append(folder)
    for entry in entries:
        with found.reading(entry.path):
            if _is_own_folder(entry, device, vaults):
                _index(found, Path(entry.path), device, vaults, names)
            else:
                _file(found, entry, ours=names.fullmatch(entry.name) is not None)


def _file(found: Inventory, entry: os.DirEntry[str], *, ours: bool) -> None:
    info = entry.stat(follow_symlinks=False)
    if ours and stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid():
        found.files.append(Path(entry.path))
        found.size += info.st_size
    else:
        found.foreign.append(Left(entry.path, "a link" if entry.is_symlink() else "vragd did not make it"))


def _is_own_folder(entry: os.DirEntry[str], device: int, vaults: Vaults) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    info = entry.stat(follow_symlinks=False)
    return info.st_uid == os.geteuid() and info.st_dev == device and not vaults.is_one(Path(entry.path))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def removed(folder: Path, vaults: Vaults, kept: Mapping[str, str]) -> list[Left]:
    """
    Remove what is ours, under the lock, which goes last, and only if nothing of ours stayed: it is the mark by which
    the next purge knows the rest. What stayed. Raises DaemonBusy while another process has it.
    """
    lock = folder / "lock"
    with shut_out(folder):
        found = inventory(folder, vaults, kept)
        left = [one for file in found.files if file != lock for one in _gone(file.unlink, file)]
        left += [one for inner in reversed(found.folders[1:]) for one in _gone(inner.rmdir, inner)]
        if not left and not found.unread:
            left += _gone(lock.unlink, lock) or _gone(folder.rmdir, folder)
    tidy(folder.parent)
    return [*found.foreign, *left]


def _gone(remove: Callable[[], None], path: Path) -> list[Left]:
    try:
        remove()
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # what is in it is named
            return []
        return [Left(str(path), error.strerror or type(error).__name__)]
    return []
