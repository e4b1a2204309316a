"""A command on a terminal of its own: what it shows there, and its status."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

from tests import harness
from tests.forked import Forked, can_fork, fork_on_terminal

WAITS_S = 30.0


def _started(args: Sequence[str], env: dict[str, str], cwd: Path, terminal: int) -> subprocess.Popen[bytes] | Forked:
    if harness.fork_daemons and can_fork(env):
        return fork_on_terminal(args, env, cwd, terminal)
    return subprocess.Popen(
        [sys.executable, "-m", "vragd", *args], env=env, cwd=cwd,
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    )  # fmt: skip


def on_terminal(
    *args: str, env: dict[str, str], cwd: Path, columns: int = 80, typed: bytes = b"", timeout_s: float = 60
) -> tuple[str, int]:
    """What `vragd ARGS` shows on a terminal so wide, where `typed` is typed; and its exit status."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        kept = {name: value for name, value in env.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
        process = _started(args, {"TERM": "xterm-256color", "PAGER": ""} | kept, cwd, theirs)
        os.close(theirs)
        theirs = -1
        if typed:
            os.write(ours, typed)
        shown = b""
        while True:
            try:
                read = os.read(ours, 65_536)
            except OSError:  # EIO: nobody has the other end any more
                break
            if not read:
                break
            shown += read
        status = process.wait(timeout_s)
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)
    return shown.decode("utf-8", "replace").replace("\r\n", "\n"), status


class Screen:
    """A command on a terminal that is looked at, and typed into, as people do."""

    def __init__(self, process: subprocess.Popen[bytes] | Forked, fd: int, columns: int, rows: int) -> None:
        self.process, self._fd = process, fd
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def type(self, keys: str | bytes) -> None:
        os.write(self._fd, keys.encode() if isinstance(keys, str) else keys)

    def until(self, shown: Callable[[str], bool], what: str) -> str:
        """What is on the screen when it is `shown`; fails the test, naming `what`, when it never is."""
        deadline = time.monotonic() + WAITS_S
        while not shown(self.text):
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"waited in vain for {what}:\n{self.text}")
        return self.text

    def ends(self) -> int:
        """The exit status, once all was read that it shows at the end."""
        while self._read(WAITS_S):
            pass
        return self.process.wait(WAITS_S)

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return False
        try:
            read = os.read(self._fd, 65_536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self._stream.feed(read)
        return bool(read)


@contextmanager
def screen_of(
    *args: str, env: dict[str, str], cwd: Path, columns: int = 80, rows: int = 24
) -> Iterator[Screen]:  # fmt: skip
    """`vragd ARGS` on a terminal of that size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
    process = _started(args, {"TERM": "xterm-256color"} | kept, cwd, theirs)
    os.close(theirs)
    try:
        yield Screen(process, ours, columns, rows)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
