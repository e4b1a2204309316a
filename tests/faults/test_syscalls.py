"""
A running daemon whose system calls fail for a while: it lives on, says so, loses nothing, and mends itself.

The queue that overflows and the watches that run out are in tests/daemon/test_watching.py, disks that are
unmounted in tests/daemon/test_mounts.py and tests/faults/test_namespaces.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_crash import chunks_of
from tests.faults import strace
from tests.faults.strace import Running, catalog, converged, found, injected, launch, pid, wal
from tests.harness import Vragd, until, vragd
from vragd.errors import VragdError


@pytest.fixture(scope="module", autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Faults are possible here, and how many there were is said in the end."""
    strace.skip_unless_possible()
    strace.COUNTS.clear()
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{sum(strace.COUNTS.values())} system calls failed, by rule: {dict(strace.COUNTS)}")


@pytest.fixture(scope="module")
def running(counted: None) -> Iterator[Running]:
    running = Running()
    yield running
    running.close()


@pytest.fixture
def daemon(running: Running) -> Vragd:
    """A daemon that runs, with nothing to do."""
    return running.ready()


@pytest.fixture
def word(request: pytest.FixtureRequest) -> str:
    """A word no other test has."""
    return "q" + "".join(c for c in request.node.name if c.isalnum())


# -- the catalog ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("pwrite64:error=ENOSPC", "disk_full"),
        ("pwrite64:error=EDQUOT", "disk_full"),
        ("pwrite64:error=EIO", "data_dir"),
        ("pwrite64:error=ENOSPC:when=4+", "disk_full"),
        ("fdatasync:error=EIO", "data_dir"),
    ],
)
def test_a_catalog_that_cannot_be_written_pauses_indexing_and_answers_go_on(
    daemon: Vragd, word: str, rule: str, code: str
) -> None:
    with injected(pid(daemon), rule, paths=[wal(daemon)]):
        (daemon.vault / f"{word}.md").write_text(f"a new {word}\n")
        until(lambda: code in daemon.status()["degraded"], "the trouble to be said")
        answer = daemon.query("anteaters")
        assert answer["hits"]
        assert answer["degraded"] == [code]
        assert answer["pending"] == 1
        assert daemon.store["trouble"]["code"] == code
        assert daemon.store["trouble"]["hint"], "what to do about it"
        assert found(daemon, word) == [], "what is not on the disk is not shown"
    converged(daemon)
    assert found(daemon, word) == [f"{word}.md"]


def test_a_sync_that_fails_once_loses_nothing(daemon: Vragd, word: str) -> None:
    with injected(pid(daemon), "fdatasync:error=EIO:when=1", paths=[wal(daemon)]):
        (daemon.vault / f"{word}.md").write_text(f"a new {word}\n")
        until(lambda: found(daemon, word), "the note")
    converged(daemon)


def refusal(daemon: Vragd, text: str) -> VragdError | None:
    """Why a question is not answered."""
    try:
        daemon.query(text)
    except VragdError as error:
        return error
    return None


def settled(daemon: Vragd) -> bool:
    """Whether the daemon came to rest; while it replaces its catalog it says that this is busy."""
    try:
        daemon.settle()
    except VragdError:
        return False
    return True


def test_a_read_that_fails_once_costs_no_catalog(daemon: Vragd, word: str) -> None:
    """Before the next test, whose daemon has used up what it is spared in ten minutes."""
    inode = catalog(daemon).stat().st_ino
    with injected(pid(daemon), "pread64:error=EIO:when=1", paths=[catalog(daemon), wal(daemon)]) as faults:
        (daemon.vault / f"{word}.md").write_text(f"a new {word}\n")  # readers must look at the disk again
        until(lambda: refusal(daemon, f"anteaters {word}") or faults.n, "the fault")
        faults.wait()
    until(lambda: settled(daemon), "the daemon to come to rest")
    converged(daemon)
    assert catalog(daemon).stat().st_ino == inode


def test_a_catalog_that_cannot_be_read_is_said_and_nothing_is_lost(daemon: Vragd, word: str) -> None:
    with injected(pid(daemon), "pread64:error=EIO", paths=[catalog(daemon), wal(daemon)]):
        (daemon.vault / f"{word}.md").write_text(f"a new {word}\n")  # readers must look at the disk again
        error = until(lambda: refusal(daemon, f"anteaters {word}"), "an answer that says what is wrong")
        assert error.code in ("catalog_corrupt", "data_dir"), "SQLite takes EIO for damage"
    until(lambda: settled(daemon), "the daemon to come to rest")
    assert daemon.paths("anteaters")
    converged(daemon)


