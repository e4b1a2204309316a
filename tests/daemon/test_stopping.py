"""A stop, whenever it is asked for: it waits for no more than what is being done at that moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.harness import Vragd, until, vragd

pytestmark = pytest.mark.slow

N_STORES = 4
HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(catalog: Path) -> Iterator[None]:
    """Another program holds the lock of a catalog."""
    command = [sys.executable, "-c", HOLD, str(catalog)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        yield
        other.kill()


def heeds_sigterm(daemon: Vragd) -> bool:
    """Whether the process has a way of its own to end."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which signals a process catches")
def test_a_stop_while_stores_are_opened_waits_for_the_one_that_is(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon, ExitStack() as held:
        names = [f"store{n}" for n in range(N_STORES)]
        for name in names:
            (tmp_path / name).mkdir()
        none = {"embedder": {"type": "none"}}
        daemon.configure(stores={name: {"sources": [{"path": str(tmp_path / name)}]} | none for name in names})
        daemon.start()
        assert daemon.stop() == 0
        for name in names:
            held.enter_context(locked(daemon.data / "stores" / name / "catalog.db"))
        daemon.start(ready=False, idle=False)
        until(lambda: heeds_sigterm(daemon), "it to begin")
        assert daemon.stop() == 0
        assert daemon.log().count("store.start_failed") <= 1
        assert daemon.log().count("daemon.service_ready") == 1
