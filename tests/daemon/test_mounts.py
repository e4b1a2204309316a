"""A disk inside a vault, and one that holds it, that go away and come back; in a mount namespace of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Vragd, until

N = 30

MOUNT_DISK = 'mount -t tmpfs none "$1" && cp -a "$2/." "$1"'
MOUNT_FOLDER = 'mount --bind "$2" "$1"'  # the same file system once more: no device number tells
# What is written goes to a layer above, and of what is deleted below a mark is left there.
MOUNT_LAYERS = """mkdir -p "$2.up" && mount -t tmpfs none "$2.up" && mkdir "$2.up/files" "$2.up/work" &&
mount -t overlay none -o "userxattr,lowerdir=$2,upperdir=$2.up/files,workdir=$2.up/work" "$1\""""
# Does what it is told, a line at a time, in the namespace of the daemon it becomes; a read may be interrupted.
SCRIPT = """
%s || exit 9
(while [ -p "$3" ]; do read -r line < "$3" && eval "$line"; done) &
exec "$4" -m vragd run
"""


class Mounted(Vragd):
    """A daemon that has a disk at `disk`; what is on it can be seen below `inside`."""

    def __init__(self, home: Path, disk: str, by: str = MOUNT_DISK, **config: object) -> None:
        super().__init__(home, **config)
        self.by = by
        self.disk, self.content, self.orders = self.vault / disk, home / "content", home / "orders"
        self.disk.mkdir(exist_ok=True)
        self.content.mkdir()
        os.mkfifo(self.orders)

    def begin(self) -> None:
        command = [
            "unshare",
            "-Urm",
            "sh",
            "-c",
            SCRIPT % self.by,
            "sh",
            str(self.disk),
            str(self.content),
            str(self.orders),
        ]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen([*command, sys.executable], env=self.env, stderr=log)
        until(self.answers, "the daemon to answer")
        self.settle()

    def order(self, command: str) -> None:
        until(lambda: self.ordered(command), "the order to be taken")

    def ordered(self, command: str) -> bool:
        try:
            fd = os.open(self.orders, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False  # nobody listens at the moment
        with os.fdopen(fd, "w") as orders:
            orders.write(command + "\n")
        return True

    @property
    def inside(self) -> Path:
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.disk}")

    def mounted(self) -> bool:
        assert self.process is not None
        return str(self.disk) in Path(f"/proc/{self.process.pid}/mountinfo").read_text()

    def unmount(self) -> None:
        self.order(f"umount -l '{self.disk}'")
        until(lambda: not self.mounted(), "the disk to be away")

    def mount(self) -> None:
        self.order(f"set -- '{self.disk}' '{self.content}'; {self.by}")
        until(self.mounted, "the disk to be back")


Make = Callable[..., Mounted]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine forbids mount namespaces")
    made: list[Mounted] = []

    def make(disk: str, **config: object) -> Mounted:
        made.append(Mounted(tmp_path, disk, **config))
        for i in range(N):
            (made[-1].content / f"n{i}.md").write_text(f"on the disk {i}\n")
        return made[-1]

    yield make
    for daemon in made:
        daemon.ordered("exit")
        daemon.kill()


@pytest.mark.parametrize("by", [MOUNT_DISK, MOUNT_FOLDER], ids=["disk", "folder mounted again"])
def test_notes_on_a_disk_inside_the_vault_stay_while_it_is_away(make: Make, by: str) -> None:
    daemon = make("disk", by=by, watch={"settle_ms": 50})
    for i in range(200):  # so many that the guard would let those on the disk go
        (daemon.vault / f"v{i}.md").write_text(f"in the vault {i}\n")
    daemon.begin()
    assert daemon.store["notes"] == N + 200
    daemon.unmount()
    until(lambda: "deletes_held" in daemon.status()["degraded"], "the disk to be missed")
    assert daemon.store["sources"][0]["n_deletes_held"] == N
    for path in (daemon.disk, daemon.disk / "n1.md", daemon.vault):
        daemon.client.request("POST", "/v1/sync", {"path": str(path)})
    (daemon.vault / "v0.md").unlink()
    until(lambda: "v0.md" not in daemon.files(), "a note of the vault itself to go")
    assert daemon.store["notes"] == N + 199

    daemon.mount()
    daemon.settle()  # which scans
    (daemon.inside / "n1.md").write_text("a quokka on the disk\n")
    until(lambda: daemon.paths("quokka", mode="keyword") == ["disk/n1.md"], "the watch to reach into the disk again")
    (daemon.inside / "n2.md").unlink()
    until(lambda: "disk/n2.md" not in daemon.files(), "a note that is deleted on the disk to go")
    assert daemon.store["notes"] == N + 198
    assert daemon.problems() == []


def test_a_disk_that_stays_away_is_believed_when_somebody_says_so(make: Make) -> None:
    daemon = make("disk")
    (daemon.vault / "v.md").write_text("in the vault\n")
    daemon.begin()
    daemon.unmount()
    until(lambda: "deletes_held" in daemon.status()["degraded"], "the disk to be missed")
    assert daemon.store["notes"] == N + 1
    assert daemon.run("sync", "--confirm-deletes", "--wait").returncode == 0
    daemon.settle()
    assert set(daemon.files()) == {"v.md"}