def test_a_slow_disk_holds_up_no_answer(daemon: Vragd, word: str) -> None:
    delay_s = 1.5
    with injected(pid(daemon), f"fdatasync:delay_enter={delay_s * 1e6:.0f}:when=1", paths=[wal(daemon)]):
        slowest, began = 0.0, time.monotonic()
        (daemon.vault / f"{word}.md").write_text(f"a new {word}\n")
        while True:
            asked = time.monotonic()
            seen = found(daemon, word)
            slowest = max(slowest, time.monotonic() - asked)
            if seen:
                break
            assert asked - began < 60, "the note never came"
        assert time.monotonic() - began > delay_s, "the save did wait"
        assert slowest < delay_s * 2 / 3, f"a question waited {slowest:.2f} s for the disk"
    converged(daemon)


def test_calls_that_are_interrupted_are_made_again(daemon: Vragd, word: str) -> None:
    note = daemon.vault / f"{word}.md"
    rules = ("openat:error=EINTR:when=1", "read:error=EINTR:when=1..3", "pwrite64:error=EINTR:when=1..3")
    n_warnings = daemon.log().count('"warning"')
    # openat is given the bare name, below the folder's descriptor
    with injected(pid(daemon), *rules, paths=[note, Path(note.name), wal(daemon)]):
        note.write_text(f"a new {word}\n")
        until(lambda: found(daemon, word), "the note")
    assert daemon.files("failed") == {}
    assert daemon.log().count('"warning"') == n_warnings
    converged(daemon)


# -- the vault -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "reason"),
    [("read:error=EIO", "eio"), ("openat:error=EACCES", "eacces"), ("openat:error=EMFILE", "emfile")],
)
def test_a_note_that_cannot_be_read_keeps_its_last_version_and_says_why(
    daemon: Vragd, word: str, rule: str, reason: str
) -> None:
    note = daemon.vault / f"{word}.md"
    note.write_text(f"the old {word}\n")
    until(lambda: found(daemon, word), "the old version")
    with injected(pid(daemon), rule, paths=[note, Path(note.name)]):
        note.write_text(f"the changed {word}\n")
        until(lambda: note.name in daemon.files("failed"), "the failure to be said")
        assert daemon.files("failed")[note.name]["reason"] == reason
        assert (note.name, f"the old {word}") in daemon.shown()
        (daemon.vault / f"{word}2.md").write_text(f"another {word}\n")
        until(lambda: f"{word}2.md" in found(daemon, word), "another note, which does not wait for that one")
    converged(daemon)
    assert daemon.files("failed") == {}


@pytest.mark.parametrize("error", ["EIO", "EACCES"])
def test_notes_of_a_folder_that_cannot_be_listed_stay(daemon: Vragd, word: str, error: str) -> None:
    folder = daemon.vault / word
    folder.mkdir()
    for i in range(3):
        (folder / f"n{i}.md").write_text(f"{word} number {i}\n")
    until(lambda: len(found(daemon, word)) == 3, "the notes")
    with injected(pid(daemon), f"getdents64:error={error}", paths=[folder]) as faults:
        daemon.client.request("POST", "/v1/sync", {"path": str(daemon.vault), "wait_s": 5})
        faults.wait()
        assert len(found(daemon, word)) == 3
        unsure = {problem["path"] for problem in daemon.problems() if problem["kind"] == "not_checked"}
        assert {f"{word}/n{i}.md" for i in range(3)} <= unsure, "verify does not vouch for them"
    (folder / "n0.md").unlink()
    converged(daemon)
    assert len(found(daemon, word)) == 2


def test_a_folder_that_cannot_be_listed_is_said(daemon: Vragd, word: str) -> None:
    folder = daemon.vault / word
    folder.mkdir()
    (folder / "n.md").write_text(f"a new {word}\n")
    until(lambda: found(daemon, word), "the note")
    with injected(pid(daemon), "getdents64:error=EIO", paths=[folder]) as faults:
        answer = daemon.client.request("POST", "/v1/sync", {"path": str(daemon.vault), "wait_s": 5})
        faults.wait()
        assert "partly_unreadable" in daemon.status()["degraded"], answer
    daemon.settle()


