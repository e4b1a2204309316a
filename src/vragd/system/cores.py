"""How many cores this process may use: fewer than the machine has where it is pinned to some, or rationed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

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
