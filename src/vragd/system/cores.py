"""How many cores this process may use: fewer where it is pinned or rationed. And who comes first there."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

BEHIND = 10
"""The niceness (sched(7)) of work that waits for nobody: a tenth of the share of one that somebody waits for."""
CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cores(groups: Path = CGROUPS, own: Path = OWN) -> int:
    """At least 1: what the affinity and the quotas of the control groups leave (sched(7), cgroups(7)), rounded up."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS has no pins
    return max(1, min([n, *map(math.ceil, _quotas(groups, own))]))


def _quotas(groups: Path, own: Path) -> Iterator[float]:
    """In cores, of each group this process is in, those around it too."""
    for line in _read(own).splitlines():
        number, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        unified = number == "0" and not controllers
        if not unified and "cpu" not in controllers.split(","):
            continue
        root = groups if unified else groups / "cpu"
        place = root / path.lstrip("/")
        for folder in (place, *(above for above in place.parents if above.is_relative_to(root))):
            if unified:
                quota, _, period = _read(folder / "cpu.max").partition(" ")
            else:
                quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
            try:
                cores = int(quota) / int(period)
            except (ValueError, ZeroDivisionError):
                continue  # "max", or there is no such file
            if cores > 0:  # -1 is none
                yield cores


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def go_behind() -> None:
    """
    Have this thread run behind others of the machine that want the same core, for good. Linux alone has that of one
    thread; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with suppress(OSError):  # a sandbox may forbid it
        os.setpriority(os.PRIO_PROCESS, thread, max(BEHIND, os.getpriority(os.PRIO_PROCESS, thread)))