def test_a_vault_whose_root_cannot_be_listed_is_scanned_again_until_it_can(daemon: Vragd, word: str) -> None:
    n_notes = daemon.store["notes"]
    with injected(pid(daemon), "getdents64:error=EIO", paths=[daemon.vault]) as faults:
        answer = daemon.client.request("POST", "/v1/sync", {"wait_s": 0.2})
        assert not answer["done"], "nobody is told that all was looked at"
        assert answer["pending"]
        faults.wait(2)
        assert daemon.store["notes"] == n_notes
    converged(daemon)


# -- descriptors, and the socket -----------------------------------------------------------------------


def test_without_descriptors_answers_go_on_and_notes_wait(daemon: Vragd, word: str) -> None:
    note = daemon.vault / f"{word}.md"
    with injected(pid(daemon), "openat:error=EMFILE"):
        note.write_text(f"a new {word}\n")
        until(lambda: daemon.files("failed").get(note.name, {}).get("reason") == "emfile", "the failure to be said")
        assert daemon.paths("anteaters")
    converged(daemon)
    assert found(daemon, word) == [note.name]


@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED"])
def test_a_client_that_cannot_be_accepted_waits_and_is_served(daemon: Vragd, error: str) -> None:
    hits: list[Any] = []

    def ask() -> None:
        with suppress(VragdError):
            hits.append(daemon.paths("anteaters"))

    asking = threading.Thread(target=ask, daemon=True)
    with injected(pid(daemon), f"accept4:error={error}") as faults:
        asking.start()
        faults.wait(3)
        assert not hits
    asking.join(20)
    assert hits
    assert hits[0]


def test_a_store_whose_files_cannot_be_renamed_is_not_made_and_can_be_made_again(daemon: Vragd, word: str) -> None:
    new = {"name": word[:40].lower(), "sources": [{"path": str(daemon.vault), "watch": False}]}
    with injected(pid(daemon), "rename,renameat,renameat2:error=EIO"), pytest.raises(VragdError) as refused:
        daemon.client.request("POST", "/v1/stores", new)
    assert refused.value.code == "data_dir"
    assert [store["name"] for store in daemon.status()["stores"]] == ["notes"]
    try:
        assert len(daemon.client.request("GET", "/v1/stores")["stores"]) == 1
        daemon.client.request("POST", "/v1/stores", new)
    finally:
        daemon.client.request("DELETE", f"/v1/stores/{new['name']}")
    converged(daemon)


# -- the end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["write:error=ENOSPC:when=2+", "fsync:error=EIO", "rename:error=EIO"])
def test_a_cache_that_cannot_be_written_at_the_end_is_said_and_costs_no_embedding(
    daemon: Vragd, word: str, rule: str
) -> None:
    (daemon.vault / f"{word}.md").write_text(f"a new {word}\n")
    until(lambda: found(daemon, word), "the note")
    cache = daemon.data / "stores/notes/index/notes/vectors.faiss"
    before = cache.read_bytes() if cache.exists() else None
    with injected(pid(daemon), rule) as faults:
        assert daemon.stop() == 1, "a last write of the index failed"
        assert any(".vectors.faiss." in line for line in faults.lines())
    assert (cache.read_bytes() if cache.exists() else None) == before, "the old file stays whole"
    assert list(daemon.data.rglob(".*.tmp")) == []
    daemon.start()
    assert daemon.store["n_embedded"] == 0
    assert daemon.paths(word, mode="vector", top_k=1) == [f"{word}.md"]
    converged(daemon)


def edit(vault: Path, step: int) -> None:
    """A note that is new, one that changes, one that goes, one that is renamed."""
    (vault / f"new{step}.md").write_text(f"# New\n\nnew in step {step}: armadillo\n")
    (vault / "b.md").write_text(f"# Note b\n\nchanged in step {step}\n\n# Other\n\nstays as it is\n")
    (vault / f"new{step - 1}.md").unlink(missing_ok=True)
    for note in vault.glob("renamed*.md"):
        note.rename(vault / f"renamed{step}.md")


def versions(daemon: Vragd, seen: dict[str, list[set[str]]]) -> None:
    """Remember each note's chunks as they are on the disk now."""
    now: dict[str, set[str]] = {}
    for path, text in chunks_of(daemon.vault):
        now.setdefault(path, set()).add(text)
    for path, texts in now.items():
        if texts not in seen.setdefault(path, []):
            seen[path].append(texts)


