"""A SQLite file that is mended on a full disk, or by a process that is ended: a file is there, and nothing is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import apsw
import numpy as np
import pytest

from tests.backends import keys, put
from vragd.backends.base import Entry
from vragd.backends.sqlite.backend import SqliteVectors, create
from vragd.backends.sqlite.file import PAGE
from vragd.backends.sqlite.settings import SqliteBackend
from vragd.errors import DiskFull
from vragd.system import failpoints
from vragd.system.failpoints import EXIT_STATUS

N = 2_000  # of which the vectors take several pages
ROWS = [Entry(f"k-{i}", np.eye(4, dtype=np.float32)[i % 4], {"n": i}, {}, "0" * 16) for i in range(N)]
LATER = [Entry(f"later-{i}", np.ones(4, dtype=np.float32), {}, {}, "0" * 16) for i in range(5)]
PLACES = ("file.written", "file.renamed", "file.finished")
MEND = """
import sys
from pathlib import Path
from vragd.backends.sqlite.backend import create
from vragd.backends.sqlite.settings import SqliteBackend
create(SqliteBackend(type="sqlite", path=sys.argv[1]), Path()).mend_files("notes")
"""


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    yield
    failpoints.install(None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Damaged in the middle: of the collection `mine` of somebody else something is lost."""
    path = tmp_path / "vectors.db"
    with closing(at(path)) as backend:
        for name in ("mine", "notes"):
            backend.create_collection(name, 4, "dot")
        put(backend, "mine", ROWS)
    damage(path)
    return path


def at(path: Path) -> SqliteVectors:
    return create(SqliteBackend(type="sqlite", path=str(path)), Path())


def damage(path: Path) -> None:
    """The first page of vectors: SQLite sees that it is none."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        ((root,),) = db.execute("select rootpage from sqlite_schema where name = 'vectors'")
    data = bytearray(path.read_bytes())
    start = (root - 1) * PAGE
    assert data[start] == 5, "a page above others, by SQLite's format"
    cell = start + int.from_bytes(data[start + 12 : start + 14], "big")
    first = (int.from_bytes(data[cell : cell + 4], "big") - 1) * PAGE
    data[first : first + PAGE] = b"\xff" * PAGE
    path.write_bytes(data)


def mend(path: Path) -> None:
    with closing(at(path)) as backend:
        backend.mend_files("notes")


def names(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()} - {f"{path.name}.lock"}


def with_a_log(path: Path) -> bytes:
    """Have the file a log, as a process leaves it that is killed after it wrote; the log."""
    sound = path.with_name("sound.db")
    with closing(at(sound)) as backend:
        backend.create_collection("mine", 4, "dot")
        backend.create_collection("notes", 4, "dot")
        put(backend, "mine", ROWS)
        backend.tend("mine")
        before = sound.read_bytes()
        put(backend, "mine", LATER)
        log = sound.with_name("sound.db-wal").read_bytes()
    path.write_bytes(before)
    damage(path)
    path.with_name("vectors.db-wal").write_bytes(log)
    sound.unlink(), sound.with_name("sound.db.lock").unlink()
    assert log
    return log


def test_a_second_mending_leaves_what_the_first_one_kept(file: Path) -> None:
    first = file.read_bytes()
    mend(file)
    with closing(at(file)) as backend:
        put(backend, "mine", ROWS)
    damage(file)
    second = file.read_bytes()
    mend(file)
    assert file.with_name("vectors.db.damaged").read_bytes() == first
    assert file.with_name("vectors.db.damaged.2").read_bytes() == second
    assert names(file) == {"vectors.db", "vectors.db.damaged", "vectors.db.damaged.2"}


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("place", ["file.grown", *PLACES])
@pytest.mark.parametrize("log", [False, True], ids=["no log", "a log"])
def test_wherever_the_disk_is_full_there_is_a_file_and_nothing_is_lost(
    file: Path, place: str, nth: int, *, log: bool
) -> None:
    log_was = with_a_log(file) if log else b""
    damaged = file.read_bytes()
    left = nth

    def full(reached: str) -> None:
        nonlocal left
        left -= reached == place
        if reached == place and left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    failpoints.install(full)
    with suppress(DiskFull):
        mend(file)
    failpoints.install(None)
    assert file.exists()
    held = {one.name: one.read_bytes() for one in file.parent.glob("vectors.db*")}
    pairs = [(held[name], held.get(f"{name}-wal", b"")) for name in held]
    assert (damaged, log_was) in pairs, "the damaged file, with what belongs to it"
    mend(file)
    with closing(at(file)) as backend:
        assert 0 < len(keys(backend, "mine")) < N + len(LATER)


def test_a_disk_on_which_nothing_more_can_be_written_is_said_and_changes_nothing(file: Path) -> None:
    damaged = file.read_bytes()

    def full(place: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), place)

    failpoints.install(full)
    with pytest.raises(DiskFull):
        mend(file)
    assert file.read_bytes() == damaged
    assert names(file) <= {"vectors.db", "vectors.db-wal", "vectors.db-shm"}, "what SQLite keeps for who reads"


@pytest.mark.slow
@pytest.mark.parametrize("log", [False, True], ids=["no log", "a log"])
@pytest.mark.parametrize("place", PLACES)
def test_a_mending_that_is_ended_loses_nothing_and_is_gone_on_with(place: str, file: Path, *, log: bool) -> None:
    log_was = with_a_log(file) if log else b""
    damaged = file.read_bytes()
    environment = {**os.environ, "VRAGD_FAILPOINT": f"{place}:{3 if log else 1}"}  # both copies come first
    ended = subprocess.run([sys.executable, "-c", MEND, str(file)], env=environment, check=False)
    assert ended.returncode == EXIT_STATUS
    assert file.exists()
    assert file.with_name("vectors.db.damaged").read_bytes() == damaged
    if log:
        assert file.with_name("vectors.db.damaged-wal").read_bytes() == log_was
    log_there = file.with_name("vectors.db-wal")
    assert not log_there.exists() or file.read_bytes() == damaged, "a log beside the new file is its own"
    mend(file)
    with closing(at(file)) as backend:
        assert len(keys(backend, "mine")) > 0
    assert not [name for name in names(file) if ".tmp" in name], "what the ended one left is swept"