def test_a_folder_that_is_a_disk_keeps_its_notes_while_that_is_away(make: Make) -> None:
    daemon = make(".")
    daemon.begin()
    assert daemon.store["notes"] == N
    for i in range(10):
        (daemon.inside / f"n{i}.md").write_text(f"changed {i}\n")
    daemon.unmount()
    until(lambda: "deletes_held" in daemon.status()["degraded"], "the disk to be missed")
    for i in range(10):
        daemon.client.request("POST", "/v1/sync", {"path": str(daemon.vault / f"n{i}.md")})
    (daemon.vault / "stray.md").write_text("below the disk\n")
    until(lambda: "stray.md" in daemon.files("indexed"), "what is there instead")
    assert daemon.store["notes"] == N + 1
    (daemon.vault / "stray.md").unlink()
    daemon.mount()
    daemon.settle()
    assert daemon.store["notes"] == N
    assert daemon.problems() == []


def test_an_empty_disk_laid_over_a_few_notes_hides_them_and_deletes_none(make: Make) -> None:
    daemon = make("disk", by="true", watch={"settle_ms": 50})
    few = [f"disk/m{i}.md" for i in range(2)]
    for path in few:
        (daemon.vault / path).write_text("a wombat below the disk\n")
    (daemon.vault / "v.md").write_text("in the vault\n")
    daemon.begin()
    daemon.order(f"mount -t tmpfs none '{daemon.disk}'")
    until(daemon.mounted, "the disk to be laid over")
    for path in (daemon.vault / few[0], daemon.disk, daemon.vault):
        daemon.client.request("POST", "/v1/sync", {"path": str(path)})
    until(lambda: "deletes_held" in daemon.status()["degraded"], "what is hidden to be held")
    assert daemon.store["sources"][0]["n_deletes_held"] == len(few)
    assert sorted(daemon.files()) == [*few, "v.md"]
    daemon.unmount()
    (daemon.disk / "m1.md").unlink()
    until(lambda: sorted(daemon.files()) == [few[0], "v.md"], "what is deleted below it to go")
    assert daemon.problems() == []


@pytest.mark.parametrize("away", ["true", "umount -l"], ids=["over it", "in its place"])
def test_another_folder_mounted_where_one_is_already_is_seen_and_deletes_nothing(make: Make, away: str) -> None:
    daemon = make("disk", by=MOUNT_FOLDER, watch={"settle_ms": 50})
    other = daemon.home / "other"
    other.mkdir()
    (other / "q.md").write_text("a quokka on another disk\n")
    (daemon.vault / "v.md").write_text("in the vault\n")
    for i in range(3, N):
        (daemon.content / f"n{i}.md").unlink()  # so few that the guard would let them go
    daemon.begin()
    few = {f"disk/n{i}.md" for i in range(3)}
    assert set(daemon.files()) == {*few, "v.md"}
    daemon.order(f"{away} '{daemon.disk}'; mount --bind '{other}' '{daemon.disk}'")
    until(lambda: daemon.paths("quokka", mode="keyword") == ["disk/q.md"], "what is mounted there now")
    (daemon.inside / "later.md").write_text("a numbat, later\n")
    until(lambda: daemon.paths("numbat", mode="keyword") == ["disk/later.md"], "a note on it, by an event")
    daemon.client.request("POST", "/v1/sync", {"wait_s": 5})
    assert set(daemon.files()) == {*few, "v.md", "disk/q.md", "disk/later.md"}
    assert daemon.store["sources"][0]["n_deletes_held"] == len(few)


def test_a_vault_of_layers_is_what_shows_of_them(make: Make) -> None:
    daemon = make(".", by=MOUNT_LAYERS, watch={"settle_ms": 50})
    (daemon.content / "deep").mkdir()
    (daemon.content / "deep/m.md").write_text("deep below\n")
    try:
        daemon.begin()
    except AssertionError as failed:
        if "ended with 9" in str(failed):
            pytest.skip("this machine forbids overlays in namespaces")
        raise
    assert daemon.store["notes"] == N + 1
    with (daemon.inside / "n1.md").open("a") as note:
        note.write("a quokka above\n")
    until(lambda: daemon.paths("quokka", mode="keyword") == ["n1.md"], "an edit, which goes to the layer above")
    (daemon.inside / "n2.md").unlink()
    until(lambda: "n2.md" not in daemon.files(), "a note that is deleted, of which a mark stays")
    embedded = daemon.store["n_embedded"]
    os.utime(daemon.inside / "n3.md")
    shutil.move(daemon.inside / "deep", daemon.inside / "moved")  # a rename, or a copy where layers forbid it
    until(lambda: {"moved/m.md"} == {path for path in daemon.files() if "/" in path}, "the folder by its new name")
    (daemon.inside / "moved/m.md").write_text("a numbat in it\n")
    until(lambda: daemon.paths("numbat", mode="keyword") == ["moved/m.md"], "an edit in it, by an event")
    daemon.settle()
    assert daemon.store["n_embedded"] == embedded + 1
    assert (daemon.content / "n2.md").exists() and not (daemon.content / "moved").exists()
    assert daemon.problems() == []
