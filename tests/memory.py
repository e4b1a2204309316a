"""Where tests make their folders: in memory where there is room, as no disk is to fail there and be waited for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

IN_MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that are to be free there: a container may have 64 MB of it."""
ON_DISK = (
    *("tests/unit/system/", "tests/unit/vault/", "tests/faults/test_namespaces.py", "tests/faults/test_syscalls.py"),
    *("tests/faults/test_watcher.py", "tests/daemon/test_mounts.py", "tests/daemon/test_watching.py"),
    *("tests/daemon/test_crash.py", "tests/servers/"),
    *("tests/daemon/test_spaces.py", "tests/unit/mcp/test_closed.py"),
)
"""
Tests of what file systems do, each kind of daemon's life once as people have it, and those to whom it matters that a
folder is listed in the order in which its files were made: in memory it is the other way round.
"""


def has_room(folder: Path = IN_MEMORY) -> bool:
    """Whether it is one where files may be made, and programs started, and has room."""
    if not os.access(folder, os.W_OK):
        return False
    there = os.statvfs(folder)
    return not there.f_flag & os.ST_NOEXEC and there.f_bavail * there.f_frsize >= ROOM


class Places:
    """Chooses for each test. A run that is told where, by `TMPDIR`, has all there."""

    def __init__(self) -> None:
        self._on_disk = tempfile.gettempdir()
        is_told = "TMPDIR" in os.environ
        self._in_memory = self._on_disk if is_told or not has_room() else str(IN_MEMORY)

    def choose(self, nodeid: str) -> None:
        """For what is made from now on."""
        tempfile.tempdir = self._on_disk if nodeid.startswith(ON_DISK) else self._in_memory
