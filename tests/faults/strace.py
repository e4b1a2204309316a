"""
System calls that fail, because strace says so: attached to a running daemon for a while, or from its first breath on.

A fault that was planned and never happened is a failure of the test: `injected` and `launch` see to that.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.daemon.test_crash import chunks_of
from tests.harness import Vragd, until
from vragd.errors import VragdError

COUNTS: Counter[str] = Counter()
"""How often each rule struck, in this process."""

_STRUCK = re.compile(r"\((INJECTED|DELAYED)\)|= \?$")  # the last is a call that never returned


class Faults:
    """A running strace and what it has done. `rules` are those of `strace -e inject=`."""

    def __init__(self, rules: Sequence[str], log: Path, process: subprocess.Popen[bytes]) -> None:
        self.rules, self.log, self.process = rules, log, process

    def lines(self) -> list[str]:
        """What strace wrote of calls that were struck, one line each."""
        return struck(self.log)

    @property
    def n(self) -> int:
        """How many faults there were."""
        return len(self.lines())

    def wait(self, n: int = 1) -> None:
        """Until there were `n` faults."""
        until(lambda: self.n >= n, f"fault {n} of {self.rules}: {self.n} so far")

    def end(self) -> None:
        """Let go of the process, which goes on."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)

    def must_have_struck(self) -> None:
        """Fail if one of the rules never did anything."""
        must_have_struck(self.rules, self.log)


def struck(log: Path) -> list[str]:
    """The lines of strace's log that tell of a fault."""
    return [line for line in log.read_text("utf-8", "replace").splitlines() if _STRUCK.search(line)]


def must_have_struck(rules: Sequence[str], log: Path) -> None:
    """Count the faults by rule; fail if one of the rules never did anything."""
    lines = struck(log)
    for rule in rules:
        calls, _, what = rule.partition(":")
        names = re.compile(rf" (<\.\.\. )?({calls.replace(',', '|')})[ (]")
        deadly = "signal=SIGKILL" in what
        n = sum(bool(names.search(line)) and deadly == line.endswith("= ?") for line in lines)
        COUNTS[rule] += n
        assert n, f"the fault {rule!r} never happened:\n{log.read_text('utf-8', 'replace')[-1500:]}"


def _command(log: Path, rules: Sequence[str], paths: Sequence[Path]) -> list[str]:
    calls = ",".join(dict.fromkeys(name for rule in rules for name in rule.partition(":")[0].split(",")))
    command = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", f"trace={calls}", "-e", "signal=none"]
    command += [word for rule in rules for word in ("-e", f"inject={rule}")]
    return command + [word for path in paths for word in ("-P", str(path))]


def _traced(pid: int) -> bool:
    """Whether every thread has its tracer."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if "TracerPid:\t0\n" in (task / "status").read_text():
                return False
        except OSError:
            continue  # it ended meanwhile
    return True


@contextmanager
def injected(pid: int, *rules: str, paths: Sequence[Path] = ()) -> Iterator[Faults]:
    """
    Have system calls of a running process fail by `rules` for as long as the block runs; with `paths` only those
    on one of these files.

    Fails if a rule never struck.
    """
    with tempfile.TemporaryDirectory(prefix="vragd-strace-") as folder:
        log = Path(folder) / "log"
        strace = subprocess.Popen([*_command(log, rules, paths), "-p", str(pid)], stderr=subprocess.PIPE)
        try:
            until(lambda: strace.poll() is not None or _traced(pid), "strace to be attached")
            if strace.poll() is not None:
                assert strace.stderr is not None
                raise AssertionError(f"strace ended: {strace.stderr.read().decode()}")
            faults = Faults(rules, log, strace)
            yield faults
            faults.end()
            faults.must_have_struck()
        finally:
            if strace.poll() is None:
                strace.send_signal(signal.SIGINT)  # never SIGKILL: it would leave the process stopped
                strace.wait(20)
            if strace.stderr is not None:
                strace.stderr.close()


def launch(command: Sequence[str], log: Path, *rules: str, paths: Sequence[Path] = ()) -> list[str]:
    """`command` under strace from the start, with `rules` in force."""
    return [*_command(log, rules, paths), "--seccomp-bpf", *command]


@cache
def why_not() -> str:
    """Why no fault can be injected here; '' if it can: it was tried on a process of `cat`, launched and attached to."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            done = subprocess.run(
                launch(["cat", "/dev/null"], log, "read:error=EIO", paths=[Path("/dev/null")]),
                capture_output=True, timeout=20, check=False,
            )  # fmt: skip
            if "(INJECTED)" not in (log.read_text() if log.exists() else "") or done.returncode == 0:
                return f"strace cannot inject faults here: {done.stderr.decode().strip()[:200]}"
        with subprocess.Popen(
            ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as cat:
            try:
                with injected(cat.pid, "write:error=EIO"):
                    assert cat.stdin is not None
                    cat.stdin.write(b"x")
                    cat.stdin.flush()
                    until(lambda: cat.poll() is not None, "cat to fail", 10)
            finally:
                cat.kill()
    except FileNotFoundError:
        return "strace is not installed"
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        return f"strace may not attach to a process here: {str(error).strip()[:200]}"
    return ""


def skip_unless_possible() -> None:
    """Skip the test, saying why, where ptrace is forbidden or strace is not there."""
    if reason := why_not():
        pytest.skip(reason)


class Running:
    """One daemon for many faults; another one when the last is not as it was."""

    def __init__(self) -> None:
        self.daemon: Vragd | None = None

    def ready(self) -> Vragd:
        if self.daemon is not None and not self._is_well(self.daemon):
            self.close()
        if self.daemon is None:
            self.daemon = Vragd(Path(tempfile.mkdtemp(prefix="vragd-")).resolve(), watch={"settle_ms": 50})
            (self.daemon.vault / "sub").mkdir()
            for name in ("a", "b", "c", "sub/a", "sub/b"):
                (self.daemon.vault / f"{name}.md").write_text(f"# Note {name}\n\nabout anteaters in {name}\n")
            self.daemon.start()
        return self.daemon

    @staticmethod
    def _is_well(daemon: Vragd) -> bool:
        try:
            return not daemon.status()["degraded"] and not daemon.status()["pending"]
        except (VragdError, OSError):
            return False

    def close(self) -> None:
        if self.daemon is not None:
            self.daemon.kill()
            shutil.rmtree(self.daemon.home, ignore_errors=True)
            self.daemon = None


def pid(daemon: Vragd) -> int:
    assert daemon.process is not None
    return daemon.process.pid


def catalog(daemon: Vragd) -> Path:
    return daemon.data / "stores/notes/catalog.db"


def wal(daemon: Vragd) -> Path:
    return daemon.data / "stores/notes/catalog.db-wal"


def found(daemon: Vragd, word: str) -> list[str]:
    """The notes whose text has the word: a name that has it is found before the text is written."""
    hits = daemon.query(word, mode="keyword", chunks=True)["hits"]
    return [hit["path"] for hit in hits if word in hit["text"]]


def converged(daemon: Vragd) -> None:
    """Without a hand laid on it, the index is what the vault is."""
    daemon.settle()
    assert daemon.problems() == []
    assert daemon.shown() == chunks_of(daemon.vault)
