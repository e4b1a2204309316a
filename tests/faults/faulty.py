"""
The daemon with faults built in, run as a program: `python tests/faults/faulty.py run`.

A file begins each fault: `.poison-THREAD` in the vault ends a thread of the watch; at home `hold-before` and
`hold-within` stop the next scan at the folder `folder` until there is `go`, and while there is `grow` a note
that begins with "growing" grows whenever it is read. What happened is told by `held` and `grown`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from vragd.cli.main import main
from vragd.vault import read, scan
from vragd.vault.inotify import Inotify
from vragd.vault.watch import Watcher

HOME = Path(os.environ.get("HOME", "/"))
PLACES = ("reader", "dispatcher")
"""Where a thread of the watch may end: while events are read, or while somebody is told of them."""


def poison(owner: type, method: str, place: str) -> None:
    real = getattr(owner, method)

    def call(self: object, event: object, *rest: Any) -> Any:
        if f".poison-{place}" in str(event):
            raise RuntimeError("poison")
        return real(self, event, *rest)

    setattr(owner, method, call)


def hold(place: str) -> None:
    if (HOME / f"hold-{place}").exists():
        (HOME / "held").touch()
        while not (HOME / "go").exists():
            time.sleep(0.002)
        for name in (f"hold-{place}", "held", "go"):
            (HOME / name).unlink()


_list_next, _read_all = scan._Walk.list_next, read._read_all
_here = threading.local()  # .folder: what this thread lists


def list_when_told(walk: scan._Walk) -> None:
    folder = walk.waiting[-1][0]
    if folder == "folder":
        hold("before")
    _here.folder = folder
    _list_next(walk)


class KeyWhenTold(read.StatKey):
    """Taken of each note that is listed."""

    @classmethod
    def of(cls, info: os.stat_result) -> read.StatKey:
        if _here.folder == "folder":
            hold("within")
        return read.StatKey.of(info)


def grow_while_read(fd: int, limit: int, system: Any) -> bytes:
    data = _read_all(fd, limit, system)
    if data.startswith(b"growing") and (HOME / "grow").exists():
        with open(f"/proc/self/fd/{fd}", "ab") as note:
            note.write(b"and growing\n")
        with (HOME / "grown").open("ab") as told:
            told.write(b".")
    return data


if __name__ == "__main__":
    poison(Inotify, "_take", "reader")
    poison(Watcher, "_dispatch", "dispatcher")
    scan._Walk.list_next, read._read_all = list_when_told, grow_while_read  # type: ignore[method-assign]
    scan.StatKey = KeyWhenTold  # type: ignore[misc]
    sys.exit(main())
