"""A command on a terminal of its own: what it shows there, and its status."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path


def on_terminal(
    *args: str, env: dict[str, str], cwd: Path, columns: int = 80, typed: bytes = b"", timeout_s: float = 60
) -> tuple[str, int]:
    """What `vragd ARGS` shows on a terminal so wide, where `typed` is typed; and its exit status."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        kept = {name: value for name, value in env.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
        process = subprocess.Popen(
            [sys.executable, "-m", "vragd", *args], env={"TERM": "xterm-256color"} | kept, cwd=cwd,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
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
