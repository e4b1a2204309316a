"""Small files that are looked at in every heartbeat: they are opened when they are not the ones that were read last."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

from vragd.system.clock import SYSTEM, Clock
from vragd.vault.root import Root

T = TypeVar("T")

Stamp = tuple[int, int, int, int, int]
RACY_S = 2.0
"""What changed so short a time ago may change again and keep its stamp."""


def stamp_of(info: os.stat_result) -> Stamp:
    """What tells one state of a file from another."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


class Reread(Generic[T]):
    """What some files of a source mean. On the source's own lane."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._had: dict[str, tuple[Stamp, T]] = {}  # by the path from the root; only what is old enough

    def meaning(self, root: Root, path: str, read: Callable[[bytes | None], T], limit: int = 1 << 20) -> T:
        """What `read` makes of the file, of None where there is none; raises what that and the system raise."""
        try:
            stamp = stamp_of(os.stat(path, dir_fd=root.fd))
        except FileNotFoundError:
            self._had.pop(path, None)
            return read(None)
        had = self._had.pop(path, None)
        if had is None or had[0] != stamp:
            had = stamp, read(root.read(path, limit))
        if self._clock.wall() - max(stamp[3], stamp[4]) / 1e9 >= RACY_S:
            self._had[path] = had
        return had[1]
