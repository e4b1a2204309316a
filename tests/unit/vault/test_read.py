"""Reading a note: real files of every kind that can stand at a path."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash

from tests.fakes.system import System
from vragd.vault.read import Content, Gone, Skipped, StatKey, Unreadable, look, read_note

MAX = 1 << 20
LONG_AGO_NS = 1_600_000_000 * 10**9


@pytest.fixture
def root_fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    yield fd
    if before:
        assert len(os.listdir("/proc/self/fd")) == before, "a descriptor leaked"
    os.close(fd)


def as_nobody(code: object) -> int:
    """Run `code()` in a child without root's rights; its result is the exit status."""
    assert callable(code)
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            status = int(code())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_note_is_read_whole_with_its_digest_and_key(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    file = tmp_path / "a" / "b" / "n.md"
    data = os.urandom(300_000)
    file.write_bytes(data)
    found = read_note(root_fd, "a/b/n.md", MAX, 0.05)
    assert isinstance(found, Content)
    assert found.data == data
    assert found.digest == xxhash.xxh3_128_digest(data)
    assert found.key == StatKey.of(file.stat())


def test_an_empty_note_is_content(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").touch()
    found = read_note(root_fd, "n.md", MAX, 0.05)
    assert isinstance(found, Content)
    assert found.data == b""


@pytest.mark.parametrize("path", ["n.md", "no/such/n.md", "file.md/n.md"])
def test_what_is_not_there_is_gone(tmp_path: Path, root_fd: int, path: str) -> None:
    (tmp_path / "file.md").write_text("a file, no folder")
    assert read_note(root_fd, path, MAX, 0.05) == Gone()


def test_reading_leaves_the_file_as_it_was(tmp_path: Path, root_fd: int) -> None:
    file = tmp_path / "n.md"
    file.write_text("x")
    before = StatKey.of(file.stat())
    read_note(root_fd, "n.md", MAX, 0.05)
    assert StatKey.of(file.stat()) == before


def test_fifo_is_skipped_without_blocking(tmp_path: Path, root_fd: int) -> None:
    os.mkfifo(tmp_path / "n.md")
    assert read_note(root_fd, "n.md", MAX, 0.05) == Skipped("not_a_regular_file")


def test_fifo_with_a_writer_is_skipped_and_nothing_is_taken_from_it(tmp_path: Path, root_fd: int) -> None:
    os.mkfifo(tmp_path / "n.md")
    both = os.open(tmp_path / "n.md", os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(both, b"for somebody else")
        assert read_note(root_fd, "n.md", MAX, 0.05) == Skipped("not_a_regular_file")
        assert os.read(both, 100) == b"for somebody else"
    finally:
        os.close(both)


def test_socket_is_skipped(tmp_path: Path, root_fd: int) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "n.md"))
        assert read_note(root_fd, "n.md", MAX, 0.05) == Skipped("not_a_regular_file")


def test_directory_named_like_a_note_is_skipped(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").mkdir()
    assert read_note(root_fd, "n.md", MAX, 0.05) == Skipped("not_a_regular_file")


def test_device_is_skipped(tmp_path: Path, root_fd: int) -> None:
    try:
        os.mknod(tmp_path / "n.md", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: endless
    except PermissionError:
        pytest.skip("making a device takes a right this process does not have")
    # where devices cannot be opened at all the answer is 'unreadable', but never content
    assert read_note(root_fd, "n.md", MAX, 0.05) in (Skipped("not_a_regular_file"), Unreadable("eacces"))


def test_link_to_a_file_is_skipped(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "real.md").write_text("inside")
    (tmp_path / "n.md").symlink_to("real.md")
    (tmp_path / "out.md").symlink_to("/etc/hostname")
    (tmp_path / "loop.md").symlink_to("loop.md")
    for name in ("n.md", "out.md", "loop.md"):
        assert read_note(root_fd, name, MAX, 0.05) == Skipped("symbolic_link")


@pytest.mark.parametrize("link", ["link", "a/link"])
def test_link_to_a_folder_on_the_way_leads_nowhere(
    tmp_path: Path, root_fd: int, tmp_path_factory: pytest.TempPathFactory, link: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "sub").mkdir()
    (outside / "n.md").write_text("secret")
    (outside / "sub" / "n.md").write_text("secret")
    (tmp_path / "a").mkdir()
    (tmp_path / link).symlink_to(outside)
    assert read_note(root_fd, f"{link}/n.md", MAX, 0.05) == Gone()
    assert read_note(root_fd, f"{link}/sub/n.md", MAX, 0.05) == Gone()


@pytest.mark.parametrize("swapped", ["dir", "dir/n.md"])
def test_link_swapped_in_during_a_read_never_leads_outside(
    tmp_path: Path, root_fd: int, tmp_path_factory: pytest.TempPathFactory, swapped: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "n.md").write_text("secret")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "n.md").write_text("inside")
    victim, aside = tmp_path / swapped, tmp_path / "aside"
    target = outside if swapped == "dir" else outside / "n.md"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            victim.rename(aside)
            victim.symlink_to(target)
            victim.unlink()
            aside.rename(victim)
            stop.wait(0.0002)  # lets a reader find the note in its place now and then

    thread = threading.Thread(target=swap)
    thread.start()
    seen: dict[str, int] = {}
    try:
        n, deadline = 0, time.monotonic() + 60
        while (n := n + 1) < 3_000 or (len(seen) < 2 and time.monotonic() < deadline):
            found = read_note(root_fd, "dir/n.md", MAX, 0.05)
            seen[type(found).__name__] = seen.get(type(found).__name__, 0) + 1
            if isinstance(found, Content):
                assert found.data == b"inside"
    finally:
        stop.set()
        thread.join()
    assert seen.get("Content"), "the race was never on"
    assert set(seen) - {"Content"}, "the race was never on"


def test_too_large_is_skipped_without_reading(tmp_path: Path, root_fd: int) -> None:
    with (tmp_path / "n.md").open("wb") as file:
        try:
            file.truncate(1 << 40)
        except OSError:
            file.truncate(MAX + 1)
    found = read_note(root_fd, "n.md", MAX, 0.05)
    assert found == Skipped("too_large", StatKey.of((tmp_path / "n.md").stat()))


def test_the_limit_itself_is_not_too_large(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").write_bytes(b"x" * 1000)
    assert isinstance(read_note(root_fd, "n.md", 1000, 0.05), Content)
    assert isinstance(read_note(root_fd, "n.md", 999, 0.05), Skipped)


def test_growing_past_the_limit_while_read_is_too_large(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").write_bytes(b"x" * 10)
    real = os.read

    def and_grow(fd: int, count: int) -> bytes:
        with (tmp_path / "n.md").open("ab") as file:
            file.write(b"y" * 600)
        return real(fd, count)

    found = read_note(root_fd, "n.md", 1000, 0.05, system=System(read=and_grow))
    assert isinstance(found, Skipped)
    assert found.reason == "too_large"


def test_growing_without_end_is_torn_after_bounded_retries(tmp_path: Path, root_fd: int) -> None:
    file = tmp_path / "n.md"
    file.write_bytes(b"x" * 10)
    calls = 0
    real = os.read

    def and_grow(fd: int, count: int) -> bytes:
        nonlocal calls
        calls += 1
        data = real(fd, count)
        with file.open("ab") as writer:
            writer.write(b"y")
        return data

    assert read_note(root_fd, "n.md", MAX, 0.05, system=System(read=and_grow)) == Unreadable("being_written", torn=True)
    assert calls < 50


@pytest.mark.parametrize("how", ["same_size", "replaced", "truncated", "deleted"])
def test_a_change_during_the_read_is_noticed_and_the_new_content_read(tmp_path: Path, root_fd: int, how: str) -> None:
    file = tmp_path / "n.md"
    file.write_bytes(b"a" * 1000)
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    real = os.read
    changed = False

    def and_change(fd: int, count: int) -> bytes:
        nonlocal changed
        data = real(fd, count)
        if not changed:
            changed = True
            if how == "replaced":
                (tmp_path / "new").write_bytes(b"b" * 1000)
                (tmp_path / "new").rename(file)
            elif how == "deleted":
                file.unlink()
            else:
                file.write_bytes(b"b" * (1000 if how == "same_size" else 10))
        return data

    found = read_note(root_fd, "n.md", MAX, 0.05, system=System(read=and_change))
    if how == "deleted":
        assert found == Gone()
    else:
        assert isinstance(found, Content)
        assert set(found.data) == {ord("b")}


def test_a_change_is_racy_when_fresh_and_not_when_old(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").write_text("x")
    fresh = read_note(root_fd, "n.md", MAX, 60.0)
    settled = read_note(root_fd, "n.md", MAX, -60.0)
    assert isinstance(fresh, Content)
    assert isinstance(settled, Content)
    assert fresh.racy
    assert not settled.racy


def test_a_restored_old_mtime_does_not_hide_that_the_change_is_fresh(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").write_text("restored by cp -p")
    os.utime(tmp_path / "n.md", ns=(LONG_AGO_NS, LONG_AGO_NS))
    found = read_note(root_fd, "n.md", MAX, 60.0)
    assert isinstance(found, Content)
    assert found.racy  # by ctime, which nobody can set


def test_same_size_and_same_mtime_give_another_key(tmp_path: Path) -> None:
    file = tmp_path / "n.md"
    file.write_text("one")
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    before = StatKey.of(file.stat())
    (tmp_path / "other").write_text("two")
    os.utime(tmp_path / "other", ns=(LONG_AGO_NS, LONG_AGO_NS))
    (tmp_path / "other").rename(file)
    after = StatKey.of(file.stat())
    assert (after.size, after.mtime_ns) == (before.size, before.mtime_ns)
    assert after != before


@pytest.mark.skipif(sys.platform != "linux", reason="macOS names are UTF-8")
@pytest.mark.parametrize("raw", [b"bad\xff.md", b"two\nlines.md", b" lead.md", b"\x01\x1b[31m.md", b"a" * 252 + b".md"])
def test_any_name_the_system_allows_is_read(tmp_path: Path, root_fd: int, raw: bytes) -> None:
    (tmp_path / os.fsdecode(raw)).write_text("strange")
    assert isinstance(read_note(root_fd, os.fsdecode(raw), MAX, 0.05), Content)


def test_a_name_no_folder_can_hold_is_gone(root_fd: int) -> None:
    assert read_note(root_fd, "a" * 300 + ".md", MAX, 0.05) == Gone()
    assert read_note(root_fd, "b" * 300 + "/a.md", MAX, 0.05) == Gone()


def test_a_time_that_lies_ahead_is_no_sign_of_a_change_just_now(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").write_text("x")
    os.utime(tmp_path / "n.md", (2**33, 2**33))
    end = time.monotonic() + 20
    while (found := read_note(root_fd, "n.md", MAX, 0.05)).racy:  # type: ignore[union-attr]
        assert time.monotonic() < end
    assert isinstance(found, Content)


@pytest.mark.slow
def test_what_may_not_be_read_is_unreadable_not_gone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "n.md").write_text("x")
    (tmp_path / "n.md").write_text("x")
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    (tmp_path / "n.md").chmod(0)
    (tmp_path / "closed").chmod(0)
    expected = Unreadable("eacces")
    try:
        assert as_nobody(lambda: read_note(fd, "n.md", MAX, 0.05) != expected) == 0
        assert as_nobody(lambda: read_note(fd, "closed/n.md", MAX, 0.05) != expected) == 0
    finally:
        (tmp_path / "closed").chmod(0o700)
        os.close(fd)


def test_an_io_error_is_unreadable_not_gone(tmp_path: Path, root_fd: int) -> None:
    def broken(fd: int, count: int) -> bytes:
        raise OSError(5, "Input/output error")

    (tmp_path / "n.md").write_text("x")
    assert read_note(root_fd, "n.md", MAX, 0.05, system=System(read=broken)) == Unreadable("eio")


def test_a_file_only_in_the_cloud_is_unreadable_and_never_opened(tmp_path: Path, root_fd: int) -> None:
    (tmp_path / "n.md").write_text("x")

    class Dataless:
        st_flags = 0x40000000

    real_open = os.open

    def refuse_notes(path: str, flags: int, **kwargs: int) -> int:
        assert path != "n.md", "opened"
        return real_open(path, flags, **kwargs)

    system = System(stat=lambda *args, **kwargs: Dataless(), open=refuse_notes)
    assert read_note(root_fd, "n.md", MAX, 0.05, system=system) == Unreadable("only_in_the_cloud")


def test_what_is_only_looked_at_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "paper.pdf"
    file.write_text("x")
    os.mkfifo(tmp_path / "fifo.pdf")  # an open of which would wait for its writer
    (tmp_path / "link.pdf").symlink_to(file)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        before = file.stat().st_atime_ns
        assert look(fd, "a/paper.pdf", "not read") == Skipped("not read", StatKey.of(file.stat()))
        assert file.stat().st_atime_ns == before
        assert look(fd, "fifo.pdf", "not read") == Skipped("not_a_regular_file")
        assert look(fd, "a", "not read") == Skipped("not_a_regular_file")
        assert look(fd, "link.pdf", "not read") == Skipped("symbolic_link")
        assert look(fd, "none.pdf", "not read") == Gone()
        assert look(fd, "a/paper.pdf/below.pdf", "not read") == Gone()
    finally:
        os.close(fd)
