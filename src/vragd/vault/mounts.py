"""
The system's table of mounts, which hardly ever changes: it is read again when the system says that it did.

proc_pid_mountinfo(5): poll(2) on the open file tells of a change, by POLLPRI and POLLERR.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MOUNTINFO = Path("/proc/self/mountinfo")
AGAIN_S = 30.0
"""It is read so often all the same: a system that only looks like Linux may have the file, and tell of nothing."""


class Mount(NamedTuple):
    """What is mounted at a `place`: the `kind` of file system, and `what` tells it from another of that kind there."""

    place: bytes
    kind: str
    what: bytes


Mounts = Sequence[Mount]
"""In the order in which they were made."""


class Table:
    """That of a process. Any thread; in a process that was forked it begins anew, as open files are shared."""

    def __init__(self, path: Path = MOUNTINFO) -> None:
        self._path = path
        self._fd = -1
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._lock, self._fd = threading.Lock(), -1
        self._rows: Mounts = ()
        self._raw, self._read_at = b"", 0.0

    def rows(self) -> Mounts:
        """All mounts there are now, the same object as long as they do not change; none where nobody tells (macOS)."""
        with self._lock:
            try:
                if self._is_to_read() and (raw := self._read()) != self._raw:
                    self._raw, self._rows = raw, parsed(raw)
            except OSError:
                self._raw, self._rows, self._read_at = b"", (), 0.0
            return self._rows

    def _is_to_read(self) -> bool:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLPRI)
        return bool(self._poll.poll(0)) or time.monotonic() - self._read_at >= AGAIN_S or not self._raw

    def _read(self) -> bytes:
        os.lseek(self._fd, 0, os.SEEK_SET)
        parts = list[bytes]()
        while part := os.read(self._fd, 1 << 16):
            parts.append(part)
        self._read_at = time.monotonic()
        return b"".join(parts)


def parsed(raw: bytes) -> Mounts:
    """What the text of a table says."""
    rows = list[Mount]()
    for line in raw.split(b"\n"):
        left, dash, right = line.partition(b" - ")
        if dash:
            number, _, device, root, place, *_ = left.split(b" ")
            # blanks and line ends in a name stand there as three octal digits (proc(5)), the rest as it is
            place = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), place)
            # the number is used again at once, and the device of a bind mount is that of the disk
            what = b" ".join((number, device, root))
            rows.append(Mount(place, right.split(b" ")[0].decode("ascii", "replace"), what))
    return rows


_table = Table()


def mounts(path: Path = MOUNTINFO) -> Mounts:
    """As `Table.rows`, of this process; of another file as it is now."""
    if path is MOUNTINFO:
        return _table.rows()
    try:
        return parsed(path.read_bytes())
    except OSError:
        return ()
