"""Where events cannot be trusted: polling, a daemon that was stopped for a while, storms, links."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness import Vragd, until, vragd


def test_polling_finds_an_edit_without_events(tmp_path: Path) -> None:
    with vragd(tmp_path, watch={"mode": "poll", "poll_s": 0.2}) as daemon:
        (daemon.vault / "a.md").write_text("first\n")
        daemon.start()
        assert daemon.store["sources"][0]["watching"] == "polling"
        (daemon.vault / "a.md").write_text("second quokka\n")
        until(lambda: daemon.paths("quokka", mode="keyword"), "the edit")


def test_an_overflowing_queue_is_said_and_made_up_for(tmp_path: Path) -> None:
    n = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if n > 65_536:
        pytest.skip(f"this machine queues {n} events: overflowing it takes too long")
    with vragd(tmp_path) as daemon:
        daemon.start()
        assert daemon.process is not None
        note = daemon.vault / "a.md"
        note.write_text("before\n")
        until(lambda: daemon.paths("before", mode="keyword"), "the first version")
        daemon.process.send_signal(signal.SIGSTOP)
        for i in range(n // 2 + 500):  # each is a create and a close at least, in a place that is ignored
            (daemon.vault / f".{i}").touch()
        note.write_text("after numbat\n")
        (daemon.vault / "b.md").write_text("also wombat\n")
        daemon.process.send_signal(signal.SIGCONT)
        until(lambda: daemon.paths("numbat", mode="keyword") and daemon.paths("wombat", mode="keyword"), "both")
        until(lambda: "watch.events_lost" in daemon.log(), "the loss to be noticed")
        daemon.settle()
        assert daemon.problems() == []


def test_when_watches_run_out_the_source_is_polled(tmp_path: Path) -> None:
    limit = "echo 8 > /proc/sys/user/max_inotify_watches"
    if subprocess.run(["unshare", "-Ur", "sh", "-c", limit], capture_output=True, check=False).returncode:
        pytest.skip("this machine forbids user namespaces")
    daemon = Vragd(tmp_path, watch={"poll_s": 0.2})
    for i in range(20):
        (daemon.vault / f"folder{i}").mkdir()
    with daemon.log_file.open("ab") as log:
        daemon.process = subprocess.Popen(
            ["unshare", "-Ur", "sh", "-c", f'{limit}; exec "$0" -m vragd run', sys.executable],
            env=daemon.env,
            stderr=log,
        )
    try:
        until(daemon.answers, "the daemon to answer")
        until(lambda: daemon.store["sources"][0]["watching"] == "polling", "polling")
        (daemon.vault / "folder19/a.md").write_text("in a folder without a watch: bandicoot\n")
        until(lambda: daemon.paths("bandicoot", mode="keyword"), "the note")
        assert "max_user_watches" in daemon.log()
    finally:
        daemon.kill()


def test_links_out_of_the_vault_are_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("a secret axolotl\n")
    with vragd(tmp_path) as daemon:
        (daemon.vault / "link.md").symlink_to(outside / "secret.md")
        (daemon.vault / "folder").symlink_to(outside)
        (daemon.vault / "a.md").write_text("plain\n")
        daemon.start()
        (daemon.vault / "later.md").symlink_to(outside / "secret.md")
        (daemon.vault / "b.md").write_text("plain too\n")
        until(lambda: "b.md" in daemon.files("indexed"), "the last note")
        daemon.settle()
        assert daemon.query("axolotl", mode="keyword")["hits"] == []
        assert daemon.files("skipped")["link.md"]["reason"] == "symbolic_link"
        assert set(daemon.files("indexed")) == {"a.md", "b.md"}


def test_a_storm_in_git_indexes_nothing(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "a.md").write_text("plain\n")
        daemon.start()
        before = daemon.status()["generation"]
        for i in range(3_000):
            path = daemon.vault / f".git/objects/{i % 50}/{i}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("noise")
        (daemon.vault / "b.md").write_text("numbat\n")
        until(lambda: daemon.paths("numbat", mode="keyword"), "the note beside the storm")
        daemon.settle()
        assert daemon.status()["generation"] == before + 1
        assert set(daemon.files()) == {"a.md", "b.md"}


def test_nothing_private_is_logged(tmp_path: Path) -> None:
    canaries = ("kiwicanaryfolder", "kiwicanarytitle", "kiwicanarytext", "kiwicanaryquery")
    with vragd(tmp_path) as daemon:
        folder = daemon.vault / "kiwicanaryfolder"
        folder.mkdir()
        (folder / "kiwicanarytitle.md").write_text("kiwicanarytext\n")
        (folder / "kiwicanarytitle binary.md").write_bytes(b"\0" * 100 + b"kiwicanarytext")
        daemon.start()
        daemon.query("kiwicanaryquery")
        daemon.client.request("GET", "/healthz")
        (folder / "kiwicanarytitle.md").rename(folder / "kiwicanarytitle2.md")
        daemon.settle()
        shutil.rmtree(folder)
        until(lambda: not daemon.files("indexed"), "the folder to go")
        daemon.vault.rename(tmp_path / "gone")
        until(lambda: "source_offline" in daemon.status()["degraded"], "the vault to be missed")
        daemon.stop()
        assert "sync.notes_applied" in daemon.log()
        assert [word for word in canaries if word in daemon.log()] == []
        assert str(daemon.vault) not in daemon.log()


def exchange(one: Path, other: Path) -> None:
    """Two folders change places in one stroke; skips where the system cannot do that."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_here, swap = -100, 2
    if not hasattr(libc, "renameat2") or libc.renameat2(at_here, bytes(one), at_here, bytes(other), swap):
        pytest.skip("folders cannot be exchanged here")


