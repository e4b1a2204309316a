"""
The file: its schema, and the connections of one process to it.

    collections   number, name, identity, dimension, metric, space, model, created_at
    entries       number, collection, key, id, version, properties, payload, created_at, updated_at
    vectors       number (of the entry), vector: float32, little-endian; of length 1 for cosine

`id` is `key_id` of the key. Properties and payloads are JSON, see `plain`. Times are seconds since 1970. The view
`rows` has all of an entry. Vectors stand apart so that a filter does not read them.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw

from vragd.backends.checks import outside_vaults
from vragd.backends.sqlite.exchange import beside, put_in_place, sweep
from vragd.backends.sqlite.mending import copy_readable
from vragd.backends.sqlite.settings import check_no_link
from vragd.errors import (
    BackendDamaged,
    BackendRefused,
    BackendUnavailable,
    CatalogCorrupt,
    CatalogLocked,
    DataDirError,
    NewerFormat,
    UnknownCollection,
)
from vragd.system.alive import STEPS, goes_on
from vragd.system.files import private_dir
from vragd.system.sqlite import Migration, make_private, open_read_only, open_read_write, transaction, translated
from vragd.system.writers import OnlyWriter

APPLICATION_ID = 0x76726776  # "vrgv"
APPLICATION_AT = 68  # bytes into the file, as its format says
AWAY = "choose another path, or move it away: a store on notes fills it anew"
PAGE = 16_384  # bytes: of a vector of 768 numbers a smaller one would waste a quarter
SMALL_PAGE, LITTLE = 1_024, 1 << 19  # and of so little in all most of a large one would be empty, in each table


def _first(db: apsw.Connection) -> None:
    db.execute(
        """
        create table collections (
            number integer primary key, name text not null unique, identity text not null, dimension integer not null,
            metric text not null, space text not null, model text not null, created_at real not null
        ) strict;
        create table entries (
            number integer primary key, collection integer not null references collections, key text not null,
            id integer not null, version text not null, properties text not null, payload text not null,
            created_at real not null, updated_at real not null
        ) strict;
        create unique index entries_by_key on entries (collection, key);
        create index entries_of_collection on entries (collection);
        create table vectors (number integer primary key, vector blob not null) strict;
        create view rows as
            select c.name as collection, e.key, v.vector, e.properties, e.payload, e.version, e.created_at, e.updated_at
            from entries e join collections c on c.number = e.collection join vectors v on v.number = e.number;
        """
    )


MIGRATIONS: list[Migration] = [_first]


class VectorFile:
    """
    Connections to one file: one that writes, as many that read as are asked for at once. Any thread.

    A file that was removed or replaced under an open connection would take writes that nobody reads: each use looks
    whether it is still the one that was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._writer = path, OnlyWriter(path)
        self._writing, self._guard = threading.Lock(), threading.Lock()
        self._write: apsw.Connection | None = None  # used and closed under `_writing` alone
        self._write_opened = 0
        self._idle: list[apsw.Connection] = []
        self._opened: tuple[int, int] | None = None
        self._n_opened = 0  # grows when the file is found to be another: a slow reader still has the one before
        self._closed = False
        self._damage: tuple[tuple[int, int], str] | None = None  # of which file, and what was said of it

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection in a transaction: one state of the file. Raises UnknownCollection where there is no file."""
        with self._ours():
            db, opened = self._reader()
            try:
                db.execute("begin")
                yield db
            finally:
                with suppress(apsw.Error):
                    db.execute("rollback")
                self._give_back(db, opened)

    @contextmanager
    def writing(self, *, make: bool = False) -> Iterator[apsw.Connection]:
        """The connection that writes, in a transaction. Makes the file only if told to, else UnknownCollection."""
        with self._writing, self._ours():
            self._open_to_write(make=make)
            with self._writer.turn():
                db = self._open_to_write(make=make)  # who had the turn before may have put another file there
                with transaction(db, str(self.path)):
                    yield db

    def suit(self, n_bytes: int) -> None:
        """
        Have a file in which there is no entry yet pages for about so much: of large ones few would be full of little.

        Left as it is where somebody else reads it.
        """
        with self._writing, self._ours():
            db = self._open_to_write(make=False)
            with self._writer.turn():
                wanted = PAGE if n_bytes >= LITTLE else SMALL_PAGE
                if db.pragma("page_size") == wanted or list(db.execute("select 1 from entries limit 1")):
                    return
                with self._guard:
                    self._forget()
                    self._close_writing()
                with closing(apsw.Connection(str(self.path))) as alone, suppress(apsw.BusyError, apsw.LockedError):
                    if alone.pragma("journal_mode", "delete") == "delete":  # with a log the pages stay as they are
                        _lay_out(alone, wanted)

    def check(self) -> None:
        """Have SQLite look through the file, past what is remembered of it. Says `progress`. Raises BackendRefused."""
        with self._ours():
            self._exists()
            db = open_read_only(self.path)
            try:
                _is_ours(db, self.path)
                db.set_progress_handler(goes_on, STEPS)
                ((said,),) = db.execute("pragma quick_check(1)")
            finally:
                db.close()
            if said != "ok":
                raise CatalogCorrupt(f"{self.path} is damaged: {said}")

    def mend(self, name: str) -> None:
        """
        Have a file that is damaged hold what can be read of it; one that is sound, or not there, stays as it is.

        All collections are others afterwards, so that whoever fills them looks what they lack. Where something may be
        lost of others than `name`, the damaged file stays beside it, as `put_in_place` says. Says `progress`. Raises
        BackendRefused for a file that nothing tells to be vragd's, BackendUnavailable, also while another process
        writes there.
        """
        with suppress(BackendDamaged, UnknownCollection):
            self.check()
        with self._writing, self._told():
            if self._damaged_as() is None:
                return
            check_no_link(self.path)
            with self._guard:
                self._is_the_same()
                self._writer.take()
                self._forget()
                self._close_writing()
            with self._writer.turn():
                if self._damaged_as() is not None:  # nobody else had a turn to mend it
                    self._replace(name)
            self._damage = None

    def _replace(self, name: str) -> None:
        sweep(self.path)
        made = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        try:
            with (
                closing(_opened_to_write(made)) as into,
                closing(apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)) as of,
            ):
                may_miss = copy_readable(of, into, name)
                into.execute("pragma wal_checkpoint(truncate)")  # or raise: what closing cannot write it does not tell
            put_in_place(made, self.path, keep=may_miss)
        finally:
            for suffix in ("", "-wal", "-shm"):
                beside(made, suffix).unlink(missing_ok=True)

    def checkpoint(self) -> None:
        """Fold what was written into the file itself."""
        with self._writing, self._ours():
            if self._write is not None:
                self._write.execute("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        with self._writing, self._guard:
            self._closed = True
            self._forget()
            self._close_writing()
            self._writer.release()

    def _open_to_write(self, *, make: bool) -> apsw.Connection:
        if not make:
            self._exists()
        else:
            outside_vaults(self.path)
            if not self.path.parent.exists():
                private_dir(self.path.parent)
        check_no_link(self.path)  # before a lock is made beside it
        with self._guard:
            self._is_the_same()  # also: not closed, or nobody would let go of what is taken now
            self._writer.take()
            if self._write_opened != self._n_opened:
                if self._write is not None and self._identity() is None:
                    self.path.unlink(missing_ok=True)  # emptied: what is in the log would be written into it
                self._close_writing()
            if self._write is None:
                self._write = _opened_to_write(self.path)
                self._opened, self._write_opened = self._identity(), self._n_opened
            return self._write

    def _reader(self) -> tuple[apsw.Connection, int]:
        """A connection, and which opening of the file it belongs to."""
        with self._guard:
            if self._closed:
                raise BackendUnavailable("the index is closed", hint="try again in a moment")
            self._exists()
            self._is_the_same()
            opened = self._n_opened
            if self._idle:
                return self._idle.pop(), opened
            self._opened = self._opened or self._identity()
        db = open_read_only(self.path)
        try:
            _is_ours(db, self.path)
        except BaseException:
            db.close()
            raise
        return db, opened

    def _give_back(self, db: apsw.Connection, opened: int) -> None:
        with self._guard:
            if not self._closed and opened == self._n_opened and self._identity() == self._opened:
                self._idle.append(db)
                return
        db.close()

    def _exists(self) -> None:
        if self._identity() is None:
            raise UnknownCollection(f"there is no file {self.path}, or nothing in it")

    def _identity(self) -> tuple[int, int] | None:
        """Which file is there; None for none, as which an empty one counts: nothing is in it."""
        try:
            info = os.stat(self.path)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(info.st_mode):
            raise BackendRefused(f"{self.path} is no ordinary file", hint="choose another path")
        return (info.st_dev, info.st_ino) if info.st_size else None

    def _damaged_as(self) -> str | None:
        """How the file that is there was found to be damaged."""
        if self._damage is None or self._damage[0] != self._identity():
            return None
        return self._damage[1]

    def _is_the_same(self) -> None:
        """Under the guard: forget the connections to a file that is no longer at the path."""
        if self._closed:
            raise BackendUnavailable("the index is closed", hint="try again in a moment")
        if self._opened is not None and self._identity() != self._opened:
            self._forget()

    def _forget(self) -> None:
        for db in self._idle:
            with suppress(apsw.Error):  # of a file that is gone
                db.close()
        self._idle, self._opened = [], None
        self._n_opened += 1

    def _close_writing(self) -> None:
        if self._write is not None:
            with suppress(apsw.Error):  # of a file that is gone, or a disk that is full
                self._write.close()
        self._write = None

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """As `_told`. What was found to be damaged once is so until it is mended, or another file."""
        with self._told():
            if (said := self._damaged_as()) is not None:
                raise CatalogCorrupt(said)
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What is said of a catalog, as it is said of a backend."""
        try:
            with translated(str(self.path)):
                yield
        except CatalogLocked as error:
            raise BackendUnavailable(error.message, hint=error.hint) from error
        except CatalogCorrupt as error:
            raise self._refused(error.message) from error
        except NewerFormat as error:
            raise BackendRefused(error.message, hint="upgrade vragd, or choose another path") from error
        except DataDirError as error:
            raise BackendUnavailable(error.message, hint=f"look at {self.path} and its folder") from error

    def _refused(self, said: str) -> BackendRefused:
        """What is wrong with a file that cannot be read: it is damaged only if something tells that it is vragd's."""
        file = self._identity()
        if file is None or _application(self.path) != APPLICATION_ID:
            return BackendRefused(said, hint=AWAY)
        self._damage = (file, said)
        return BackendDamaged(said, hint=f"vragd verify --repair mends that of a store on notes; else {AWAY}")


