"""A file of SQLite's that this process has open, and others read."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vragd.catalog.schema import MIGRATIONS
from vragd.errors import TooManyOpen
from vragd.system.sqlite import make_private, open_read_only, open_read_write

READ = (
    "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); print(db.execute('select count(*) from t').fetchone()[0])"
)


def read_elsewhere(path: Path) -> int:
    """How many rows another program sees, which may believe to be the last that has the file open."""
    run = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    return int(run.stdout)


def test_a_file_that_is_open_stays_ours_when_it_is_opened_to_write_and_is_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    first = open_read_write(path, MIGRATIONS)
    first.execute("create table t(n)")
    first.close()
    reader = open_read_only(path)
    assert list(reader.execute("select count(*) from t")) == [(0,)]
    writer = open_read_write(path, MIGRATIONS)
    for n in (1, 2, 3):
        writer.execute("insert into t values (?)", (n,))
        assert read_elsewhere(path) == n
        assert Path(f"{path}-wal").exists(), "the log that is written to"
    writer.close()
    reader.close()


@contextmanager
def files_left(n: int) -> Iterator[None]:
    """So many more may be opened, as descriptors lie now."""
    held = [os.dup(0) for _ in range(n + 1)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for fd in held:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("left", [0, 1, 2])
def test_the_limit_of_open_files_is_told_as_such_and_passes_by_itself(tmp_path: Path, left: int) -> None:
    path = tmp_path / "catalog.db"
    open_read_write(path, MIGRATIONS).close()
    with files_left(left), pytest.raises(TooManyOpen, match=r"catalog\.db") as caught:
        open_read_write(path, MIGRATIONS)
    assert (caught.value.transient, caught.value.daemon_status) == (True, 75)
    open_read_write(path, MIGRATIONS).close()


def test_whoever_only_reads_is_told_so_too(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_read_write(path, MIGRATIONS).close()
    with files_left(0), pytest.raises(TooManyOpen, match=r"catalog\.db"):
        open_read_only(path)
    open_read_only(path).close()


def test_a_file_is_made_for_its_owner_alone_and_never_through_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "new.db", tmp_path / "link.db"
    make_private(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"x")
    make_private(path)
    assert path.read_bytes() == b"x"
    for target in (path, tmp_path / "nowhere"):
        link.symlink_to(target)
        with pytest.raises(OSError, match="symbolic links"):
            make_private(link)
        link.unlink()
    assert not (tmp_path / "nowhere").exists()
