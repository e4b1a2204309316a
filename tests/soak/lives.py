"""The daemon's process, life after life: started, killed, stopped, frozen, reloaded; and its log, read as it grows."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.harness import Vragd, until
from tests.soak.findings import Findings

START_TRIES, START_PAUSE_S = 4, 4.0
STOP_S = 30.0


class Lives:
    """One home, one daemon at a time. `calm_since` is when it last began, or went on after a pause of our making."""

    def __init__(self, daemon: Vragd, findings: Findings, document: dict[str, Any]) -> None:
        self.daemon, self.findings, self._document = daemon, findings, document
        self.n = 0
        self.began = self.calm_since = time.monotonic()
        self.up = threading.Event()
        """Set while it should answer."""
        self.n_start_retries = 0
        self._settle_ms = 250

    @property
    def pid(self) -> int | None:
        process = self.daemon.process
        return process.pid if process is not None and process.poll() is None else None

    # -- beginning and end ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and wait until it answers. A start that fails is tried again: the sources may be half edited."""
        for left in range(START_TRIES - 1, -1, -1):
            try:
                self.daemon.start(idle=False)
                break
            except AssertionError as error:
                self.daemon.kill()
                if not left:
                    self.findings.add("does_not_start", expected="a daemon that answers", found=error)
                    raise
                self.n_start_retries += 1
                time.sleep(START_PAUSE_S)
        self.n += 1
        self.began = time.monotonic()
        self._calm()

    def _calm(self) -> None:
        self.calm_since = time.monotonic()
        self.up.set()

    def kill(self) -> None:
        """SIGKILL."""
        self.up.clear()
        self.daemon.kill()

    def stop(self) -> None:
        """SIGTERM, which must end with status 0 and in time."""
        self.up.clear()
        process = self.daemon.process
        assert process is not None
        process.terminate()
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.findings.add("does_not_stop", expected=f"an end within {STOP_S:.0f} s")
            self.daemon.kill()
            return
        self.daemon.process = None
        if status != 0:
            self.findings.add("stopped_badly", expected="exit status 0", found=status)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP for the block, then SIGCONT."""
        self.up.clear()
        self._signal(signal.SIGSTOP)
        try:
            until(self._is_frozen, "the daemon to stand still")
            yield
        finally:
            self._signal(signal.SIGCONT)
            self._calm()

    def _is_frozen(self) -> bool:
        stat = Path(f"/proc/{self.pid}/stat")
        return self.pid is None or stat.read_text().rpartition(")")[2].split()[0] == "T"

    def _signal(self, number: signal.Signals) -> None:
        if self.daemon.process is not None:
            self.daemon.process.send_signal(number)

    def reload(self, *, changed: bool) -> None:
        """SIGHUP: with the same configuration, or with one that has every store stopped and started."""
        if changed:
            self._settle_ms = 200 if self._settle_ms == 250 else 250
            self.configure()
            self.up.clear()
        self._signal(signal.SIGHUP)
        if changed:
            time.sleep(1.0)  # stores are away for a moment, and say so; what is asked of them is our fault
            self._calm()

    def configure(self) -> None:
        watch = {"settle_ms": self._settle_ms}
        self.daemon.config_file.write_text(yaml.safe_dump(self._document | {"watch": watch}))

    def check_alive(self) -> bool:
        """Whether it runs, if it should; a death of its own is a finding."""
        process = self.daemon.process
        if not self.up.is_set() or process is None or process.poll() is None:
            return True
        if self.up.is_set() and process is self.daemon.process:
            said = self.daemon.log()[-1500:]
            self.findings.add("daemon_died", expected="a daemon that runs", found=f"{process.returncode}: {said}")
        return False


class LogTail:
    """Counts the events of a log that rotates. Lines at level error are findings: each of them is a bug's or a loss."""

    def __init__(self, file: Path, findings: Findings, expected_errors: frozenset[str]) -> None:
        self._file, self._findings, self._expected = file, findings, expected_errors
        self._inode, self._offset = 0, 0
        self.events: Counter[str] = Counter()

    def read(self) -> None:
        """Take in what was written since the last time."""
        if not self._file.exists():
            return
        if self._inode and self._file.stat().st_ino != self._inode:
            self._take(self._file.with_name(self._file.name + ".1"))  # the rest of the one before
            self._offset = 0
        self._inode = self._file.stat().st_ino
        self._take(self._file)

    def _take(self, file: Path) -> None:
        try:
            with file.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except OSError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._line(line)

    def _line(self, line: bytes) -> None:
        try:
            row = json.loads(line)
        except ValueError:
            return  # a line cut short by a kill
        event = str(row.get("event", ""))
        self.events[event] += 1
        if row.get("level") == "error" and event not in self._expected:
            self._findings.add("error_logged", str(row.get("store", "")), event, expected="no error", found=row)
