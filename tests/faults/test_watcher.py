"""A real daemon whose watch dies, whose source changes under it, and which meets what is no note."""

from __future__ import annotations

import mmap
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import faulty
from tests.harness import PYTHONS, Vragd, until, vragd
from vragd import __file__ as vragd_package
from vragd.client import Client

QUICK = {"settle_ms": 20}


def begin(daemon: Vragd, python: str = sys.executable, **how: Any) -> None:
    """As `start`, with the daemon that has faults built in."""
    with daemon.log_file.open("ab") as log:
        command = [python, faulty.__file__, "run"]
        daemon.process = subprocess.Popen(command, stderr=log, **{"env": daemon.env} | how)
    until(daemon.answers, "the daemon to answer")
    daemon.settle()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Vragd]:
    """A daemon of the test's own, not yet started."""
    with vragd(tmp_path, watch=QUICK) as one:
        yield one


@pytest.fixture(scope="module")
def started() -> Iterator[Vragd]:
    home = Path(tempfile.mkdtemp(prefix="vragd-")).resolve()
    with vragd(home, watch=QUICK) as one:
        (one.vault / "kept.md").write_text("kept from test to test\n")
        begin(one)
        yield one
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def daemon(started: Vragd) -> Iterator[Vragd]:
    """A daemon that runs; what a test puts into its vault goes with it."""
    assert set(started.files()) == {"kept.md"}
    yield started
    for path in started.vault.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "kept.md":
            path.unlink()
    until(lambda: set(started.files("indexed")) == {"kept.md"}, "the last test's notes to go")
    started.settle()


def scans(daemon: Vragd) -> int:
    """How many scans of the whole source there were."""
    return daemon.log().count("source.scan_finished")


def inotify_instances(daemon: Vragd) -> int:
    assert daemon.process is not None
    open_ones = Path(f"/proc/{daemon.process.pid}/fd").iterdir()
    return sum("inotify" in os.path.realpath(one) for one in open_ones)


def finds(daemon: Vragd, word: str, *paths: str) -> None:
    until(lambda: daemon.paths(word, mode="keyword") == list(paths), f"{word} in {paths}")


# --- the watch -------------------------------------------------------------------------------------


def test_a_dead_thread_of_the_watch_is_replaced_and_what_it_missed_is_found(daemon: Vragd) -> None:
    def died() -> list[dict[str, Any]]:
        return [one for one in daemon.log_lines() if one["event"] == "daemon.exception_uncaught"]

    for n, thread in enumerate(faulty.PLACES, start=1):
        n_scans, note = scans(daemon), daemon.vault / f"{thread}.md"
        (daemon.vault / f".poison-{thread}").touch()
        until(lambda: len(died()) == n, f"the {thread} to die")  # noqa: B023
        assert any(place.startswith("inotify.py") for place in died()[-1]["where"]), "it was that thread"
        note.write_text(f"missed by the dead {thread}\n")
        until(lambda: daemon.log().count("watch.thread_died") == n, f"the dead {thread} to be noticed")  # noqa: B023
        finds(daemon, f"missed {thread}", note.name)
        until(lambda: not daemon.status()["degraded"], "trust")
        assert scans(daemon) == n_scans + 1, "it was found by a scan"
        assert daemon.store["sources"][0]["watching"] == "events"
        note.write_text(f"seen again: quokka{n}\n")
        finds(daemon, f"quokka{n}", note.name)
        assert scans(daemon) == n_scans + 1, "and this by an event"
    until(lambda: inotify_instances(daemon) == 1, "what the dead had open to be closed")
    assert daemon.problems() == []


def test_a_copy_in_the_vaults_place_embeds_nothing_and_is_the_one_that_is_watched(fresh: Vragd) -> None:
    for i in range(30):  # above what the delete guard lets pass
        (fresh.vault / f"n{i}.md").write_text(f"note number{i}\n")
    fresh.start()
    before, shown = fresh.store, fresh.shown()
    away = fresh.home / "away"
    fresh.vault.rename(away)
    subprocess.run(["cp", "-a", str(away), str(fresh.vault)], check=True)
    (away / "n0.md").write_text("written into the old one: an okapi\n")
    until(lambda: fresh.log().count("source.state_changed"), "the change to be noticed")
    until(lambda: not fresh.status()["degraded"], "trust in the new one")
    assert fresh.shown() == shown
    assert fresh.store["n_embedded"] == before["n_embedded"]
    (fresh.vault / "n1.md").write_text("written into the new one: a numbat\n")
    finds(fresh, "numbat", "n1.md")
    (fresh.vault / "n2.md").unlink()
    until(lambda: "n2.md" not in fresh.files(), "a deletion in the new one to be believed")
    assert fresh.paths("okapi", mode="keyword") == []
    assert fresh.problems() == []


