"""A real daemon in a real process, its own home, data and socket; waits on conditions, never on time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from tests.forked import Forked, can_fork, fork_daemon, run_forked
from vragd.client import Client
from vragd.errors import NoDaemon

VAULTS = Path(__file__).parent / "vaults"
DEADLINE_S, COMMAND_S = 30.0, 120.0
PYTHONS = (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
"""Of the version that runs the tests: its own, and one that every user can read, if there is one."""
fork_daemons = False  # an interpreter for each; see tests/forked.py


def until(condition: Callable[[], Any], what: str, timeout_s: float = DEADLINE_S) -> Any:
    """The first true value of `condition`; fails the test, naming `what`, when it never comes."""
    started = time.monotonic()
    while True:
        if value := condition():
            return value
        waited = time.monotonic() - started
        if waited > timeout_s:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for: {what}")
        time.sleep(min(0.05, max(0.01, waited / 10)))  # asking costs what is waited for its processor time


def unmeasured() -> dict[str, str]:
    """The environment of a child that may leave no file and no word of another: which lines it ran is not told."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def tree(folder: Path) -> dict[str, tuple[bytes | None, int]]:
    """Every path below `folder` with its bytes and mtime: what vragd must never change."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else None, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


class Vragd:
    """A home with a vault and, between `start` and `stop` or `kill`, a daemon."""

    def __init__(self, home: Path, vault: Path | None = None, **config: Any) -> None:
        self.home = home
        self.vault = vault or home / "Vault"
        self.vault.mkdir(parents=True, exist_ok=True)
        self.data, self.socket = home / "data", home / "run" / "s"
        self.config_file, self.log_file = home / "config.yaml", home / "log"
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.fork = fork_daemons
        self.client = Client(self.socket)
        self.configure(**config)

    @property
    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("VRAGD_", "XDG_"))}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # or every command compiles anew what was edited last
        return kept | {
            "HOME": str(self.home),
            "VRAGD_CONFIG": str(self.config_file),
            "VRAGD_DATA_DIR": str(self.data),
            "VRAGD_SOCKET": str(self.socket),
        }

    def configure(self, **changes: Any) -> None:
        """Write the configuration: one store `notes` on the vault, `changes` on top (top-level keys)."""
        document: dict[str, Any] = {"stores": {"notes": {"sources": [{"path": str(self.vault)}]}}}
        document |= changes
        self.config_file.write_text(yaml.safe_dump(document))

    # -- the process -------------------------------------------------------------------------------

    def start(self, *, ready: bool = True, idle: bool = True) -> Vragd:
        """Start the daemon; wait until it answers and, with `idle`, until everything is indexed."""
        env = self.env
        with self.log_file.open("ab") as log:
            if self.fork and can_fork(env):
                remote = "type: s3" in self.config_file.read_text()
                self.process = fork_daemon(env, log, ["boto3", "vragd.backends.s3vectors.backend"] if remote else [])
            else:
                self.process = subprocess.Popen([sys.executable, "-m", "vragd", "run"], env=env, stderr=log)
        if ready or idle:
            until(self.answers, "the daemon to answer")
        if idle:
            self.settle()
        return self

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log()[-2000:]}")
        try:
            return bool(self.client.request("GET", "/healthz", timeout_s=5)["ok"])
        except NoDaemon:
            return False

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def finish(self) -> None:
        """The end of a test: a kill, or a stop where a killed process would take with it which lines it ran."""
        if self.process is not None and "COVERAGE_PROCESS_CONFIG" in os.environ:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.kill()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(20)
        self.process = None
        return status

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def run(self, *args: str, stdin: str = "", cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """A command of the same home, which is where it is run if nothing else is said."""
        env, cwd = self.env | env, cwd or self.home
        if self.fork and can_fork(env):
            return run_forked(args, env, cwd, stdin, COMMAND_S)
        return subprocess.run(
            [sys.executable, "-m", "vragd", *args],
            env=env, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=COMMAND_S, check=False,
        )  # fmt: skip

    # -- what it says --------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.client.request("GET", "/v1/status")
        return status

    @property
    def store(self) -> dict[str, Any]:
        store: dict[str, Any] = self.status()["stores"][0]
        return store

    def query(self, text: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.request("POST", "/v1/query", {"text": text, **request})
        return answer

    def paths(self, text: str, **request: Any) -> list[str]:
        return [hit["path"] for hit in self.query(text, **request)["hits"]]

    def files(self, *states: str) -> dict[str, dict[str, Any]]:
        query = "&".join(f"state={state}" for state in states)
        rows = self.client.request("GET", f"/v1/files?{query}" if query else "/v1/files")["files"]
        return {row["path"]: row for row in rows}

    def settle(self) -> None:
        """Scan now and wait until everything is searchable and nothing is degraded."""

        def idle() -> bool:
            answer = self.client.request("POST", "/v1/sync", {"wait_s": 20})
            return bool(answer["done"] and not answer["pending"] and not answer["degraded"])

        until(idle, f"the index to settle: {self.status()}", 60)

    def problems(self) -> list[dict[str, Any]]:
        """What `verify` finds."""
        answer = self.client.request("POST", "/v1/verify", {}, timeout_s=120)
        return [problem for store in answer["stores"] for problem in store["problems"]]

    def shown(self) -> set[tuple[str, str]]:
        """(path, text) of every chunk in the catalog, read past the daemon: what it must equal is the vault."""
        from tests.catalogs import beside

        with beside(self.data / "stores/notes/catalog.db") as db:
            rows = db.execute("select n.path, c.text from chunk c join note n on n.id = c.note_id")
            return {(os.fsdecode(path), text) for path, text in rows}

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]


@contextmanager
def vragd(home: Path, **config: Any) -> Iterator[Vragd]:
    """A Vragd that is ended in the end, whatever happens."""
    instance = Vragd(home, **config)
    try:
        yield instance
    finally:
        instance.finish()


def copy_vault(name: str, to: Path) -> Path:
    """A writable copy of a bundled vault."""
    shutil.copytree(VAULTS / name, to, symlinks=True, dirs_exist_ok=True)
    return to