def _opened_to_write(path: Path) -> apsw.Connection:
    """
    The one that writes. A file that is not there yet gets its page size, which is fixed with the first thing that is
    written, and the mark by which it is known to be ours, which must not be in its log alone.
    """
    make_private(path)
    if not path.stat().st_size:
        with closing(apsw.Connection(str(path))) as db:
            db.execute(f"pragma application_id = {APPLICATION_ID}")
            _lay_out(db, PAGE)
    return open_read_write(path, MIGRATIONS, what=str(path), application_id=APPLICATION_ID)


def _lay_out(db: apsw.Connection, page: int) -> None:
    db.execute(f"pragma page_size = {page}")
    db.execute("vacuum")


def _application(path: Path) -> int:
    """
    Whose file it says it is, in its first page, whatever else can be read of it.

    By SQLite's own hand: to close a descriptor of ours would take its connections' locks away, see `make_private`.
    """
    try:
        file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0])
        try:
            return int.from_bytes(file.xRead(4, APPLICATION_AT), "big")
        finally:
            file.xClose()
    except apsw.Error:
        return 0


def _is_ours(db: apsw.Connection, path: Path) -> None:
    """Raise CatalogCorrupt or NewerFormat for a file that holds something else."""
    ((application,),) = db.execute("pragma application_id")
    ((version,),) = db.execute("pragma user_version")
    if application != APPLICATION_ID:
        raise CatalogCorrupt(f"{path} was not made by vragd's sqlite backend")
    if not isinstance(version, int) or version > len(MIGRATIONS):
        raise NewerFormat(f"{path} has schema {version}, this vragd understands up to {len(MIGRATIONS)}")
