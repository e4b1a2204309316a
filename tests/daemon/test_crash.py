"""kill -9 at any moment, the vault moved away, two daemons at once."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from tests.depth import at, deeper
from tests.harness import Vragd, copy_vault, tree, until, vragd
from tests.warm import warm
from vragd.notes.chunk import read_note


def chunks_of(vault: Path) -> set[tuple[str, str]]:
    """What the catalog must hold, worked out without it."""
    found = set()
    for note in vault.rglob("*.md"):
        path = note.relative_to(vault)
        if not any(part.startswith(".") for part in path.parts):
            found |= {(str(path), chunk.text) for chunk in read_note(note.read_bytes(), note.stem).chunks}
    return found


def edit(vault: Path, rng: random.Random, step: int) -> None:
    notes = sorted(path for path in vault.rglob("*.md") if ".obsidian" not in path.parts)
    note = rng.choice(notes)
    match rng.randrange(6):
        case 0:
            note.unlink()
        case 1:
            note.rename(note.with_name(f"renamed {step}.md"))
        case 2:
            shutil.copy(note, vault / f"copy {step}.md")
        case 3:
            (vault / f"new {step}.md").write_text(f"# New {step}\n\n" + f"Something new, number {step}. " * 20)
        case _:
            note.write_bytes(note.read_bytes() + f"\n\nStep {step} was here.\n".encode())


@deeper
@pytest.mark.timeout(400)
def test_edits_each_with_a_kill_leave_nothing_to_mend(tmp_path: Path) -> None:
    """Twenty, in a campaign fifty."""
    rng = random.Random(20261121)
    vault, twin = copy_vault("kepano", tmp_path / "Vault"), copy_vault("kepano", tmp_path / "twin")
    with vragd(tmp_path) as daemon:
        daemon.start(idle=False)
        for step in range(at(20, 50)):
            state = rng.getstate()
            edit(vault, rng, step)
            rng.setstate(state)
            edit(twin, rng, step)
            time.sleep(rng.uniform(0, 0.6))  # the moment of the kill is the point
            daemon.kill()
            daemon.start(ready=step % 5 == 4, idle=False)
        until(daemon.answers, "the last daemon to answer")
        before = tree(vault)
        daemon.settle()
        assert daemon.problems() == []
        assert daemon.shown() == chunks_of(vault)
    assert tree(vault) == before
    assert {p: data for p, (data, _) in tree(vault).items()} == {p: data for p, (data, _) in tree(twin).items()}


def test_a_vault_moved_away_deletes_nothing_and_its_return_embeds_nothing(tmp_path: Path) -> None:
    vault = copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        warm(daemon)
        daemon.start()
        before, embedded = daemon.store, daemon.store["n_embedded"]
        vault.rename(tmp_path / "elsewhere")
        until(lambda: "source_offline" in daemon.query("coffee")["degraded"], "the source to be missed")
        assert daemon.paths("cost per use of socks")[0] == "Clippings/Buy wisely.md"
        daemon.run("sync")
        assert daemon.store["notes"] == before["notes"]
        (tmp_path / "elsewhere").rename(vault)
        daemon_ok = lambda: daemon.query("coffee")["degraded"] == []  # noqa: E731
        until(daemon_ok, "the source to be back")
        (vault / "After.md").write_text("written after the return: pangolin\n")
        until(lambda: daemon.paths("pangolin", mode="keyword") == ["After.md"], "the watch to be armed again")
        assert daemon.store["notes"] == before["notes"] + 1
        assert daemon.store["n_embedded"] == embedded + 1
        assert daemon.problems() == []


def test_an_empty_folder_in_the_vaults_place_deletes_nothing(tmp_path: Path) -> None:
    vault = copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        warm(daemon)
        daemon.start()
        vault.rename(tmp_path / "elsewhere")
        vault.mkdir()
        until(lambda: "root_changed" in daemon.query("coffee")["degraded"], "the change to be noticed")
        assert daemon.store["notes"] == 103
        assert daemon.paths("cost per use of socks")[0] == "Clippings/Buy wisely.md"


def test_most_of_a_vault_missing_after_a_pause_is_not_believed_at_once(tmp_path: Path) -> None:
    vault = copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        warm(daemon)
        daemon.start()
        daemon.stop()
        shutil.rmtree(vault / "References")
        shutil.rmtree(vault / "Templates")
        daemon.start(idle=False)
        until(lambda: "deletes_held" in daemon.status()["degraded"], "the guard")
        assert daemon.store["notes"] == 103
        assert daemon.run("sync", "--confirm-deletes", "--wait").returncode == 0
        daemon.settle()
        assert daemon.store["notes"] == len(list(vault.rglob("*.md")))
        assert daemon.problems() == []


def test_a_second_daemon_is_refused_and_the_first_still_answers(tmp_path: Path) -> None:
    (tmp_path / "Vault").mkdir()
    with vragd(tmp_path) as daemon:
        daemon.start(idle=False)
        inode = daemon.socket.lstat().st_ino
        for _ in range(5):
            second = daemon.run("run")
            assert second.returncode == 75
            assert f"another vragd (pid {daemon.process.pid if daemon.process else 0})" in second.stderr
            assert "Traceback" not in second.stderr
        assert daemon.answers()
        assert daemon.socket.lstat().st_ino == inode


def test_a_leftover_socket_does_not_hinder_a_start(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.start(idle=False)
        daemon.kill()
        assert daemon.socket.is_socket()
        daemon.start(idle=False)
        assert daemon.answers()


def test_a_file_in_the_sockets_place_is_refused_and_kept(tmp_path: Path) -> None:
    daemon = Vragd(tmp_path)
    daemon.socket.parent.mkdir(mode=0o700)
    daemon.socket.write_text("precious")
    refused = daemon.run("run")
    assert refused.returncode == 73
    assert "is not a socket" in refused.stderr
    assert daemon.socket.read_text() == "precious"


def test_a_removed_socket_comes_back(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.start(idle=False)
        daemon.socket.unlink()
        until(lambda: daemon.socket.exists() and daemon.answers(), "a new socket")


def test_sigterm_ends_with_zero_and_takes_the_socket_along(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        daemon.start(idle=False)
        assert daemon.stop() == 0
        assert not daemon.socket.exists()


def test_a_damaged_catalog_is_moved_aside_and_everything_indexed_anew(tmp_path: Path) -> None:
    copy_vault("kepano", tmp_path / "Vault")
    with vragd(tmp_path) as daemon:
        warm(daemon)
        daemon.start()
        assert daemon.store["n_embedded"] == 0
        daemon.stop()
        catalog = daemon.data / "stores/notes/catalog.db"
        catalog.write_bytes(b"this is no database" * 500)
        daemon.start()
        assert (daemon.store["notes"], daemon.store["n_embedded"]) == (103, 80)
        assert list(catalog.parent.glob("catalog.db.corrupt-*"))
        assert daemon.problems() == []


def test_modes_are_private_under_any_umask(tmp_path: Path) -> None:
    (tmp_path / "Vault").mkdir()
    (tmp_path / "Vault/a.md").write_text("a note about coffee\n")
    import os

    old = os.umask(0)
    try:
        with vragd(tmp_path) as daemon:
            daemon.start()
            daemon.query("coffee")
            paths = [daemon.data, *daemon.data.rglob("*"), daemon.socket, daemon.socket.parent]
            loose = [path for path in paths if path.lstat().st_mode & 0o077]
            assert loose == []
            daemon.stop()
            assert [path for path in daemon.data.rglob("*") if path.lstat().st_mode & 0o077] == []
    finally:
        os.umask(old)
