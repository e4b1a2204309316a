"""
A process that stands still at failpoints: what others find then is what a kill there leaves.

Nobody closes, writes or rolls back anything before a kill, so that the files (SQLite's log and its index, too) and what
a server holds are at that moment as they would be left; their locks are not taken along by a copy. One life serves for
many crashes.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from vragd.system.failpoints import EXIT_STATUS, Hook, kill_at, log_to

Point = tuple[str, int]
"""A place, and its how many-th hit."""


def halt_at(points: Sequence[Point], line: Connection) -> Hook:
    """
    A hook that at each of `points` says on `line` where it is and has all threads stand still until somebody lets them
    go on; at the last of them all it ends the process then.
    """
    left, count = set(points), Counter[str]()

    def hook(place: str) -> None:
        count[place] += 1
        point = place, count[place]
        if point not in left:
            return
        left.remove(point)
        line.send(point)
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        if not left:
            os._exit(EXIT_STATUS)

    return hook


HOOKS = {"log": log_to, "kill": kill_at, "halt": halt_at}
"""What a life does at its failpoints, by name."""


def halts(process: BaseProcess, line: Connection, n: int, most_s: float) -> Iterator[Point]:
    """Where it stands still, each of `n` times; it goes on when the next is asked for."""
    for _ in range(n):
        heard = wait([line, process.sentinel], most_s)
        assert line in heard and line.poll(), "the process ended before, or hangs"
        point: Point = line.recv()
        assert process.pid is not None
        _await_halt(process.pid, most_s)
        yield point
        os.kill(process.pid, signal.SIGCONT)


@contextmanager
def copied(folder: Path) -> Iterator[None]:
    """In its place a copy, for others than the process that stands still: it finds its own files when it goes on."""
    own = folder.with_name(f"{folder.name}-own")
    if not folder.exists():
        yield
        shutil.rmtree(folder, ignore_errors=True)
        return
    folder.rename(own)
    shutil.copytree(own, folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        own.rename(folder)


def _await_halt(pid: int, most_s: float) -> None:
    """It said so the moment before."""
    ends = time.monotonic() + most_s
    while any(_state(task) != "T" for task in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < ends, "the process does not stand still"
        time.sleep(0.0005)


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(") ")[2][0]
