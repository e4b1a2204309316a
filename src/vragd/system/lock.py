"""The lock of a data directory: one process at a time, whatever it is, and who that is. Standard library only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vragd.errors import DaemonBusy, DataDirError
from vragd.system.files import disk_error, private_dir, sweep_temporary

MAX_RECORD = 4_096
_ELSEWHERE = "give this one another paths.data and paths.socket"


@contextmanager
def only_process(data_dir: Path) -> Iterator[int]:
    """
    Hold the data directory for as long as the block runs; the kernel lets go of it on any death.

    Gives the locked descriptor, for `holds`. Raises DaemonBusy, having changed nothing, when another process holds it.
    """
    with _held(private_dir(data_dir), os.O_RDWR | os.O_CREAT, _ELSEWHERE) as fd:
        try:
            _sign(fd)
            sweep_temporary(data_dir)
        except OSError as error:
            raise disk_error(error, str(data_dir / "lock")) from error
        yield fd


@contextmanager
def shut_out(data_dir: Path) -> Iterator[None]:
    """
    Hold a data directory that is there, and change nothing in it: whoever wants it meanwhile is refused.

    Raises DaemonBusy when another process holds it, DataDirError for one without a lock.
    """
    with _held(data_dir, os.O_RDONLY, _ELSEWHERE):
        yield


@contextmanager
def only_user(folder: Path) -> Iterator[None]:
    """
    Hold a folder that is no data directory, by a file `lock` in it, for as long as the block runs.

    Nothing else in it is touched. Raises DaemonBusy when it is held, be it by this process, DataDirError.
    """
    with _held(folder, os.O_RDWR | os.O_CREAT, "take another folder") as fd:
        try:
            _sign(fd)
        except OSError as error:
            raise disk_error(error, str(folder / "lock")) from error
        yield


@contextmanager
def _held(folder: Path, flags: int, way_out: str) -> Iterator[int]:
    """The lock of a folder, opened so and taken. `way_out` is what to do about another holder besides stopping it."""
    path = folder / "lock"
    try:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DataDirError(f"cannot open {path}: {os.strerror(error.errno or 0)}") from error
    try:
        _take(fd, path, way_out)
        yield fd
    finally:
        os.close(fd)


def _take(fd: int, path: Path, way_out: str) -> None:
    try:
        # flock, not lockf: a POSIX lock is lost when the process closes any descriptor of the file
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, socket = _record(fd)
        where, stop = (
            (f" and answers at {socket}", "vragd stop ends it") if socket else ("", "wait for its end, or stop it")
        )
        raise DaemonBusy(
            f"another vragd (pid {pid or 'unknown'}) uses {path.parent}{where}", hint=f"{stop}; or {way_out}"
        ) from None
    except OSError as error:
        raise DataDirError(f"cannot lock {path}: {os.strerror(error.errno or 0)}") from error
    if not holds(fd, path):
        raise DaemonBusy(f"the lock {path} was replaced while it was taken", hint="try again")


def _sign(fd: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def record(fd: int, socket: Path) -> None:
    """Put down beside the lock, which is held, where its holder answers: clients look there. Raises OSError."""
    text = os.fsencode(f"{os.getpid()}\n{socket}\n")
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))


class Holder(NamedTuple):  # dataclasses load half of `inspect`, and every command looks here
    """Who holds, or last held, a data directory. `socket` is None for one that serves none."""

    uid: int
    pid: str
    socket: Path | None


def holder(data_dir: Path) -> Holder | None:
    """
    What is put down beside the lock; None where there is nothing that can be read. Locks nothing.

    A path of another user's is not given: whoever may write the record may not choose whom we talk to.
    """
    try:
        fd = os.open(data_dir / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        return _stranger(data_dir)
    except (OSError, ValueError):
        return None
    try:
        uid = os.fstat(fd).st_uid
        pid, socket = _record(fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    return Holder(uid, pid, socket if uid == os.geteuid() else None)


def _stranger(data_dir: Path) -> Holder | None:
    """Whose the data directory is that we may not look into."""
    for place in (data_dir, *data_dir.parents):
        try:
            uid = place.stat().st_uid
        except OSError:
            continue
        return Holder(uid, "", None) if uid != os.geteuid() else None
    return None


def _record(fd: int) -> tuple[str, Path | None]:
    """The pid of the holder, and where it answers."""
    pid, _, rest = os.pread(fd, MAX_RECORD, 0).partition(b"\n")
    name = os.fsdecode(rest.partition(b"\n")[0])
    return pid.decode("ascii", "replace").strip(), Path(name) if name.startswith("/") else None


def holds(fd: int, path: Path) -> bool:
    """Whether the locked descriptor is still the file at `path`."""
    try:
        mine, there = os.fstat(fd), path.stat()
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
