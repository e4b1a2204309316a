"""
A daemon in namespaces of its own: a disk that is full, away or read-only, and no network at all.

What is mounted inside a vault is in tests/daemon/test_mounts.py, watches that run out in tests/daemon/test_watching.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_crash import chunks_of
from tests.fakes.s3vectors import FakeS3Vectors
from tests.harness import Vragd, until
from tests.s3 import BUCKET, live_keys, on_s3
from vragd.system.sqlite import open_read_write

MIB = 1024 * 1024


@cache
def why_not(flags: str, probe: str = "true") -> str:
    """Why these namespaces are not to be had here; '' if they are: `probe` was run in them, and they were entered."""
    try:
        with subprocess.Popen(
            ["unshare", flags, "sh", "-ec", f"{probe}; echo ready; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as apart:  # fmt: skip
            assert apart.stdin is not None
            assert apart.stdout is not None
            assert apart.stderr is not None
            try:
                if apart.stdout.readline() != "ready\n":
                    return f"this machine forbids unshare {flags}: {apart.stderr.read().strip()[:200]}"
                entered = subprocess.run([*enter(apart.pid), "true"], capture_output=True, text=True, check=False)
                return f"namespaces cannot be entered here: {entered.stderr[:200]}" if entered.returncode else ""
            finally:
                apart.stdin.close()
    except FileNotFoundError as error:
        return f"{error.filename} is not installed"


def enter(pid: int) -> list[str]:
    """How to run a command in the namespaces of a process."""
    return ["nsenter", "-t", str(pid), "-U", "-m", "--preserve-credentials"]


class Apart(Vragd):
    """A daemon that `begin` puts into namespaces of its own, after `setup` was run there by a shell."""

    def begin(self, flags: str, setup: str = "true", *, wait: bool = True) -> None:
        script = f'{setup} || exit 99; exec "$0" -m vragd run'
        with self.log_file.open("ab") as log:
            command = ["unshare", flags, "sh", "-c", script, sys.executable]
            self.process = subprocess.Popen(command, env=self.env, stderr=log)
        if wait:
            until(self.answers, "the daemon to answer")
            self.settle()

    def inside(self, path: Path) -> Path:
        """`path` as the daemon sees it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{path}")

    def order(self, command: str) -> None:
        """Run `command` where the daemon is."""
        assert self.process is not None
        inside = [*enter(self.process.pid), "sh", "-ec", command]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr

    def shown(self) -> set[tuple[str, str]]:
        """What a copy of the catalog says: SQLite resolves a path into another namespace to one in ours."""
        outside, self.data = self.data, self.home / "copy"
        folder = self.data / "stores/notes"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("catalog.db", "catalog.db-wal"):
            shutil.copy(self.inside(outside) / "stores/notes" / name, folder / name)
        try:
            return super().shown()
        finally:
            self.data = outside
            shutil.rmtree(folder)

    def converged(self, vault: Path | None = None) -> None:
        self.settle()
        assert self.problems() == []
        assert self.shown() == chunks_of(vault or self.vault)


Make = Callable[..., Apart]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Apart] = []

    def make(**config: Any) -> Apart:
        made.append(Apart(tmp_path, **{"watch": {"settle_ms": 50}} | config))
        return made[-1]

    yield make
    for daemon in made:
        daemon.kill()


@pytest.fixture
def mounts() -> None:
    if reason := why_not("-Urm", "mount -t tmpfs -o size=1m none /mnt; mount --bind /mnt /mnt"):
        pytest.skip(reason)


@pytest.fixture
def network() -> None:
    if reason := why_not("-Urn"):
        pytest.skip(reason)


