"""
Named places between two steps, where a test ends the process as a power switch would.

    VRAGD_FAILPOINT=sync.committed:2     end the process, by `os._exit`, the second time it gets there
    VRAGD_FAILPOINT=log:FILE             append the name of each place that is reached to FILE

Off, which is how it is delivered, a place costs one call and one comparison.
"""

from __future__ import annotations

import os
from collections.abc import Callable

EXIT_STATUS = 137
"""What a process killed at a failpoint ends with: that of a process killed by SIGKILL, as a shell tells it."""

Hook = Callable[[str], None]

_hook: Hook | None = None


def reach(place: str) -> None:
    """Say that a place is reached. Any thread."""
    if _hook is not None:
        _hook(place)


def install(hook: Hook | None) -> None:
    """Have `hook` called with every place from now on; None for nothing. For tests in this process."""
    global _hook  # noqa: PLW0603  one switch for the process, as the environment is
    _hook = hook


def kill_at(place: str, nth: int, end: Callable[[int], object] | None = None) -> Hook:
    """A hook that ends the process (by os._exit, or by `end`) the `nth` time `place` is reached; 1 is the first."""
    left = nth

    def hook(reached: str) -> None:
        nonlocal left
        if reached == place:
            left -= 1
            if left == 0:
                (end or os._exit)(EXIT_STATUS)

    return hook


def log_to(path: str) -> Hook:
    """A hook that appends each place to a file, a line each."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def hook(reached: str) -> None:
        os.write(fd, f"{reached}\n".encode())

    return hook


def asked_for(spec: str) -> Hook | None:
    """The hook a value of VRAGD_FAILPOINT stands for. Raises ValueError for a place without a number."""
    if not spec:
        return None
    place, _, nth = spec.rpartition(":")
    return log_to(nth) if place == "log" else kill_at(place, int(nth))


install(asked_for(os.environ.get("VRAGD_FAILPOINT", "")))
