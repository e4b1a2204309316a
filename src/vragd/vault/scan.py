"""Scanning: what the disk says, without opening a file. The same code serves the whole source or a folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from vragd.vault.ignore import SUSPECT, SUSPECT_BEGINNINGS, Rules
from vragd.vault.read import StatKey, open_folder

MAX_SKIPPED = 10_000
_UNSAID = ("not_included", "temporary_file")  # nobody asks why these are no notes


@dataclass(slots=True)
class Scan:
    """
    What was found below `folder` ('' for the whole source).

    `unreadable` maps folders (or single paths) that could not be listed to an errno name: everything
    known below them is unknown, not gone. `skipped` maps paths that match no reason to be a note to
    the reason, for those a user may ask about. `mounts` maps folders on which another file system is
    mounted to its (device, inode).
    """

    folder: str
    notes: dict[str, StatKey] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, tuple[int, int]] = field(default_factory=dict)
    stopped: bool = False
    max_skipped: int = MAX_SKIPPED

    def covers(self, path: str) -> bool:
        """Whether the absence of `path` from `notes` proves that it is no longer a note."""
        if self.stopped or (self.folder and not path.startswith(self.folder + "/")):
            return False
        return not any(path == blind or blind == "" or path.startswith(blind + "/") for blind in self.unreadable)


def scan(
    root: Path,
    rules: Rules,
    folder: str = "",
    stop: Callable[[], bool] = lambda: False,
    expected: tuple[int, int] | None = None,
    *,
    max_skipped: int = MAX_SKIPPED,
    system: ModuleType = os,
) -> Scan:
    """
    List the notes below `folder` of `root`. Links are not followed.

    Blocks: about 5 µs an entry. `stop` is asked once a folder; a stopped scan proves nothing. Neither does
    one of a directory that is not the `expected` one (device, inode).
    """
    found = Scan(folder, max_skipped=max_skipped)
    waiting: list[tuple[str, int | None]] = [(folder, None)]
    try:
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        found.unreadable[""] = _name(error)
        return found
    try:
        info = os.fstat(root_fd)
        if expected is not None and (info.st_dev, info.st_ino) != expected:
            found.unreadable[""] = "root_replaced"
            return found
        while waiting:
            if stop():
                found.stopped = True
                break
            _list(root_fd, *waiting.pop(), rules, found, waiting, system)
    finally:
        os.close(root_fd)
    return found


def _list(
    root_fd: int,
    folder: str,
    device: int | None,
    rules: Rules,
    found: Scan,
    waiting: list[tuple[str, int | None]],
    system: ModuleType,
) -> None:
    """List one folder; `device` is that of the folder around it, if it was listed too."""
    prefix = folder + "/" if folder else ""
    sure, notes = rules.sure, found.notes
    try:
        fd = open_folder(root_fd, folder)
        try:
            info = os.fstat(fd)
            own = info.st_dev
            if folder and device is None:
                device = os.stat("..", dir_fd=fd).st_dev
            if folder and own != device:
                found.mounts[folder] = (own, info.st_ino)
            with system.scandir(fd) as entries:
                for entry in entries:
                    name = entry.name
                    # of a hundred thousand notes nearly all are of this kind: nothing is called for them
                    if (
                        name.endswith(sure)
                        and SUSPECT not in name
                        and not name.startswith(SUSPECT_BEGINNINGS)
                        and entry.is_file(follow_symlinks=False)
                    ):
                        try:
                            notes[prefix + name] = StatKey.of(entry.stat(follow_symlinks=False))
                        except OSError as error:
                            _unread(prefix + name, error, found)
                    else:
                        _entry(entry, prefix + name, own, rules, found, waiting)
        finally:
            os.close(fd)
    except OSError as error:
        # A folder that went away, or became a link, between listing and entering is simply gone.
        if folder and error.errno in (errno.ENOENT, errno.ENOTDIR):
            return
        found.unreadable[folder] = _name(error)


def _entry(
    entry: os.DirEntry[str], path: str, device: int, rules: Rules, found: Scan, waiting: list[tuple[str, int | None]]
) -> None:
    if entry.is_dir(follow_symlinks=False):
        if (reason := rules.excluded_dir(path)) is None:
            waiting.append((path, device))
        elif reason != "dot_folder":
            _skip(found, path + "/", reason)
        return
    reason = rules.excluded_file(path)
    if reason is None and entry.is_file(follow_symlinks=False):
        try:
            found.notes[path] = StatKey.of(entry.stat(follow_symlinks=False))
        except OSError as error:
            _unread(path, error, found)
    elif reason not in _UNSAID:
        _skip(found, path, reason or ("symbolic_link" if entry.is_symlink() else "not_a_regular_file"))


def _unread(path: str, error: OSError, found: Scan) -> None:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # it went away between listing and looking
        found.unreadable[path] = _name(error)


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO").lower()


def _skip(found: Scan, path: str, reason: str) -> None:
    if len(found.skipped) < found.max_skipped:
        found.skipped[path] = reason
