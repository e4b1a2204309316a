"""Files of the data directory: private from birth, replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.system import System
from vragd.errors import DataDirError, DiskFull
from vragd.system.files import (
    bytes_below,
    disk_error,
    free_mib,
    private_dir,
    sweep_temporary,
    vault_around,
    write_atomic,
)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- write_atomic ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("open_umask")
def test_a_file_is_private_whatever_the_umask_and_its_old_mode(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    (tmp_path / "f").chmod(0o666)
    write_atomic(tmp_path / "f", [b"new"])
    assert mode(tmp_path / "f") == 0o600


@pytest.mark.usefixtures("open_umask")
def test_a_file_is_private_from_birth(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x"
        (temporary,) = tmp_path.iterdir()
        assert mode(temporary) == 0o600

    write_atomic(tmp_path / "f", parts())


def test_the_parts_are_written_one_after_another(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    big = os.urandom(3_000_000)
    parts = [b"head", memoryview(rows), memoryview(np.zeros((0, 384), np.float32)), b"", memoryview(big)]
    write_atomic(tmp_path / "f", parts)
    assert (tmp_path / "f").read_bytes() == b"head" + rows.tobytes() + big


def test_short_writes_are_gone_on_with(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", [b"0123456789"], System(write=lambda fd, data: os.write(fd, data[:3])))
    assert (tmp_path / "f").read_bytes() == b"0123456789"


def test_a_reader_sees_the_old_file_or_the_new_one_never_part(tmp_path: Path) -> None:
    write_atomic(tmp_path / "f", [b"old" * 1000])
    held = (tmp_path / "f").open("rb")

    def parts() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"new"
        assert (tmp_path / "f").read_bytes() == b"old" * 1000

    write_atomic(tmp_path / "f", parts())
    assert (tmp_path / "f").read_bytes() == b"new" * 1000
    assert held.read() == b"old" * 1000
    held.close()


@pytest.mark.parametrize(
    ("call", "number", "raised"),
    [
        ("write", errno.ENOSPC, DiskFull),
        ("write", errno.EDQUOT, DiskFull),
        ("write", errno.EIO, DataDirError),
        ("fsync", errno.EIO, DataDirError),
        ("fsync", errno.ENOSPC, DiskFull),
        ("open", errno.EROFS, DataDirError),
    ],
)
def test_a_failure_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, call: str, number: int, raised: type[Exception]
) -> None:
    (tmp_path / "f").write_text("old")

    def fail(*args: object) -> None:
        raise OSError(number, os.strerror(number), "/secret/path")

    with pytest.raises(raised) as caught:
        write_atomic(tmp_path / "f", [b"new"], System(**{call: fail}))
    assert "/secret" not in str(caught.value)
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("error", [ValueError("a part cannot be made"), KeyboardInterrupt()])
def test_parts_that_raise_leave_the_old_file_and_no_temporary_one(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "f").write_text("old")

    def parts() -> Iterator[bytes]:
        yield b"new"
        raise error

    with pytest.raises(type(error)):
        write_atomic(tmp_path / "f", parts())
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_what_is_written_is_made_durable_before_and_after_the_rename(tmp_path: Path) -> None:
    steps: list[str] = []

    def fsync(fd: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        os.fsync(fd)

    def replace(path: Path, target: Path) -> None:
        steps.append("rename")
        path.replace(target)

    write_atomic(tmp_path / "f", [b"x"], System(fsync=fsync, replace=replace))
    assert steps == ["file", "rename", "folder"]


def test_a_link_in_the_files_place_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "f").symlink_to("target")
    write_atomic(tmp_path / "f", [b"x"])
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "f").is_symlink()


def test_leftovers_of_a_killed_write_are_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in (".f.0a1b2c3d.tmp", "sub/.g.0a1b2c3d.tmp", "f", "sub/notes.tmp", ".hidden"):
        (tmp_path / name).touch()
    sweep_temporary(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"f", "sub/notes.tmp", ".hidden"}


# --- private_dir ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("open_umask")
def test_a_private_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    assert private_dir(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert mode(tmp_path / "a" / "b") == 0o700


def test_a_directory_of_ours_that_is_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    private_dir(tmp_path / "a")
    assert mode(tmp_path / "a") == 0o700


def test_a_link_that_leads_to_itself_is_refused_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataDirError, match="is a link, where a directory is expected"):
        private_dir(tmp_path / "loop")


def test_a_link_to_a_directory_is_refused_and_its_target_untouched(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(DataDirError, match="is a link, where a directory is expected"):
        private_dir(tmp_path / "link")
    assert mode(tmp_path / "real") == 0o755


@pytest.mark.parametrize("kind", ["file", "dangling", "below a file"])
def test_what_is_no_directory_is_refused_with_a_way_out(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "dangling":
        path.symlink_to("nowhere")
    else:
        path.touch()
    with pytest.raises(DataDirError) as caught:
        private_dir(path / "y" if kind == "below a file" else path)
    assert caught.value.hint


def test_another_users_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    mine = os.geteuid()
    with pytest.raises(DataDirError, match=f"belongs to uid {mine}, vragd runs as uid {mine + 1}"):
        private_dir(tmp_path / "a", mine + 1)
    assert mode(tmp_path / "a") == 0o755


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match="cannot use"):
        private_dir(tmp_path / ("n" * 300))


# --- the rest --------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_from_other_trouble() -> None:
    full = disk_error(OSError(errno.ENOSPC, "x"), "the index")
    other = disk_error(OSError(errno.EIO, "x"), "the index")
    assert isinstance(full, DiskFull)
    assert isinstance(other, DataDirError)
    assert full.hint
    assert "the index" in str(full)
    assert "the index" in str(other)


def test_free_space_is_a_plausible_number(tmp_path: Path) -> None:
    assert 0 <= free_mib(tmp_path) < 1 << 40


def test_sizes_are_added_up_while_files_and_folders_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "stays").write_bytes(b"x" * 100)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            for i in range(20):
                (tmp_path / str(i)).mkdir()
                write_atomic(tmp_path / str(i) / "f", [b"y"])
            for i in range(20):
                (tmp_path / str(i) / "f").unlink()
                (tmp_path / str(i)).rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        sizes = {bytes_below(tmp_path) for _ in range(300)}
    finally:
        done.set()
        thread.join()
    link = (tmp_path / "dangling").lstat().st_size
    assert min(sizes) >= 100 + link
    assert max(sizes) <= 100 + link + 20
    assert bytes_below(tmp_path) == 100 + link
    assert bytes_below(tmp_path / "never was") == 0


def test_a_place_in_a_vault_is_known_also_through_a_link_and_before_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    vault = home / "Notes"
    (vault / ".obsidian").mkdir(parents=True)
    (home / "link").symlink_to(vault)
    monkeypatch.setenv("HOME", str(home))
    for place in (vault / "x", vault / "a" / "b" / "x", home / "link" / "x"):
        assert vault_around(place) == vault
    assert vault_around(home / "x") is None
    assert vault_around(vault) is None, "beside it, and not in it"
    (home / ".obsidian").mkdir()
    assert vault_around(home / ".config" / "x") is None, "a home that was opened as a vault holds all that is ours"
    assert vault_around(vault / "x") == vault