def test_a_checkout_of_five_thousand_files_leaves_the_notes_among_them(fresh: Vragd) -> None:
    git = ["git", "-C", str(fresh.vault)]
    notes = [f"src{i}/n{i}.md" for i in range(50)]
    code = [f"src{i % 200}/m{i}.py" for i in range(4_950)]
    lines = ["blob", "mark :1", "data 13", "the same text"]
    for branch, paths in (("few", ["kept.md"]), ("full", notes + code)):
        lines += [f"commit refs/heads/{branch}", "committer t <t@example.com> 0 +0000", "data 0"]
        lines += [f"M 100644 :1 {path}" for path in paths]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "fast-import", "--quiet"], input="\n".join([*lines, ""]), text=True, check=True)
    subprocess.run([*git, "checkout", "-q", "few"], check=True)
    fresh.start()
    assert set(fresh.files()) == {"kept.md"}
    subprocess.run([*git, "checkout", "-q", "full"], check=True)
    assert sum(path.is_file() for path in fresh.vault.glob("src*/*")) == 5_000
    until(lambda: set(fresh.files("indexed")) == set(notes), "the notes of the other branch, and nothing else")
    subprocess.run([*git, "checkout", "-q", "few"], check=True)
    until(lambda: set(fresh.files("indexed")) == {"kept.md"}, "them to go again")
    fresh.settle()
    assert fresh.problems() == []


def test_notes_in_three_hundred_folders_made_a_moment_before_are_found_by_events(fresh: Vragd) -> None:
    fresh.start()
    n_scans, wanted = scans(fresh), set()
    for i in range(300):
        folder = fresh.vault / f"t{i}/b/c"
        folder.mkdir(parents=True)
        for name in ("1.md", "2.md"):
            (folder / name).write_text("the same in each\n")
            wanted.add(f"t{i}/b/c/{name}")
    until(lambda: fresh.store["notes"] == len(wanted), "every note")
    assert set(fresh.files("indexed")) == wanted
    assert scans(fresh) == n_scans, "without a scan of the whole"
    (fresh.vault / "t299/b/c/2.md").write_text("watched down there: a bilby\n")
    finds(fresh, "bilby", "t299/b/c/2.md")


def test_writes_that_give_no_event_are_found_by_a_sync(daemon: Vragd) -> None:
    mapped, linked, outside = daemon.vault / "mapped.md", daemon.vault / "linked.md", daemon.home / "outside"
    mapped.write_text("mapped: a wombat\n")
    outside.write_text("linked: a wombat\n")
    os.link(outside, linked)
    until(lambda: len(daemon.paths("wombat", mode="keyword")) == 2, "the two")
    until(lambda: not daemon.status()["pending"], "quiet")
    stamp = mapped.stat().st_mtime_ns
    with mapped.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[8:16] = b"a numbat"
        memory.flush()
        if mapped.stat().st_mtime_ns == stamp:
            pytest.skip("this file system gives a mapped write no new time")
        outside.write_text("linked: a numbat\n")
        (daemon.vault / "seen.md").write_text("an ordinary save: a quokka\n")
        finds(daemon, "quokka", "seen.md")
        assert daemon.paths("numbat", mode="keyword") == [], "an event came: this proves nothing"
        assert daemon.run("sync", "--wait").returncode == 0
        assert set(daemon.paths("numbat", mode="keyword")) == {"mapped.md", "linked.md"}
    assert daemon.problems() == []


@pytest.mark.parametrize("place", ["before", "within"])
def test_a_folder_renamed_while_it_is_scanned_ends_under_its_new_name(daemon: Vragd, place: str) -> None:
    folder = daemon.vault / "folder"
    folder.mkdir()
    for i in range(30):
        (folder / f"n{i}.md").write_text(f"note number{i}\n")
    wanted = {"kept.md"} | {f"folder/n{i}.md" for i in range(30)}
    until(lambda: set(daemon.files("indexed")) == wanted, "the folder")
    daemon.settle()
    embedded = daemon.store["n_embedded"]
    (daemon.home / f"hold-{place}").touch()
    daemon.client.request("POST", "/v1/sync", {})
    until((daemon.home / "held").exists, "the scan to stand at the folder")
    folder.rename(daemon.vault / "moved")
    (daemon.home / "go").touch()
    wanted = {"kept.md"} | {f"moved/n{i}.md" for i in range(30)}
    until(lambda: set(daemon.files()) == wanted, "the folder under its new name, and not under the old")
    daemon.settle()
    assert set(daemon.files("indexed")) == wanted
    assert daemon.store["n_embedded"] == embedded
    assert daemon.problems() == []


