"""Opening SQLite: private files, the project's pragmas, its errors as ours, migrations."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import apsw

from vragd.errors import CatalogCorrupt, CatalogLocked, DataDirError, DiskFull, NewerFormat, VragdError
from vragd.system.failpoints import reach
from vragd.system.files import MOUNT, NO_FILES, NO_SPACE, disk_error, is_mounted_read_only

APPLICATION_ID = 0x76726764  # "vrgd", so that `file` and a newer vragd know whose file it is

Migration = Callable[[apsw.Connection], None]


def make_private(path: Path) -> None:
    """
    Make an empty file that only its owner reads, if there is none. Raises OSError, also for a link.

    One that is there is not opened: closing a descriptor takes away the locks (fcntl(2)) of every connection that this
    process has to the file. Whoever reads it next believes to be alone, and deletes the log that we go on writing to.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None


def open_read_write(
    path: Path, migrations: list[Migration], *, what: str = "the catalog", application_id: int = APPLICATION_ID
) -> apsw.Connection:
    """
    The one connection that writes, migrated to the newest schema. `what` the file is, for messages.

    Raises NewerFormat for a file of a newer vragd and CatalogCorrupt for a damaged one, touching
    neither; DiskFull; DataDirError.
    """
    with translated(path.name):
        make_private(path)
        reach("catalog.made")
        db = apsw.Connection(str(path))
        try:
            with translated(path.name, db):  # before it is closed, and what it says of the system with it
                # The version decides before anything may touch the file: journal_mode does.
                _refuse_newer(db, len(migrations), what, application_id)
                db.set_busy_timeout(5_000)
                db.execute("pragma journal_mode = wal")
                reach("catalog.logging")
                # FULL: an intent must be on the disk before a remote put that it vouches for
                db.execute("pragma synchronous = full")
                db.execute("pragma fullfsync = on")  # macOS only: fsync there does not reach the platters
                db.execute("pragma foreign_keys = on")
                db.execute("pragma secure_delete = on")
                db.execute("pragma journal_size_limit = 16777216")
                _migrate(db, migrations, what, application_id)
        except BaseException:
            db.close()
            raise
    return db


def open_read_only(path: Path, prepare: Callable[[apsw.Connection], None] = lambda _: None) -> apsw.Connection:
    """
    A connection that cannot write, once `prepare` is done with it. Any thread may use it, one at a time.

    Where the mount is read-only and nobody writes through another one, SQLite lacks the file by which readers and
    writers know of each other, cannot make it, and is told that there is no need. Raises DataDirError if somebody was
    writing when that began.
    """
    with translated(path.name):
        db = _opened(str(path))
        if is_mounted_read_only(path) and not _can_read(db):
            db.close()
            log = path.with_name(f"{path.name}-wal")
            if log.exists() and log.stat().st_size:
                said = f"{path} was left in the middle of writing, and is mounted read-only now"
                raise DataDirError(said, hint=MOUNT)
            db = _opened(f"file:{quote(os.fsencode(path))}?immutable=1", apsw.SQLITE_OPEN_URI)
        prepare(db)
        db.execute("pragma query_only = on")
    return db


def _opened(name: str, flags: int = 0) -> apsw.Connection:
    db = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | flags)
    db.set_busy_timeout(5_000)
    return db


def _can_read(db: apsw.Connection) -> bool:
    """Whether SQLite has, or can make, the files beside a database that it needs to read it."""
    try:
        db.execute("select 1 from sqlite_schema limit 1").fetchall()
    except (apsw.CantOpenError, apsw.ReadOnlyError):
        return False
    return True


def _refuse_newer(db: apsw.Connection, known: int, what: str, application_id: int) -> None:
    version = _pragma(db, "user_version")
    application = _pragma(db, "application_id")
    if application not in (0, application_id):
        raise CatalogCorrupt(f"{what} is some other program's file (application id {application:#x})")
    if version > known:
        raise NewerFormat(
            f"{what} has schema {version}, this vragd understands up to {known}",
            hint="upgrade vragd, or move the data directory away to index anew",
        )


def _migrate(db: apsw.Connection, migrations: list[Migration], what: str, application_id: int) -> None:
    """Each step and its version commit together, so a crash leaves the schema before it."""
    while (version := _pragma(db, "user_version")) < len(migrations):
        with transaction(db, what):
            migrations[version](db)
            if broken := list(db.execute("pragma foreign_key_check")):  # tells by rows, never raises
                raise CatalogCorrupt(f"migration {version + 1} left {len(broken)} dangling rows")
            db.execute(f"pragma user_version = {version + 1}")
            db.execute(f"pragma application_id = {application_id}")
            reach("migration.applied")
        reach("migration.committed")


def _pragma(db: apsw.Connection, name: str) -> int:
    ((value,),) = db.execute(f"pragma {name}")
    assert isinstance(value, int)
    return value


@contextmanager
def transaction(db: apsw.Connection, what: str = "the catalog") -> Iterator[None]:
    """Everything inside commits together, or nothing does. SQLite's errors become ours."""
    with translated(what, db):
        db.execute("begin immediate")
        try:
            yield
            reach("transaction.filled")
            db.execute("commit")
            reach("transaction.committed")
        except BaseException:
            if db.in_transaction:  # a full disk has already rolled back
                db.execute("rollback")
            raise


@contextmanager
def translated(what: str, db: apsw.Connection | None = None) -> Iterator[None]:
    """Turn SQLite's and the system's errors about `what` into the project's."""
    try:
        yield
    except apsw.Error as error:
        raise _ours(error, what, db.system_errno if db else 0) from error
    except UnicodeDecodeError as error:  # what was written as UTF-8 no longer is
        raise _damaged(what, error) from error
    except OSError as error:
        raise disk_error(error, what) from error


def _ours(error: apsw.Error, what: str, errno: int) -> VragdError:
    if isinstance(error, apsw.FullError):
        return DiskFull(f"no space left while writing {what}", hint="free some space; vragd goes on by itself")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return _damaged(what, error)
    if isinstance(error, apsw.CantOpenError) and (none_left := _none_left(errno)):
        return disk_error(none_left, what)
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError):
        return DataDirError(f"cannot write {what}: {error}", hint="check the data directory's permissions")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        hint = "let the other program finish; vragd goes on by itself"
        return CatalogLocked(f"another program holds the lock of {what}", hint=hint)
    if isinstance(error, apsw.IOError):
        # SQLite reports EFBIG and a quota as plain write errors, as it does a disk that breaks
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_WRITE and (not errno or errno in NO_SPACE):
            return DiskFull(f"no space left while writing {what}: {error}", hint="free some space, or raise the limit")
        hint = "look at the disk and the system's log; vragd goes on by itself when it works again"
        return DataDirError(f"the disk failed while using {what}: {error}", hint=hint)
    return DataDirError(f"SQLite refuses to use {what}: {error}")


def _none_left(errno: int) -> OSError | None:
    """Why no file at all can be opened: where there is no connection, SQLite does not tell."""
    if errno in NO_FILES:
        return OSError(errno, "")
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error if error.errno in NO_FILES else None
    return None


def _damaged(what: str, error: Exception) -> CatalogCorrupt:
    return CatalogCorrupt(f"{what} is damaged: {error}", hint="vragd moves it away and indexes anew")
