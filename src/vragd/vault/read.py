"""
Reading a note: never through a link, never torn, never blocking on a FIFO, never more than the limit.

Paths are opened folder by folder below the root's descriptor, each step refusing links, so that a
link swapped in between check and open leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import xxhash

from vragd.system import beneath

_DIR_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_TORN_RETRIES_S = (0.001, 0.005)  # other notes wait meanwhile: who writes for longer is come back to
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
"""What the system says of a path that is no file's; no folder can hold a name that is too long for it."""
_LAST = 0x7FFF_FFFF_FFFF_FFFF
_SF_DATALESS = 0x40000000  # macOS: the bytes are only in iCloud, and reading would fetch them


class StatKey(NamedTuple):
    """What tells a changed file from an unchanged one without opening it."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, info: os.stat_result) -> StatKey:
        # 63 bits: SQLite's integers are signed, and some FUSE file systems use the highest bit
        mtime, ctime = info.st_mtime_ns, info.st_ctime_ns
        if not (
            -_LAST <= mtime <= _LAST and -_LAST <= ctime <= _LAST
        ):  # 2262 and later: a broken archive, a dead clock
            mtime, ctime = max(-_LAST, min(mtime, _LAST)), max(-_LAST, min(ctime, _LAST))
        values = (info.st_ino & _LAST, min(info.st_size, _LAST), mtime, ctime)
        return tuple.__new__(cls, values)  # a third of the time of calling it; scans make one for every note


@dataclass(frozen=True, slots=True)
class Content:
    """
    The bytes of a note, whole, as they were when `key` was true. `racy`: too fresh for `key` to be trusted.

    `n_links` is how many names the file has, in this source or elsewhere.
    """

    data: bytes
    key: StatKey
    digest: bytes
    racy: bool
    n_links: int = 1


@dataclass(frozen=True, slots=True)
class Gone:
    """The system says there is no such file: proof enough, if the root is healthy."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """There is something at the path that is not to be indexed. What was indexed of it goes."""

    reason: str
    key: StatKey | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Unknown, not gone: whatever was indexed stays. `torn` means somebody is writing right now."""

    reason: str
    torn: bool = False


Outcome = Content | Gone | Skipped | Unreadable


def read_note(
    root_fd: int,
    path: str,
    max_bytes: int,
    racy_window_s: float,
    clock: Callable[[], int] = time.time_ns,
    system: ModuleType = os,
) -> Outcome:
    """
    What is at `path` below the directory `root_fd`; racy if a stamp lies within the window around the `clock`'s now.

    Blocks for the read, and 6 ms more for a file that changes while it is read.
    """
    try:
        parent, name = _open_parent(root_fd, path)
    except OSError as error:
        return _trouble(error)
    try:
        for pause in (*_TORN_RETRIES_S, None):
            outcome = _read_once(parent, name, max_bytes, racy_window_s, clock, system)
            if not (isinstance(outcome, Unreadable) and outcome.torn) or pause is None:
                return outcome
            time.sleep(pause)
        raise AssertionError("the last pause is None")
    finally:
        os.close(parent)


def is_file(root_fd: int, path: str) -> bool | None:
    """Whether there is a file at `path` below the directory `root_fd`, which is not opened; None if nobody knows."""
    try:
        parent, name = _open_parent(root_fd, path)
        try:
            return stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        finally:
            os.close(parent)
    except OSError as error:
        return False if error.errno in NOT_THERE else None


