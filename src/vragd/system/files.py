"""Files of the data directory: private from birth, replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from vragd.errors import DataDirError, DiskFull, TooManyOpen, VragdError
from vragd.system import places
from vragd.system.failpoints import reach

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})
MOUNT = "mount it for writing, or choose another place with paths.data or paths.socket"


def disk_error(error: OSError, what: str) -> VragdError:
    """The error to raise for an OSError while writing `what`."""
    if error.errno in NO_SPACE:
        return DiskFull(f"no space left while writing {what}", hint="free some space; vragd goes on by itself")
    if error.errno in NO_FILES:
        hint = "raise the limit of open files (ulimit -n); vragd goes on by itself"
        return TooManyOpen(f"no further file may be opened, and {what} has to be", hint=hint)
    hint = "look at its owner, its permissions and its disk"
    return DataDirError(f"cannot write {what}: {os.strerror(error.errno or 0)}", hint=hint)


def _of_another(path: Path, owner: int, ours: int) -> DataDirError:
    hint = "run vragd as that user, or choose another place with paths.data or paths.socket"
    return DataDirError(f"{path} belongs to uid {owner}, vragd runs as uid {ours}", hint=hint)


def private_dir(path: Path, uid: int | None = None) -> Path:
    """
    `path` as an existing directory of ours with mode 0700; made with its parents if need be.

    Raises DataDirError for one that is not a directory, a link, another user's, or cannot be made.
    Ours means of `uid`; of whom vragd runs as, by default.
    """
    ours = os.geteuid() if uid is None else uid
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.lstat()
        if not stat.S_ISDIR(info.st_mode):
            raise _no_directory(path)
        if info.st_uid != ours:
            raise _of_another(path, info.st_uid, ours)
        if info.st_mode & 0o077:
            path.chmod(0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise _not_writable(path)
    except FileExistsError as error:
        raise _no_directory(path) from error
    except OSError as error:
        if error.errno in NO_SPACE | NO_FILES:
            raise disk_error(error, str(path)) from error
        mend = MOUNT if error.errno == errno.EROFS else "choose another place with paths.data, or mend its permissions"
        raise DataDirError(f"cannot use {path}: {os.strerror(error.errno or 0)}", hint=mend) from error
    return path


def _no_directory(path: Path) -> DataDirError:
    if path.is_symlink():  # it may lead elsewhere tomorrow, and others may have made it
        hint = f"give the place itself as paths.data or paths.socket: {os.path.realpath(path)}"
        return DataDirError(f"{path} is a link, where a directory is expected", hint=hint)
    return DataDirError(f"{path} is not a directory", hint="move it away, or choose another path")


def _not_writable(path: Path) -> DataDirError:
    if is_mounted_read_only(path):
        return DataDirError(f"{path} is not writable: it is on a file system that is mounted read-only", hint=MOUNT)
    return DataDirError(f"{path} is not writable", hint=f"chmod u+rwx {path}")


def is_mounted_read_only(path: Path) -> bool:
    """Whether nothing can be written there, whoever asks."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def could_be_private(path: Path) -> None:
    """Whether `private_dir` would give a directory, as far as that can be seen; makes none. Raises DataDirError."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        above = next((place for place in path.parents if os.path.lexists(place)), Path("/"))
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            if is_mounted_read_only(above):
                raise DataDirError(f"cannot make {path}: {above} is mounted read-only", hint=MOUNT) from None
            raise DataDirError(
                f"cannot make {path}: {above} is not a directory of yours to write in",
                hint="choose another place with paths.data or paths.socket",
            ) from None
        return
    except OSError as error:
        raise DataDirError(f"cannot use {path}: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISDIR(info.st_mode):
        raise _no_directory(path)
    if info.st_uid != os.geteuid():
        raise _of_another(path, info.st_uid, os.geteuid())
    if not os.access(path, os.W_OK | os.X_OK):
        raise _not_writable(path)


TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)
"""What `write_atomic` calls a file that is not whole yet."""


def write_atomic(path: Path, parts: Iterable[bytes | memoryview], system: ModuleType = os) -> None:
    """
    Replace `path` by the concatenation of `parts`, durably: temporary file, fsync, rename, fsync of the folder.

    A crash leaves the old file or the new one. Raises DiskFull or DataDirError, and leaves the old one.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        fd = system.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            for part in parts:
                view = memoryview(part)
                rest = view.cast("B") if view.nbytes else b""  # an empty array cannot be cast
                while rest:
                    rest = rest[system.write(fd, rest) :]
                reach("file.grown")
            system.fsync(fd)
        finally:
            os.close(fd)
        reach("file.written")
        system.replace(temporary, path)
        reach("file.renamed")
        fsync_dir(path.parent, system)
        reach("file.finished")
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_error(error, path.name) from error
    except BaseException:  # `parts` may compute
        temporary.unlink(missing_ok=True)
        raise


def fsync_dir(path: Path, system: ModuleType = os) -> None:
    """Make renames and new names in `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        system.fsync(fd)
    finally:
        os.close(fd)


def sweep_temporary(folder: Path) -> None:
    """Remove what a killed `write_atomic` left below `folder`. Only the holder of the lock may call it."""
    for at, _, names in os.walk(folder):
        for name in filter(TEMPORARY.fullmatch, names):
            Path(at, name).unlink(missing_ok=True)


def free_mib(path: Path) -> int:
    """Space left for us where `path` lives, in MiB."""
    info = os.statvfs(path)
    return info.f_bavail * info.f_frsize // (1024 * 1024)


def vault_around(path: Path) -> Path | None:
    """
    The vault of Obsidian that `path` is in, or would be: nothing is ever written there.

    A home directory that was once opened as a vault is none: no source can be it, and all that is ours is below.
    """
    home = places.home()
    above = (folder for folder in path.resolve().parents if home is None or folder != home.resolve())
    return next((folder for folder in above if (folder / ".obsidian").is_dir()), None)


def bytes_below(folder: Path) -> int:
    """Sizes of the files below `folder`, in bytes. What is removed or replaced meanwhile counts or does not."""
    total = 0
    for at, _, names in os.walk(folder):  # a folder that is gone is passed over
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(at, name)).st_size
    return total