# --- what may not be read --------------------------------------------------------------------------

SOMEBODY = 65533


class _AsSomebody(Client):
    """Speaks to the socket as the user the daemon runs as: to any other it does not answer."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        os.seteuid(SOMEBODY)
        try:
            return super().request(*args, **kwargs)
        finally:
            os.seteuid(0)


def _somebodys(path: Path, mode: int) -> None:
    os.chown(path, SOMEBODY, SOMEBODY)
    path.chmod(mode)


def _as_somebody(daemon: Vragd) -> dict[str, Any]:
    """How to run a program as somebody who can read this checkout and the packages; skips where nobody can."""
    if os.geteuid() != 0:
        pytest.skip("needs root to run the daemon as another user: root itself may read everything")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    path = os.pathsep.join([str(Path(vragd_package).parents[1]), *packages])
    who = {
        "user": SOMEBODY,
        "group": SOMEBODY,
        "extra_groups": [],
        "cwd": "/",
        "env": daemon.env | {"PYTHONPATH": path},
    }
    for python in PYTHONS:
        try:
            tried = subprocess.run([python, "-c", "import vragd.daemon.life"], capture_output=True, check=False, **who)
        except OSError:
            continue
        if tried.returncode == 0:
            return who | {"python": python}
    pytest.skip("another user cannot read this Python or this checkout")


def test_notes_of_an_unreadable_folder_stay_and_its_new_ones_come_when_it_is_readable(fresh: Vragd) -> None:
    how = _as_somebody(fresh)
    folder = fresh.vault / "folder"
    folder.mkdir()
    for i in range(30):
        (folder / f"n{i}.md").write_text(f"note number{i}\n")
    for path in (fresh.home, *fresh.home.rglob("*")):
        _somebodys(path, 0o700)
    fresh.client = _AsSomebody(fresh.socket)
    begin(fresh, **how)

    folder.chmod(0)
    (folder / "new.md").write_text("written while it was shut: a numbat\n")
    (folder / "n1.md").write_text("changed while it was shut: a quokka\n")
    (folder / "n2.md").unlink()
    for path in folder.iterdir():
        _somebodys(path, 0o600)
    fresh.client.request("POST", "/v1/sync", {"wait_s": 5})
    (fresh.vault / "beside.md").write_text("not shut: a bilby\n")
    _somebodys(fresh.vault / "beside.md", 0o600)
    finds(fresh, "bilby", "beside.md")
    known = {path for path, row in fresh.files("indexed", "failed").items() if row["n_chunks"]}
    assert known == {"beside.md"} | {f"folder/n{i}.md" for i in range(30)}, "every known note stays"
    assert fresh.paths("number2", mode="keyword") == ["folder/n2.md"]
    assert fresh.paths("numbat", mode="keyword") == []

    folder.chmod(0o700)
    finds(fresh, "numbat", "folder/new.md")
    finds(fresh, "quokka", "folder/n1.md")
    finds(fresh, "number2")
    fresh.settle()
    assert fresh.problems() == []


# --- what is no note -------------------------------------------------------------------------------


def test_a_note_of_any_name_is_found_edited_renamed_and_deleted_by_events(daemon: Vragd) -> None:
    n_scans, kept = scans(daemon), daemon.shown()
    names = [os.fsdecode(raw) for raw in (b"bad\xff.md", b"dir\xfe/in\xff.md", b"two\nlines.md")]
    for name in names:
        (daemon.vault / name).parent.mkdir(exist_ok=True)
    for word in ("numbat", "quokka"):
        for name in names:
            (daemon.vault / name).write_text(f"{word}\n")
        until(lambda: daemon.shown() == kept | {(name, word) for name in names}, f"every {word}")  # noqa: B023
        assert len(daemon.paths(word, mode="keyword")) == 3
    renamed = [name.replace(".md", os.fsdecode(b"\xfd.md")) for name in names]
    for old, new in zip(names, renamed, strict=True):
        (daemon.vault / old).rename(daemon.vault / new)
    until(lambda: daemon.shown() == kept | {(name, "quokka") for name in renamed}, "the new names")
    for name in renamed[:2]:
        (daemon.vault / name).unlink()
    until(lambda: daemon.shown() == kept | {(renamed[2], "quokka")}, "two of them to go")
    assert scans(daemon) == n_scans
    assert daemon.problems() == []


def test_a_note_that_becomes_a_folder_and_a_note_again_is_what_it_is(daemon: Vragd) -> None:
    note = daemon.vault / "a.md"
    note.write_text("a note: a numbat\n")
    finds(daemon, "numbat", "a.md")
    note.unlink()
    note.mkdir()
    (note / "inside.md").write_text("inside of it: a quokka\n")
    until(lambda: set(daemon.files()) == {"kept.md", "a.md/inside.md"}, "the folder")
    shutil.rmtree(note)
    note.write_text("a note again: a numbat\n")
    until(lambda: set(daemon.files()) == {"kept.md", "a.md"}, "the note")
    finds(daemon, "again", "a.md")
    assert daemon.problems() == []


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def _device(path: Path) -> None:
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # as /dev/zero, which has no end


def test_what_is_no_file_blocks_nobody_and_a_note_it_replaces_goes(daemon: Vragd) -> None:
    kinds: dict[str, Callable[[Path], None]] = {"fifo": os.mkfifo, "socket": _socket}
    if os.geteuid() == 0:
        kinds["device"] = _device
    for name in kinds:
        (daemon.vault / f"{name}.md").write_text("a note: a numbat\n")
    until(lambda: len(daemon.paths("numbat", mode="keyword")) == len(kinds), "the notes")
    for name, make in kinds.items():
        make(daemon.vault / f"new {name}.md")
        (daemon.vault / f"{name}.md").unlink()
        make(daemon.vault / f"{name}.md")
    (daemon.vault / "b.md").write_text("saved after them: a quokka\n")
    finds(daemon, "quokka", "b.md")
    finds(daemon, "numbat")
    daemon.settle()
    skipped = {path: row["reason"] for path, row in daemon.files("skipped").items()}
    wanted = {f"{when}{name}.md" for name in kinds for when in ("new ", "")}
    assert skipped == dict.fromkeys(wanted, "not_a_regular_file")
    assert daemon.problems() == []


def test_whoever_waits_for_a_reader_of_a_fifo_goes_on_waiting(daemon: Vragd) -> None:
    fifo = daemon.vault / "fifo.md"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", 'echo ready; exec 3> "$1"', "sh", str(fifo)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.read(6) == b"ready\n"
        waits = Path(f"/proc/{writer.pid}/wchan")
        until(lambda: "fifo" in waits.read_text() or "wait_for_partner" in waits.read_text(), "it to wait for a reader")
        for i in range(3):
            os.utime(fifo)
            (daemon.vault / "b.md").write_text(f"saved afterwards, numbat{i}\n")
            finds(daemon, f"numbat{i}", "b.md")
        daemon.settle()
        assert writer.poll() is None, "somebody opened the fifo"
        writer.kill()


def test_a_note_that_grows_whenever_it_is_read_waits_alone_and_keeps_its_last_version(daemon: Vragd) -> None:
    note = daemon.vault / "growing.md"
    note.write_text("growing: a numbat\n")
    finds(daemon, "numbat", "growing.md")
    until(lambda: not daemon.status()["pending"], "quiet")
    (daemon.home / "grow").touch()
    note.write_text("growing: a quokka\n")
    for i in range(3):
        (daemon.vault / f"b{i}.md").write_text(f"beside it, bilby{i}\n")
        finds(daemon, f"bilby{i}", f"b{i}.md")
    grown = daemon.home / "grown"
    until(lambda: grown.exists() and grown.stat().st_size >= 6, "it to have been torn in two rounds")
    assert daemon.paths("numbat", mode="keyword") == ["growing.md"], "the last whole version answers"
    assert daemon.paths("quokka", mode="keyword") == []
    assert daemon.status()["pending"] >= 1
    (daemon.home / "grow").unlink()
    finds(daemon, "quokka", "growing.md")
    assert dict(daemon.shown())["growing.md"] == note.read_text().strip()
    daemon.settle()
    assert daemon.problems() == []