def look(root_fd: int, path: str, why: str) -> Outcome:
    """What is at `path` below the directory `root_fd`, which is not opened: a file is skipped, for the reason `why`."""
    try:
        parent, name = _open_parent(root_fd, path)
        try:
            info = os.stat(name, dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(parent)
    except OSError as error:
        return _trouble(error)
    if stat.S_ISREG(info.st_mode):
        return Skipped(why, StatKey.of(info))
    return Skipped("symbolic_link" if stat.S_ISLNK(info.st_mode) else "not_a_regular_file")


def stamp_of(root_fd: int, path: str) -> StatKey | None:
    """The stamp of what is at `path` below the directory `root_fd`, without opening it; None if nobody knows."""
    try:
        parent, name = _open_parent(root_fd, path)
        try:
            return StatKey.of(os.stat(name, dir_fd=parent, follow_symlinks=False))
        finally:
            os.close(parent)
    except OSError:
        return None


def _open_parent(root_fd: int, path: str) -> tuple[int, str]:
    folder, _, name = path.rpartition("/")
    return _descend(root_fd, folder), name


def open_folder(root_fd: int, folder: str) -> int:
    """A descriptor to list `folder` ('' for the root) by. Raises OSError, ENOTDIR for a link on the way."""
    above, _, name = folder.rpartition("/")
    parent = _descend(root_fd, above)
    try:
        return os.open(name or ".", _LIST_FLAGS, dir_fd=parent)
    finally:
        os.close(parent)


def open_path(root_fd: int, folder: str) -> int:
    """A descriptor that names `folder` ('' for the root), also one that may not be read. Raises as `open_folder`."""
    return _descend(root_fd, folder)


def _descend(root_fd: int, folder: str) -> int:
    fd = os.dup(root_fd)
    try:
        for step in beneath.steps(folder) if folder else ():
            deeper = beneath.open_step(fd, step, _DIR_FLAGS)
            os.close(fd)
            fd = deeper
    except OSError:
        os.close(fd)
        raise
    return fd


def _read_once(
    parent: int, name: str, max_bytes: int, racy_window_s: float, clock: Callable[[], int], system: ModuleType
) -> Outcome:
    try:
        listed = system.stat(name, dir_fd=parent, follow_symlinks=False)
        if getattr(listed, "st_flags", 0) & _SF_DATALESS:
            return Unreadable("only_in_the_cloud")
        if not (stat.S_ISREG(listed.st_mode) or stat.S_ISLNK(listed.st_mode)):
            return Skipped("not_a_regular_file")  # opened, a FIFO lets its writer go on and a device does who knows
        fd = system.open(name, _FILE_FLAGS, dir_fd=parent)
    except OSError as error:
        return _trouble(error)
    try:
        before = os.fstat(fd)
        key = StatKey.of(before)
        if not stat.S_ISREG(before.st_mode):
            return Skipped("not_a_regular_file")
        if before.st_size > max_bytes:
            return Skipped("too_large", key)
        data = _read_all(fd, before.st_size + 1, system)  # one more tells that it grows, without running after it
        seen_at_ns = clock()
        after, listed = os.fstat(fd), os.stat(name, dir_fd=parent, follow_symlinks=False)
        # inodes that change under an open file are made up by its file system and say nothing
        invented = after.st_ino != before.st_ino
        still = _same(key, after, invented) and _same(key, listed, invented)
        if not still or len(data) != before.st_size:
            return Unreadable("being_written", torn=True)
    except OSError as error:
        return _trouble(error)
    finally:
        os.close(fd)
    # a time that lies ahead is no sign of a change just now: whoever writes next leaves another
    window_ns = int(racy_window_s * 1e9)
    racy = any(abs(seen_at_ns - at_ns) < window_ns for at_ns in (key.mtime_ns, key.ctime_ns))
    return Content(data, key, xxhash.xxh3_128_digest(data), racy, before.st_nlink)


def _same(key: StatKey, info: os.stat_result, invented: bool) -> bool:
    now = StatKey.of(info)
    return now[1:] == key[1:] if invented else now == key


def _read_all(fd: int, limit: int, system: ModuleType) -> bytes:
    parts = []
    while limit > 0 and (part := system.read(fd, min(limit, 1 << 20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _trouble(error: OSError) -> Outcome:
    if error.errno in NOT_THERE:
        return Gone()  # ENOTDIR also for a folder that became a link: nothing below it is in the vault
    if error.errno == errno.ELOOP:
        return Skipped("symbolic_link")
    if error.errno == errno.ENXIO:
        return Skipped("not_a_regular_file")  # a socket, or a FIFO nobody writes to
    return Unreadable((errno.errorcode.get(error.errno or 0, "EIO")).lower())
