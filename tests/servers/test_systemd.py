"""
The service under a real `systemd --user`, on a machine that need not have been booted with it.

In a mount namespace of its own, which hides /run: nothing outside is touched. Needs root, unshare and systemd.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.harness import unmeasured, until
from tests.servers.fetched import FOLDER
from vragd.client import Client
from vragd.errors import NoDaemon, VragdError

MANAGER = Path("/lib/systemd/systemd")
RUNTIME = "/run/user/0"
# a machine that systemd takes for one that it booted, and that knows no session yet
BOOTED = f"mount -t tmpfs tmpfs /run; mkdir -p -m 700 /run/systemd/system {RUNTIME}; exec sleep infinity"
NOTE = "# Heron\n\nThe heron came back to the old mill pond this morning.\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not FOLDER, reason="real servers are for make test-servers: they are installed first"),
    pytest.mark.skipif(
        not MANAGER.exists() or os.geteuid() != 0 or not shutil.which("nsenter"), reason="needs systemd and root"
    ),
]


class Machine:
    """A home, and a user manager between `log_in` and `log_out`."""

    def __init__(self, home: Path) -> None:
        self.home, self.vault = home, home / "Vault"
        self.vault.mkdir(parents=True)
        (self.vault / "Heron.md").write_text(NOTE)
        self.env = {k: v for k, v in unmeasured().items() if not k.startswith(("XDG_", "VRAGD_"))} | {
            "HOME": str(home), "XDG_RUNTIME_DIR": RUNTIME,
        }  # fmt: skip
        self._booted = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-ec", BOOTED])
        self._manager: subprocess.Popen[bytes] | None = None
        until(lambda: self.on("test", "-d", RUNTIME).returncode == 0, "the machine to be there")

    def _inside(self, argv: tuple[str, ...], pid: int | None = None) -> list[str]:
        return ["nsenter", "-t", str(pid or self._booted.pid), "-m", f"--wd={self.home}", *argv]

    def on(self, *argv: str, pid: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command there; with `pid` as that process sees the file systems."""
        command = self._inside(argv, pid)
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=120, check=False)

    def vragd(self, *args: str) -> str:
        """What a command says, on either stream; it has to do well."""
        done = self.on(sys.executable, "-m", "vragd", *args)
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def log_in(self) -> None:
        with (self.home / "systemd.log").open("ab") as log:
            self._manager = subprocess.Popen(
                self._inside((str(MANAGER), "--user", "--log-target=console", "--log-level=warning")),
                env=self.env, stderr=log, stdout=log,
            )  # fmt: skip
        until(lambda: self.on("systemctl", "--user", "list-units").returncode == 0, "the manager to answer")

    def log_out(self) -> None:
        if self._manager is not None:
            asked = self.on("systemctl", "--user", "exit")
            try:
                self._manager.wait(60)
            except subprocess.TimeoutExpired:
                jobs, said = self.on("systemctl", "--user", "list-jobs"), (self.home / "systemd.log").read_text()
                raise AssertionError((asked, jobs, said)) from None
            self._manager = None

    def close(self) -> None:
        """End all that has this home, however far a test came: to log out is for the one that is about that."""
        for one in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"HOME={self.home}".encode() in (one / "environ").read_bytes().split(b"\0"):
                    os.kill(int(one.name), 9)
        if self._manager is not None:
            self._manager.wait(60)
        self._booted.kill()
        self._booted.wait()

    @property
    def pid(self) -> int:
        """Of the daemon that the manager runs; 0 for none."""
        return int(self.on("systemctl", "--user", "show", "-P", "MainPID", "vragd.service").stdout)

    def status(self) -> dict[str, Any] | None:
        """What the daemon says; None where none answers. Asked from outside, through its own root."""
        if not (pid := self.pid):
            return None
        try:
            status: dict[str, Any] = Client(Path(f"/proc/{pid}/root{RUNTIME}/vragd/vragd.sock")).request(
                "GET", "/v1/status", timeout_s=5
            )
        except (NoDaemon, VragdError):
            return None
        return status if not status["pending"] and not status["degraded"] else None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """
    One at a time of all workers: two managers of one user have one control group for a unit of one name, and each takes
    the other's daemon for its own.
    """
    with (Path(tempfile.gettempdir()) / "vragd-tests-of-systemd.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        made = Machine(tmp_path / "home")
        try:
            made.log_in()
            made.vragd("init", "Vault")
            yield made
        finally:
            made.close()


def test_the_service_is_installed_lives_on_and_leaves(machine: Machine) -> None:
    machine.vragd("service", "install")
    until(machine.status, "the daemon to have indexed")
    assert "Heron.md" in machine.vragd("query", "-l", "heron")
    assert "answers" in machine.vragd("service", "status")

    first = machine.pid
    os.kill(first, 9)
    until(lambda: machine.pid not in (0, first) and machine.status(), "it to be started again")

    (machine.home / "Other").mkdir()
    (machine.home / "Other/Quokka.md").write_text("# Quokka\n\nA quokka smiles.\n")
    machine.vragd("add", "Other")
    assert "taken up" in machine.vragd("reload")
    assert machine.on("systemctl", "--user", "reload", "vragd.service").returncode == 0
    until(lambda: (now := machine.status()) and now["stores"][0]["notes"] == 2, "the other folder to be indexed")

    second = machine.pid
    machine.log_out()
    until(lambda: not Path(f"/proc/{second}").exists(), "it to end with the session")
    machine.log_in()
    until(machine.status, "it to be there again")

    machine.vragd("service", "uninstall")
    assert machine.pid == 0
    units = machine.home / ".config/systemd/user"
    assert list(units.rglob("vragd*")) == []
    assert (machine.home / ".local/share/vragd/stores").is_dir(), "the data stay"


def test_the_kernel_refuses_it_a_write_into_a_vault(machine: Machine) -> None:
    if "no namespaces" in machine.vragd("service", "install"):
        pytest.skip("this machine gives a user's service no namespaces, and install says so")
    until(machine.status, "the daemon to have indexed")
    probe = machine.on("touch", str(machine.vault / "x"), pid=machine.pid)
    assert probe.returncode != 0
    assert "Read-only file system" in probe.stderr
    assert machine.on("touch", str(machine.home / ".local/share/vragd/x"), pid=machine.pid).returncode == 0
    assert [one.name for one in machine.vault.iterdir()] == ["Heron.md"]


def test_on_demand_the_first_question_starts_it(machine: Machine) -> None:
    machine.vragd("service", "install")
    until(machine.status, "the daemon to have indexed")
    machine.vragd("service", "install", "--on-demand")
    until(lambda: machine.pid == 0, "the daemon to have ended")
    assert "the first query starts it" in machine.on(sys.executable, "-m", "vragd", "service", "status").stdout
    assert "Heron.md" in machine.vragd("query", "-l", "heron")
    assert machine.pid != 0
