"""The lock of a data directory: one process at a time, whatever it is, and who that is. Standard library only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vragd.errors import DaemonBusy, DataDirError
from vragd.system.files import disk_error, private_dir, sweep_temporary

MAX_RECORD = 4_096


@contextmanager
def only_process(data_dir: Path) -> Iterator[int]:
    """
    Hold the data directory for as long as the block runs; the kernel lets go of it on any death.

    Gives the locked descriptor, for `holds`. Raises DaemonBusy, having changed nothing, when another process holds it.
    """
    private_dir(data_dir)
    path = data_dir / "lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DataDirError(f"cannot open {path}: {os.strerror(error.errno or 0)}") from error
    try:
        _take(fd, path, data_dir)
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            sweep_temporary(data_dir)
        except OSError as error:
            raise disk_error(error, str(path)) from error
        yield fd
    finally:
        os.close(fd)


def _take(fd: int, path: Path, data_dir: Path) -> None:
    try:
        # flock, not lockf: a POSIX lock is lost when the process closes any descriptor of the file
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DaemonBusy(
            f"another vragd (pid {_record(fd)[0] or 'unknown'}) uses {data_dir}",
            hint="stop it, or give this one another paths.data and paths.socket",
        ) from None
    except OSError as error:
        raise DataDirError(f"cannot lock {path}: {os.strerror(error.errno or 0)}") from error
    if not holds(fd, path):
        raise DaemonBusy(f"the lock {path} was replaced while it was taken", hint="try again")


def _record(fd: int) -> list[str]:
    """The lines of the record: the pid of the holder first."""
    return os.pread(fd, MAX_RECORD, 0).decode("utf-8", "replace").split("\n")


def holds(fd: int, path: Path) -> bool:
    """Whether the locked descriptor is still the file at `path`."""
    try:
        mine, there = os.fstat(fd), path.stat()
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