KILLS = [
    ("pwrite64", 1), ("pwrite64", 3), ("fdatasync", 1), ("pwrite64", 6), ("fdatasync", 2), ("pwrite64", 12),
    ("fdatasync", 3),
]  # fmt: skip


def test_a_kill_at_any_write_of_the_log_leaves_every_note_whole(tmp_path: Path) -> None:
    seen: dict[str, list[set[str]]] = {}
    with vragd(tmp_path, watch={"settle_ms": 50}) as daemon:
        for name in ("a", "b", "renamed0"):
            (daemon.vault / f"{name}.md").write_text(f"# Note {name}\n\nabout {name}\n\n# Other\n\nstays as it is\n")
        versions(daemon, seen)
        daemon.start()
        for step, (call, nth) in enumerate(KILLS, 1):
            with injected(pid(daemon), f"{call}:signal=SIGKILL:when={nth}", paths=[wal(daemon)]):
                edit(daemon.vault, step)
                versions(daemon, seen)
                until(lambda: daemon.process is not None and daemon.process.poll() is not None, "the death")
            held: dict[str, set[str]] = {}
            for path, text in daemon.shown():
                held.setdefault(path, set()).add(text)
            assert {path for path, texts in held.items() if texts not in seen[path]} == set(), "neither old nor new"
            daemon.start(idle=False)
            converged(daemon)


@pytest.mark.parametrize(
    ("rule", "on_catalog"),
    [("pwrite64:signal=SIGKILL:when=3", True), ("rename:signal=SIGKILL:when=1", False)],
    ids=["as the log is folded in", "before the cache has its name"],
)
def test_a_kill_at_the_end_costs_no_embedding_and_leaves_nothing_lying_about(
    daemon: Vragd, word: str, rule: str, on_catalog: bool
) -> None:
    (daemon.vault / f"{word}.md").write_text(f"a new {word}\n")
    until(lambda: found(daemon, word), "the note")
    with injected(pid(daemon), rule, paths=[catalog(daemon)] if on_catalog else []):
        assert daemon.stop() == -signal.SIGKILL
    assert on_catalog or list(daemon.data.rglob(".*.tmp")), "it was in the middle of it"
    daemon.start()
    assert list(daemon.data.rglob(".*.tmp")) == []
    assert daemon.store["n_embedded"] == 0
    converged(daemon)


# -- the start -----------------------------------------------------------------------------------------


def begun(daemon: Vragd, *rules: str, paths: tuple[Path, ...] = ()) -> int:
    """What a daemon ends with that cannot start because of these faults."""
    log = daemon.home / "strace"
    with daemon.log_file.open("ab") as stderr:
        command = launch([sys.executable, "-m", "vragd", "run"], log, *rules, paths=paths)
        status = subprocess.run(command, env=daemon.env, stderr=stderr, timeout=60, check=False).returncode
    strace.must_have_struck(rules, log)
    return status


def test_a_daemon_that_cannot_start_ends_as_documented_and_leaves_what_is_there(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "a.md").write_text("about aardvarks\n")
        assert begun(daemon, "pwrite64:error=ENOSPC", paths=(daemon.data / "lock",)) == 74
        assert begun(daemon, "openat:error=EIO", paths=(daemon.data / "stores/notes/catalog.db",)) == 73
        assert "Traceback" not in daemon.log()
        assert daemon.log().count("Error: ") == 2
        daemon.start()
        converged(daemon)


def test_a_store_whose_disk_is_full_keeps_no_daemon_from_running(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "a.md").write_text("about aardvarks\n")
        rule, log, catalog = "pwrite64:error=ENOSPC", daemon.home / "strace", daemon.data / "stores/notes/catalog.db"
        command = launch([sys.executable, "-m", "vragd", "run"], log, rule, paths=(catalog,))
        with daemon.log_file.open("ab") as stderr:
            traced = daemon.process = subprocess.Popen(command, env=daemon.env, stderr=stderr)
        until(daemon.answers, "the daemon to answer all the same")
        assert [(failed["name"], failed["code"]) for failed in daemon.status()["failed"]] == [("notes", "disk_full")]
        os.kill(daemon.status()["pid"], signal.SIGTERM)
        assert traced.wait(30) == 0
        strace.must_have_struck((rule,), log)
        daemon.start()
        converged(daemon)