def fill(disk: Path) -> Path:
    """Take what is left of a disk, to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return ballast


@pytest.mark.parametrize("min_free_mib", [0, 2], ids=["to the last byte", "to the floor"])
def test_a_full_disk_pauses_indexing_and_room_lets_it_go_on(mounts: None, make: Make, min_free_mib: int) -> None:
    daemon = make(limits={"min_free_mib": min_free_mib})
    (daemon.vault / "a.md").write_text("about anteaters\n")
    (daemon.vault / "b.md").write_text("about badgers\n")
    daemon.data.mkdir()
    daemon.begin("-Urm", f"mount -t tmpfs -o size=24m,mode=700 none '{daemon.data}'")
    ballast = fill(daemon.inside(daemon.data))
    notes = [daemon.vault / f"n{i}.md" for i in range(12)]
    for i, note in enumerate(notes):
        note.write_text(f"# Quokka {i}\n\n" + f"number {i} of the quokkas, each with words of its own. " * 200)
    until(lambda: "disk_full" in daemon.status()["degraded"], "the full disk to be said")
    assert daemon.store["trouble"]["hint"]
    answer = daemon.query("anteaters", top_k=1)
    assert [hit["path"] for hit in answer["hits"]] == ["a.md"]
    assert "disk_full" in answer["degraded"]
    assert answer["pending"]
    before = daemon.shown()
    assert {"a.md", "b.md"} <= {path for path, _ in before}
    ballast.unlink()
    daemon.converged()
    assert {path for path, _ in daemon.shown()} == {"a.md", "b.md", *(note.name for note in notes)}


def test_a_note_that_goes_makes_room_on_a_disk_below_the_floor(mounts: None, make: Make) -> None:
    daemon = make(limits={"min_free_mib": 2})
    (daemon.vault / "a.md").write_text("about anteaters\n")
    (daemon.vault / "b.md").write_text("about badgers\n")
    daemon.data.mkdir()
    daemon.begin("-Urm", f"mount -t tmpfs -o size=8m,mode=700 none '{daemon.data}'")
    ballast = daemon.inside(daemon.data) / "ballast"
    ballast.write_bytes(b"\0" * (6 * MIB))
    (daemon.vault / "c.md").write_text("about cassowaries\n")
    until(lambda: "disk_full" in daemon.status()["degraded"], "the full disk to be said")
    (daemon.vault / "b.md").unlink()
    until(lambda: not daemon.paths("badgers", mode="keyword"), "the deletion, which needs no room")
    assert daemon.paths("cassowaries", mode="keyword") == []
    ballast.unlink()
    daemon.converged()
    assert daemon.paths("cassowaries", mode="keyword") == ["c.md"]


@pytest.mark.parametrize(
    ("obsidian", "below", "said"), [(False, "Vault", "source_offline"), (True, ".", "root_changed")]
)
def test_a_vault_whose_disk_is_away_loses_nothing(
    mounts: None, make: Make, tmp_path: Path, obsidian: bool, below: str, said: str
) -> None:
    disk, content = tmp_path / "disk", tmp_path / "content"
    disk.mkdir()
    (content / below).mkdir(parents=True)
    for i in range(30):
        (content / below / f"n{i}.md").write_text(f"number {i} on the disk\n")
    if obsidian:
        (content / below / ".obsidian").mkdir()
    daemon = make()
    daemon.vault.rmdir()
    daemon.vault = disk / below
    daemon.configure(watch={"settle_ms": 50})
    mount = f"mount -t tmpfs none '{disk}' && cp -a '{content}/.' '{disk}'"
    daemon.begin("-Urm", mount)
    embedded = daemon.store["n_embedded"]
    assert daemon.store["notes"] == 30
    daemon.order(f"umount -l '{disk}'")
    until(lambda: said in daemon.status()["degraded"], "the disk to be missed")
    daemon.client.request("POST", "/v1/sync", {"wait_s": 0.2})
    answer = daemon.query("number 7", top_k=3)
    assert "n7.md" in [hit["path"] for hit in answer["hits"]]
    assert said in answer["degraded"]
    assert daemon.store["notes"] == 30
    assert daemon.store["sources"][0]["state"] == said.removeprefix("source_")

    (content / below / "n0.md").unlink()
    (content / below / "n1.md").write_text("number 1 became a quokka\n")
    daemon.order(mount)
    until(lambda: not daemon.status()["degraded"], "the disk to be back")
    daemon.converged(daemon.inside(daemon.vault))
    assert daemon.store["notes"] == 29
    assert daemon.store["n_embedded"] == embedded + 1


def test_a_data_directory_that_cannot_be_written_ends_with_its_status_and_a_vault_need_not_be(
    mounts: None, make: Make
) -> None:
    daemon = make()
    (daemon.vault / "a.md").write_text("about anteaters\n")
    vault = f"mount --bind '{daemon.vault}' '{daemon.vault}' && mount -o remount,bind,ro '{daemon.vault}'"
    daemon.begin("-Urm", vault)
    with pytest.raises(OSError, match="Read-only"):
        (daemon.inside(daemon.vault) / "b.md").write_text("nobody can write this")
    daemon.converged()
    assert daemon.stop() == 0
    before = {path: path.read_bytes() for path in daemon.data.rglob("*") if path.is_file()}

    unwritable = f"mount --bind '{daemon.data}' '{daemon.data}' && mount -o remount,bind,ro '{daemon.data}'"
    daemon.begin("-Urm", unwritable, wait=False)
    assert daemon.process is not None
    assert daemon.process.wait(30) == 73
    assert f"Error: {daemon.data} is not writable: it is on a file system that is mounted read-only" in daemon.log()
    assert "Try: mount it for writing, or choose another place" in daemon.log()

    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "-Urm", "sh", "-c", f'{unwritable} && exec "$0" -m vragd "$@"', sys.executable, *words]
        env = daemon.env | {"VRAGD_SOCKET": ""}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    answer = asked("query", "anteaters")
    assert (answer.returncode, "a.md" in answer.stdout) == (0, True), answer.stderr
    elsewhere = asked("config", "check", "--data-dir", str(daemon.data / "below"))
    assert elsewhere.returncode == 4
    assert f"{daemon.data} is mounted read-only" in elsewhere.stderr
    log = daemon.data / "stores/notes/catalog.db-wal"
    log.write_bytes(b"somebody was writing")
    answer = asked("query", "anteaters")
    assert (answer.returncode, answer.stdout) == (4, "")
    assert "was left in the middle of writing, and is mounted read-only now" in answer.stderr
    log.unlink()
    assert {path: path.read_bytes() for path in daemon.data.rglob("*") if path.is_file()} == before


READ = """
import sys
from pathlib import Path
from vragd.system.sqlite import open_read_only
db = open_read_only(Path(sys.argv[1]))
for _ in sys.stdin:
    print(*(number for (number,) in db.execute("select i from n")), flush=True)