def test_folders_that_changed_places_are_watched_under_their_new_names(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        for name in ("A/a.md", "B/b.md", "A/sub/x.md", "B/sub/y.md"):
            (daemon.vault / name).parent.mkdir(parents=True, exist_ok=True)
            (daemon.vault / name).write_text("plain\n")
        daemon.start()
        exchange(daemon.vault / "A", daemon.vault / "B")
        until(lambda: set(daemon.files("indexed")) == {"A/b.md", "A/sub/y.md", "B/a.md", "B/sub/x.md"}, "the exchange")
        for n, name in enumerate(("A/b.md", "B/a.md", "A/sub/y.md", "B/sub/x.md", "A/sub/new.md", "B/new.md")):
            (daemon.vault / name).write_text(f"edited quokka{n}\n")
            until(lambda: daemon.paths(f"quokka{n}", mode="keyword") == [name], name)  # noqa: B023
        assert daemon.store["sources"][0]["watching"] == "events"


def test_a_folder_that_may_not_be_read_is_polled_alone_and_watched_when_it_may(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read anything")
    with vragd(tmp_path) as daemon:
        (daemon.vault / "locked").mkdir(mode=0)
        (daemon.vault / "open").mkdir()
        daemon.start()
        assert daemon.store["sources"][0]["watching"] == "events"
        assert daemon.store["sources"][0]["unwatched"] == {"locked": "eacces"}
        (daemon.vault / "open/n.md").write_text("numbat\n")
        until(lambda: daemon.paths("numbat", mode="keyword"), "a note elsewhere, by an event")
        (daemon.vault / "locked").chmod(0o700)
        until(lambda: daemon.store["sources"][0]["unwatched"] == {}, "it to be watched")
        (daemon.vault / "locked/n.md").write_text("bandicoot\n")
        until(lambda: daemon.paths("bandicoot", mode="keyword"), "a note in it, by an event")


def test_nothing_excluded_is_watched(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        source = {"path": str(daemon.vault), "exclude": ["node_modules/"]}
        daemon.configure(stores={"notes": {"sources": [source]}})
        for name in (".git/objects", "node_modules/deep", "Notes/deep"):
            for i in range(20):
                (daemon.vault / name / str(i)).mkdir(parents=True)
        (daemon.vault / ".obsidian/plugins/one").mkdir(parents=True)
        (daemon.vault / ".obsidian/app.json").write_text('{"userIgnoreFilters": ["Notes/deep/1"]}')
        daemon.start()
        # the root, .obsidian, Notes, Notes/deep, and of its twenty folders those that do not begin with 1
        assert n_watches(daemon) == 4 + 9
        (daemon.vault / ".git/objects/later").mkdir()
        (daemon.vault / "Notes/later").mkdir()
        until(lambda: n_watches(daemon) == 14, "the new folder to be watched, and that only")
        (daemon.vault / ".obsidian/app.json").write_text("{}")
        until(lambda: n_watches(daemon) == 25, "what is excluded no longer to be watched")


def n_watches(daemon: Vragd) -> int:
    assert daemon.process is not None
    n_found = 0
    for info in Path(f"/proc/{daemon.process.pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            n_found += info.read_text().count("inotify wd:")
    return n_found


def test_folders_nested_deeper_than_anybody_expects_hold_up_nobody(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        fd = os.open(daemon.vault, os.O_RDONLY)
        for _ in range(1_100):
            os.mkdir("d", dir_fd=fd)
            fd, above = os.open("d", os.O_RDONLY, dir_fd=fd), fd
            os.close(above)
        try:
            daemon.start()
            (daemon.vault / "a.md").write_text("numbat\n")
            until(lambda: daemon.paths("numbat", mode="keyword"), "a note")
            with open(os.open("deep.md", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "w") as note:
                note.write("a deep bandicoot\n")
            until(lambda: daemon.paths("bandicoot", mode="keyword"), "the deepest note, by an event")
            assert daemon.status()["degraded"] == []
            assert daemon.store["sources"][0]["unwatched"] == {}
        finally:
            os.close(fd)
            daemon.kill()
            subprocess.run(["rm", "-rf", str(daemon.vault)], check=True)
