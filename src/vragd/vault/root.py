"""
The identity of a source's directory. Nothing is deleted from the index unless it is the one we know.

The descriptor is held for as long as the source is watched, so the inode cannot be reused behind us.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# inotify sees every change made through these; on any other (NFS, SMB, FUSE, 9p) only polling does.
_LOCAL_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "f2fs", "overlay", "bcachefs"})

Health = Literal["ok", "missing", "replaced", "permission"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a root is recognised by, also after a restart. `obsidian`: it had an `.obsidian` folder."""

    device: int
    inode: int
    obsidian: bool


class Root:
    """An open root directory. Close it when the source is no longer served."""

    def __init__(self, path: Path) -> None:
        """Open `path`. Raises OSError as `open` does."""
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        info = os.fstat(self.fd)
        self.identity = Identity(info.st_dev, info.st_ino, _has_obsidian(self.fd))

    def health(self) -> Health:
        """Whether `path` still leads to this very directory, and an Obsidian vault still looks like one."""
        try:
            info = os.stat(self.path)
        except OSError as error:
            return "permission" if error.errno == errno.EACCES else "missing"
        if (info.st_dev, info.st_ino) != (self.identity.device, self.identity.inode):
            return "replaced"
        if not os.access(self.path, os.R_OK | os.X_OK):
            return "permission"  # before anything is concluded from what cannot be seen
        if self.identity.obsidian and not _has_obsidian(self.fd):
            return "replaced"
        return "ok"

    def read(self, name: str, limit: int = 1 << 20) -> bytes | None:
        """A small file of the root's own, such as Obsidian's settings; None if it is not there. Raises OSError."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        try:
            with os.fdopen(fd, "rb", closefd=False) as file:  # it may refuse to open
                return file.read(limit)
        finally:
            os.close(fd)

    def close(self) -> None:
        os.close(self.fd)


def _has_obsidian(fd: int) -> bool:
    try:
        os.stat(".obsidian", dir_fd=fd)
    except OSError:
        return False
    return True


def file_system(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The type of the file system `path` is on, or None where the system does not tell (macOS)."""
    try:
        lines = mountinfo.read_bytes().split(b"\n")
    except OSError:
        return None
    real = os.fsencode(os.path.realpath(path))
    best, kind = -1, None
    for line in lines:
        left, dash, right = line.partition(b" - ")
        if not dash:
            continue
        # blanks and line ends in a name stand there as three octal digits (proc(5)), the rest as it is
        mount = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), left.split(b" ")[4])
        inside = real == mount or real.startswith(mount.rstrip(b"/") + b"/")
        if inside and len(mount) >= best:  # a later mount on the same place covers the earlier
            best, kind = len(mount), right.split(b" ")[0].decode("ascii", "replace")
    return kind


def sees_events(path: Path) -> bool:
    """Whether the system can be trusted to report changes below `path` made by any local program."""
    kind = file_system(path)
    return kind is None or kind in _LOCAL_FILE_SYSTEMS


def stamp_resolution_s(path: Path) -> float:
    """How far apart two changes of a file must be for its times to differ: a tick, or 2 s for FAT and NFS."""
    return 0.05 if sees_events(path) else 2.0
