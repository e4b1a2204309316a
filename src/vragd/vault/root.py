"""
The identity of a source's directory. Nothing is deleted from the index unless it is the one we know.

The descriptor is held for as long as the source is watched, so the inode cannot be reused behind us.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vragd.system.places import as_on_disk
from vragd.vault.mounts import MOUNTINFO, Mount, Mounts, mounts
from vragd.vault.read import open_folder

# inotify sees every change made through these; on any other (NFS, SMB, FUSE, 9p) only polling does.
_LOCAL_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "f2fs", "overlay", "bcachefs"})

Health = Literal["ok", "missing", "replaced", "permission"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a root is recognised by, also after a restart. `obsidian`: it had an `.obsidian` folder."""

    device: int
    inode: int
    obsidian: bool

    @property
    def place(self) -> tuple[int, int]:
        """(device, inode): what tells one directory from another at the same path."""
        return self.device, self.inode


class Root:
    """
    An open root directory. Any thread may use it; it closes when nobody does any longer.

    That is left to the last reference: a number that is closed under a reader may be another directory's
    a moment later.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`. Raises OSError as `open` does."""
        self.fd = -1
        self.path, self.real = path, os.path.realpath(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        info = os.fstat(self.fd)
        self.identity = Identity(info.st_dev, info.st_ino, _has_obsidian(self.fd))
        self._mounts: tuple[Mounts | None, Mapping[str, Mount]] = None, {}  # of which table these are those inside

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

    def mounted(self, folder: str) -> tuple[int, int] | None:
        """
        (device, inode) of `folder` if something is mounted there now: another file system, or another place of the
        same one, which only the mount's own number tells.
        """
        try:
            fd = open_folder(self.fd, folder)
        except OSError:
            return None
        try:
            info, around = os.fstat(fd), os.stat("..", dir_fd=fd)
            if info.st_dev == around.st_dev and _mount_id(fd) == _mount_id_above(fd):
                return None
        except OSError:
            return None
        finally:
            os.close(fd)
        return info.st_dev, info.st_ino

    def mounts(self) -> Mapping[str, Mount]:
        """The folders inside on which something is mounted, and what was mounted there last; {} where nobody tells."""
        table, (known, found) = mounts(), self._mounts
        if table is not known:
            inside = os.fsencode(self.real).rstrip(b"/") + b"/"
            below = (mount for mount in table if mount.place.startswith(inside))
            found = {os.fsdecode(mount.place[len(inside) :]): mount for mount in below}
            self._mounts = table, found
        return found

    def is_mount(self, path: str) -> bool:
        """Whether something is mounted at this very `path`, which may lead out by `..`; False where nobody tells."""
        place = os.fsencode(os.path.normpath(os.path.join(self.real, path)))
        return any(mount.place == place for mount in mounts())

    def ignores_case(self) -> bool:
        """Whether names that differ in case only are one file here."""
        try:
            with os.scandir(self.fd) as entries:
                for entry, _ in zip(entries, range(64), strict=False):
                    other = entry.name.swapcase()
                    if other == entry.name or len(other) != len(entry.name):
                        continue
                    try:
                        return os.path.samestat(
                            os.stat(other, dir_fd=self.fd, follow_symlinks=False), entry.stat(follow_symlinks=False)
                        )
                    except OSError:
                        return False
        except OSError:
            pass
        return False

    def close(self) -> None:
        """At once, by who knows to be the only user."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Spot:
    """
    A path somebody named, without the links and dots on the way to it.

    `real` keeps its last part, which may be a link and is a file of its own in a source; `target` does not.
    """

    real: str
    target: str
    is_dir: bool

    @classmethod
    def of(cls, path: str) -> Spot:
        """Of a name that is not there, the one that is the same text is meant. Blocks as the file system does."""
        path = as_on_disk(path)
        parent, name = os.path.split(path.rstrip("/") or "/")
        real = os.path.normpath(os.path.join(os.path.realpath(parent), name))  # the name may be '..'
        return cls(real, os.path.realpath(path), os.path.isdir(path))

    def below(self, *roots: str) -> str | None:
        """This place relative to a root, which has these names; '' for the root itself, None outside."""
        for root in roots:
            if root in (self.real, self.target):
                return ""
            if self.real.startswith(root.rstrip("/") + "/"):
                return self.real[len(root.rstrip("/")) + 1 :]
        return None


def _has_obsidian(fd: int) -> bool:
    try:
        os.stat(".obsidian", dir_fd=fd)
    except OSError:
        return False
    return True


def _mount_id(fd: int) -> str | None:
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            return next((line.split()[1] for line in file if line.startswith("mnt_id:")), None)
    except OSError:
        return None


def _mount_id_above(fd: int) -> str | None:
    above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    try:
        return _mount_id(above)
    finally:
        os.close(above)


def file_system(path: Path, mountinfo: Path = MOUNTINFO) -> str | None:
    """The type of the file system `path` is on, or None where the system does not tell (macOS)."""
    real = os.fsencode(os.path.realpath(path))
    best, kind = -1, None
    for mount in mounts(mountinfo):
        inside = real == mount.place or real.startswith(mount.place.rstrip(b"/") + b"/")
        if inside and len(mount.place) >= best:  # a later mount on the same place covers the earlier
            best, kind = len(mount.place), mount.kind
    return kind


def is_local(kind: str | None) -> bool:
    """Whether every change in a file system of this kind is seen as an event, if its kind is known."""
    return kind is None or kind in _LOCAL_FILE_SYSTEMS


def sees_events(path: Path, mountinfo: Path = MOUNTINFO) -> bool:
    """Whether the system can be trusted to report changes below `path` made by any local program."""
    return is_local(file_system(path, mountinfo))


def stamp_resolution_s(path: Path, mountinfo: Path = MOUNTINFO) -> float:
    """How far apart two changes of a file must be for its times to differ: a tick, or 2 s for FAT and NFS."""
    return 0.05 if sees_events(path, mountinfo) else 2.0
