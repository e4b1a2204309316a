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

from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyFD

from vragd.cli.main import main
from vragd.vault import read, scan
from vragd.vault.watch import Watcher

HOME = Path(os.environ.get("HOME", "/"))
THREADS = {"reader": "inotify_c.py", "emitter": "inotify.py", "dispatcher": "api.py"}
"""Those of the watch, and the module whose loop each runs."""


def poison(owner: type, method: str, thread: str) -> None:
    real = getattr(owner, method)

    def call(self: object, event: object, **rest: Any) -> Any:
        if f".poison-{thread}" in str(event):
            raise RuntimeError("poison")
        return real(self, event, **rest)

    setattr(owner, method, call)


def hold(place: str) -> None:
    if (HOME / f"hold-{place}").exists():
        (HOME / "held").touch()
        while not (HOME / "go").exists():
            time.sleep(0.002)
        for name in (f"hold-{place}", "held", "go"):
            (HOME / name).unlink()


_list, _read_all = scan._list, read._read_all
_here = threading.local()  # .folder: what this thread lists


def list_when_told(root_fd: int, folder: str, *rest: Any) -> None:
    if folder == "folder":
        hold("before")
    _here.folder = folder
    _list(root_fd, folder, *rest)


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
    poison(InotifyFD, "handle_event", "reader")
    poison(InotifyEmitter, "build_and_queue_event", "emitter")
    poison(Watcher, "dispatch", "dispatcher")
    scan._list, read._read_all = list_when_told, grow_while_read
    scan.StatKey = KeyWhenTold  # type: ignore[misc]
    sys.exit(main())
