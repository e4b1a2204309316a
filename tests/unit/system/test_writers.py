"""One process writes a place; a lock whose file somebody removed is taken anew, or was lost to another process."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vragd.errors import BackendUnavailable, DataDirError
from vragd.system.writers import OnlyWriter

TAKE = """
import sys
from pathlib import Path
from vragd.errors import BackendUnavailable
from vragd.system.writers import OnlyWriter
try:
    OnlyWriter(Path(sys.argv[1])).take()
except BackendUnavailable:
    print("refused", flush=True)
else:
    print("took", flush=True)
sys.stdin.read()
"""


def another(place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TAKE, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_last_holder_of_a_process_lets_go(tmp_path: Path) -> None:
    place = tmp_path / "vectors"
    one, two = OnlyWriter(place), OnlyWriter(place)
    one.take()
    one.take()
    with two.turn():
        one.release()
    one.release()
    with another(place) as other:
        assert says(other) == "refused"
        other.kill()
    two.release()
    with another(place) as other:
        assert says(other) == "took"
        other.kill()


def test_a_place_is_one_by_whatever_link_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder/vectors").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "folder/vectors")
    (tmp_path / "above").symlink_to(tmp_path / "folder")
    one = OnlyWriter(tmp_path / "folder/vectors")
    one.take()
    for name in ("link", "above/vectors"):
        with another(tmp_path / name) as other:
            assert says(other) == "refused"
            other.kill()
    one.release()


def test_a_lock_that_was_removed_is_taken_anew(tmp_path: Path) -> None:
    place = tmp_path / "vectors"
    one, two = OnlyWriter(place), OnlyWriter(place)
    one.take()
    two.take()
    place.with_name("vectors.lock").unlink()
    one.take()
    with another(place) as other:
        assert says(other) == "refused"
        other.kill()
    one.release()
    two.release()
    with another(place) as other:
        assert says(other) == "took"
        other.kill()


def test_a_lock_that_was_removed_and_taken_by_another_process_is_lost_until_that_ends(tmp_path: Path) -> None:
    place = tmp_path / "vectors"
    one = OnlyWriter(place)
    one.take()
    place.with_name("vectors.lock").unlink()
    with another(place) as other:
        assert says(other) == "took"
        with pytest.raises(BackendUnavailable, match=f"pid {other.pid}"):
            one.take()
        other.kill()
    one.take()
    one.release()


def test_who_only_looks_keeps_nobody_from_writing(tmp_path: Path) -> None:
    lock = tmp_path / "vectors.lock"
    lock.touch()
    looking = os.open(lock, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)

    def flock(fd: int, how: int) -> None:
        try:
            fcntl.flock(fd, how)
        except BlockingIOError:
            fcntl.flock(looking, fcntl.LOCK_UN)  # as `look` does at once
            raise

    writer = OnlyWriter(tmp_path / "vectors", flock)
    try:
        writer.take()
        writer.release()
        fcntl.flock(looking, fcntl.LOCK_SH)
        with pytest.raises(BackendUnavailable, match="another process"):
            OnlyWriter(tmp_path / "vectors").take()
    finally:
        os.close(looking)


def test_a_file_system_without_locks_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "vectors.lock").touch()

    def flock(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    writer = OnlyWriter(tmp_path / "vectors", flock)
    for ask in (writer.look, writer.take):
        with pytest.raises(DataDirError, match=r"vectors\.lock: No locks available"):
            ask()
