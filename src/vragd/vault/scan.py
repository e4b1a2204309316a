"""Scanning: what the disk says, without opening a file. The same code serves the whole source or a folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from vragd.vault.ignore import Rules
from vragd.vault.names import SUSPECT, SUSPECT_BEGINNINGS, copy_of, is_foreign
from vragd.vault.obsidian import CONFIG_FOLDER, SETTINGS
from vragd.vault.read import NOT_THERE, StatKey, open_folder
from vragd.vault.root import Root

MAX_SKIPPED = 10_000
MAX_ATTACHMENTS = 200_000
_UNSAID = ("not_included", "temporary_file")  # nobody asks why these are no notes


@dataclass(slots=True)
class Scan:
    """
    What was found below `folder` ('' for the whole source).

    `unreadable` maps folders (or single paths) that could not be listed to an errno name: everything
    known below them is unknown, not gone. `skipped` maps paths that match no reason to be a note to
    the reason, for those a user may ask about. `mounts` maps folders on which another file system is
    mounted to its (device, inode). `vaults` are folders inside that hold a config folder of Obsidian's.
    `linked` maps inodes of notes that have another name somewhere to the names found here. What is
    `withheld` may be what nobody is to see: it is neither there nor gone. `attachments` are the files that are no notes
    and not excluded, unless they are so many that it is too `crowded` to know all. `believed`: what it misses is gone,
    what is known is `changed`, and what of it is answered with and is no note any longer, at no other path either, is
    `withdrawn`, as whoever judges it says.
    """

    folder: str
    notes: dict[str, StatKey] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    mounts: dict[str, tuple[int, int]] = field(default_factory=dict)
    vaults: set[str] = field(default_factory=set)
    linked: dict[int, set[str]] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)
    attachments: set[str] = field(default_factory=set)
    crowded: bool = False
    believed: bool = False
    changed: list[str] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    stopped: bool = False
    max_skipped: int = MAX_SKIPPED

    def covers(self, path: str) -> bool:
        """Whether the absence of `path` from `notes` proves that it is no longer a note."""
        if self.stopped or path in self.withheld or (self.folder and not path.startswith(self.folder + "/")):
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
    try:
        opened = Root(root)
    except OSError as error:
        found.unreadable[""] = _name(error)
        return found
    if expected is not None and opened.identity.place != expected:
        found.unreadable[""] = "root_replaced"
        return found
    walk = _Walk(opened, rules, found, system)
    while walk.waiting:
        if stop():
            found.stopped = True
            break
        walk.list_next()
    return found


class _Walk:
    """One scan under way. `waiting` are folders, each with the device of the folder around it if that was listed."""

    def __init__(self, root: Root, rules: Rules, found: Scan, system: ModuleType) -> None:
        self.waiting: list[tuple[str, int | None]] = [(found.folder, None)]
        self._root, self._rules, self._found, self._system = root, rules, found, system
        self._mounts = root.mounts()
        self._copies: list[tuple[str, str]] = []  # in the folder that is listed, and of which file beside each would be

    def list_next(self) -> None:
        """List one folder."""
        folder, device = self.waiting.pop()
        prefix = folder + "/" if folder else ""
        sure, found = self._rules.sure, self._found
        notes = found.notes
        try:
            fd = open_folder(self._root.fd, folder)
            try:
                own = self._mind_mount(fd, folder, device)
                with self._system.scandir(fd) as entries:
                    for entry in entries:
                        name = entry.name
                        # of a hundred thousand notes nearly all are of this kind: nothing is called for them
                        if (
                            name.endswith(sure)
                            and SUSPECT[0] not in name
                            and SUSPECT[1] not in name
                            and SUSPECT[2] not in name
                            and SUSPECT[3] not in name
                            and not name.startswith(SUSPECT_BEGINNINGS)
                            and (name.isascii() or not is_foreign(name))
                            and entry.is_file(follow_symlinks=False)
                        ):
                            try:
                                info = entry.stat(follow_symlinks=False)
                                notes[prefix + name] = StatKey.of(info)
                            except OSError as error:
                                _unread(prefix + name, error, found)
                            else:
                                if info.st_nlink > 1:
                                    found.linked.setdefault(notes[prefix + name].inode, set()).add(prefix + name)
                        else:
                            self._entry(entry, folder, prefix + name, own)
                self._leave_out_copies(prefix)
            finally:
                os.close(fd)
        except OSError as error:
            # A folder that went away, or became a link, between listing and entering is simply gone.
            if folder and error.errno in NOT_THERE:
                return
            found.unreadable[folder] = _name(error)

    def _leave_out_copies(self, prefix: str) -> None:
        for path, original in self._copies:
            if prefix + original in self._found.notes:
                del self._found.notes[path]
                _skip(self._found, path, "conflict_copy")
        self._copies.clear()

    def _mind_mount(self, fd: int, folder: str, device: int | None) -> int:
        info = os.fstat(fd)
        if folder and device is None:
            device = os.stat("..", dir_fd=fd).st_dev
        if folder and (info.st_dev != device or folder in self._mounts):
            self._found.mounts[folder] = (info.st_dev, info.st_ino)
        return info.st_dev

    def _entry(self, entry: os.DirEntry[str], folder: str, path: str, device: int) -> None:
        rules, found = self._rules, self._found
        if entry.is_dir(follow_symlinks=False):
            if (reason := rules.excluded_dir(path)) is None:
                self.waiting.append((path, device))
            elif reason == "dot_folder":
                self._mind_config(entry.name, folder, path)
            else:
                _skip(found, path + "/", reason)
            return
        if entry.is_symlink():
            self._link(entry.name, folder, path)
            return
        reason = rules.excluded_file(path)
        if reason is None and entry.is_file(follow_symlinks=False):
            if rules.withheld(path):
                found.withheld.add(path)
                _skip(found, path, "withheld")
                return
            try:
                info = entry.stat(follow_symlinks=False)
                found.notes[path] = StatKey.of(info)
            except OSError as error:
                _unread(path, error, found)
            else:
                if info.st_nlink > 1:
                    found.linked.setdefault(found.notes[path].inode, set()).add(path)
                if (original := copy_of(entry.name)) is not None:
                    self._copies.append((path, original))
        elif reason == "not_included":
            self._attachment(entry, path)
        elif reason not in _UNSAID:
            _skip(found, path, reason or "not_a_regular_file")

    def _attachment(self, entry: os.DirEntry[str], path: str) -> None:
        """A link may lead there. What is hidden, or may be, is not even known by its name."""
        rules = self._rules
        if rules.hidden_file(path) is None and entry.is_file(follow_symlinks=False):
            if len(self._found.attachments) >= MAX_ATTACHMENTS:
                self._found.crowded = True
            else:
                (self._found.withheld if rules.withheld(path) else self._found.attachments).add(path)

    def _link(self, name: str, folder: str, path: str) -> None:
        """
        A link is not followed, not even to tell what it leads to: that may be a mount that hangs. It is listed, as
        it may be a folder of notes somebody misses.
        """
        if name.startswith("."):
            self._mind_config(name, folder, path)
            return
        reason = self._rules.excluded_file(path)
        if reason != "temporary_file" and self._rules.excluded_dir(path) is None:
            _skip(self._found, path, "symbolic_link" if reason in (None, "not_included") else reason)

    def _mind_config(self, name: str, folder: str, path: str) -> None:
        if not folder or folder in self._found.vaults:
            return
        try:
            os.stat(f"{path}/{SETTINGS}", dir_fd=self._root.fd, follow_symlinks=False)
        except OSError:
            if name != CONFIG_FOLDER:
                return
        self._found.vaults.add(folder)


def forgive_inodes(found: Scan, known: Mapping[str, Sequence[Any]]) -> None:
    """
    Where a file system invents another inode for the same file each time, take those that are `known`.

    That is so when of most files nothing has changed but the inode: a file that was replaced has another `ctime`.
    `known` maps paths to (inode, size, mtime, ctime, …).
    """
    sample = [(key, known[path]) for path, key in islice(found.notes.items(), 256) if path in known]
    invented = sum(key[1:] == had[1:4] and key[0] != had[0] for key, had in sample)
    if invented > len(sample) / 2 and invented > 1:
        for path, key in found.notes.items():
            had = known.get(path)
            if had is not None and key[1:] == had[1:4]:
                found.notes[path] = StatKey(had[0], *key[1:])


def _unread(path: str, error: OSError, found: Scan) -> None:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # it went away between listing and looking
        found.unreadable[path] = _name(error)


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO").lower()


def _skip(found: Scan, path: str, reason: str) -> None:
    if len(found.skipped) < found.max_skipped:
        found.skipped[path] = reason
