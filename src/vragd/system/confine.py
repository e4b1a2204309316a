"""
What a process gives up that is about to read a stranger's file: memory, time, network, other programs, writing.

For one process alone: what is given up stays so. The audit hook holds Python code; a library in C that was taken over
is held by the limits only, and by the sandbox of the service.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from vragd.system.child import OUT_OF_MEMORY

_LOOK_EVERY_S = 0.05
_REFUSED = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.remove",
            "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
            "os.kill", "shutil.", "ftplib.", "smtplib.", "urllib.", "webbrowser.", "pty.")  # fmt: skip
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class NotHere(PermissionError):
    """What was asked for is nothing a reader of files needs."""


def confine(memory_bytes: int, cpu_s: float | None) -> None:
    """
    Give it all up. Above `memory_bytes` the process ends with OUT_OF_MEMORY, or an allocation in it fails.

    Linux holds the address space besides, where limits may be set at all: a service may be forbidden to.
    """
    with suppress(OSError):  # a service may be forbidden to
        os.nice(10)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),  # a core file would hold the text
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, None if cpu_s is None else int(cpu_s) + 1),
        (resource.RLIMIT_AS, 2 * memory_bytes if sys.platform == "linux" else None),  # mapped is not yet used
    ):
        if value is not None:
            lower(limit, value)
    threading.Thread(target=watch, args=(memory_bytes, os.getppid()), daemon=True).start()
    sys.addaudithook(refuse)


def lower(limit: int, value: int) -> None:
    """Set a limit for good, where it may be set, and no higher than it is."""
    try:
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    except (OSError, ValueError):  # not here, or not for us; we look ourselves besides
        pass


def used_bytes() -> int:
    """The memory this process has; on macOS the most it had so far."""
    if sys.platform == "linux":  # whose ru_maxrss begins with that of the process this one was forked from
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def watch(memory_bytes: int, parent: int, end: Callable[[int], object] = os._exit) -> None:
    """`end` the process when it has grown too large, or its `parent` is gone. Does not return before."""
    while True:
        if used_bytes() > memory_bytes:
            end(OUT_OF_MEMORY)
            return
        if os.getppid() != parent:  # nobody is there to be answered
            end(0)
            return
        time.sleep(_LOOK_EVERY_S)


def refuse(event: str, args: tuple[object, ...]) -> None:
    """An audit hook that raises NotHere for what a reader of files has no business with."""
    if event.startswith(_REFUSED):
        raise NotHere(event)
    if event == "open" and args[0] != os.devnull and not isinstance(args[0], int):  # a descriptor is open already
        flags = args[2] if len(args) > 2 else 0
        if isinstance(flags, int) and flags & _WRITES:
            raise NotHere(event)
