"""One process at a time holds a data directory, and who asks finds where it answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vragd.errors import DaemonBusy
from vragd.system.lock import Holder, holder, holds, only_process, record


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_second_holder_is_refused_and_told_of_the_first(data: Path) -> None:
    with only_process(data) as lock:
        record(lock, Path("/run/somewhere/s"))
        told = rf"pid {os.getpid()}\) uses .* answers at /run/somewhere/s"
        with pytest.raises(DaemonBusy, match=told), only_process(data):
            pass
        assert holds(lock, data / "lock")
    with only_process(data):
        pass


def test_where_a_holder_answers_is_found(data: Path) -> None:
    assert holder(data) is None
    with only_process(data) as lock:
        assert holder(data) == Holder(os.geteuid(), str(os.getpid()), None), "it serves no socket yet"
        for name in ("/a/long/way/to/the/socket", "/s", "/with\udcffbyte"):
            record(lock, Path(name))
            assert holder(data) == Holder(os.geteuid(), str(os.getpid()), Path(name))


@pytest.mark.parametrize("text", [b"", b"12", b"12\n", b"12\nrelative\n", b"\xff\xfe\n\n", b"x" * 10_000, b"1\n/s"])
def test_a_record_that_says_nothing_is_read_all_the_same(data: Path, text: bytes) -> None:
    data.mkdir()
    (data / "lock").write_bytes(text)
    found = holder(data)
    assert found is not None
    assert found.socket == (Path("/s") if text == b"1\n/s" else None)


def test_what_is_no_file_of_a_lock_is_nobodys(data: Path) -> None:
    data.mkdir()
    (data / "lock").symlink_to("/etc/passwd")
    assert holder(data) is None
    (data / "lock").unlink()
    (data / "lock").mkdir()
    assert holder(data) is None
    assert holder(data / "a\0b") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_the_socket_in_another_users_record_is_not_taken(data: Path) -> None:
    data.mkdir()
    (data / "lock").write_text("12\n/s\n")
    os.chown(data / "lock", 65533, 65533)
    assert holder(data) == Holder(65533, "12", None)