"""


def test_what_another_mount_writes_is_read_through_a_read_only_one(mounts: None, tmp_path: Path) -> None:
    file, way = tmp_path / "real/n.db", tmp_path / "way"
    file.parent.mkdir()
    way.mkdir()
    writer = open_read_write(file, [lambda db: db.execute("create table n (i)") and None])
    mounted = f"mount --bind '{file.parent}' '{way}' && mount -o remount,bind,ro '{way}'"
    script = f'{mounted} && exec "$0" -c "$1" "$2"'
    command = ["unshare", "-Urm", "sh", "-c", script, sys.executable, READ, str(way / "n.db")]
    for i, kept in enumerate(("", "pragma wal_checkpoint(truncate)")):  # with a log, and right after it was emptied
        writer.execute("insert into n values (?)", (2 * i,))
        writer.execute(kept).fetchall()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdin and reader.stdout
            try:
                for n_rows in (2 * i + 1, 2 * i + 2):
                    reader.stdin.write("\n")
                    reader.stdin.flush()
                    assert reader.stdout.readline().split() == [str(row) for row in range(n_rows)]
                    if n_rows % 2:
                        writer.execute("insert into n values (?)", (n_rows,))
            finally:
                reader.kill()
    writer.close()
    read = subprocess.run(command, input="\n", capture_output=True, text=True, check=False)
    assert read.stdout.split() == ["0", "1", "2", "3"], read.stderr


def test_a_data_directory_that_is_taken_away_ends_the_daemon_as_documented(mounts: None, make: Make) -> None:
    daemon = make(limits={"min_free_mib": 0})
    (daemon.vault / "a.md").write_text("about anteaters\n")
    daemon.data.mkdir(mode=0o700)
    daemon.begin("-Urm", f"mount -t tmpfs -o size=8m,mode=700 none '{daemon.data}'")
    daemon.order(f"umount -l '{daemon.data}'")
    assert daemon.process is not None
    assert daemon.process.wait(30) == 75
    assert "daemon.lock_lost" in daemon.log()
    assert list(daemon.data.iterdir()) == [], "nothing is written where the disk was"


def test_without_a_network_everything_of_the_builtin_model_works(network: None, make: Make) -> None:
    daemon = make()
    (daemon.vault / "a.md").write_text("A saucepan of boiling water.\n")
    (daemon.vault / "b.md").write_text("The engine of a lorry.\n")
    daemon.begin("-Urn")
    assert daemon.process is not None
    seen = Path(f"/proc/{daemon.process.pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in seen if not line.strip().startswith(("sit", "ip6", "tun"))] == ["lo"]
    assert Path(f"/proc/{daemon.process.pid}/net/route").read_text().count("\n") <= 1, "it leads nowhere"
    assert daemon.query("cooking in a pot", mode="vector", top_k=1)["hits"][0]["path"] == "a.md"
    (daemon.vault / "c.md").write_text("A numbat eats termites.\n")
    until(lambda: daemon.paths("numbat") and daemon.paths("numbat")[0] == "c.md", "a save")
    assert daemon.query("numbat")["degraded"] == []
    daemon.converged()


def test_a_remote_store_without_a_network_answers_by_words_and_catches_up(
    network: None, make: Make, s3: FakeS3Vectors
) -> None:
    daemon = make()
    on_s3(daemon, s3)
    (daemon.vault / "a.md").write_text("about anteaters\n")
    daemon.start()
    daemon.stop()
    put = s3.n_put
    (daemon.vault / "b.md").write_text("about badgers\n")
    daemon.begin("-Urn", wait=False)
    until(daemon.answers, "the daemon to answer")
    until(lambda: "backend_unavailable" in daemon.status()["degraded"], "the absence to be said")
    assert daemon.store["trouble"]["code"] == "backend_unavailable"
    answer = daemon.query("anteaters", top_k=1)
    assert [hit["path"] for hit in answer["hits"]] == ["a.md"]
    assert {"backend_unavailable", "semantic_unavailable"} <= set(answer["degraded"])
    assert until(lambda: daemon.status()["pending"], "the new note to wait") == 1
    assert daemon.stop() == 0
    assert s3.n_put == put

    daemon.start()
    daemon.converged()
    assert (s3.n_put, daemon.store["n_embedded"]) == (put + 1, 1)
    assert s3.keys(BUCKET, "notes") == live_keys(daemon)
