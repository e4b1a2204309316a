"""What the benchmarks share: statistics, and what the system says of a process."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MIB = 1024 * 1024


def ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def percentiles(times_s: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(times_s)

    def at(share: float) -> float:
        return ms(ordered[min(len(ordered) - 1, int(share * len(ordered)))])

    return {"p50_ms": ms(statistics.median(ordered)), "p95_ms": at(0.95), "p99_ms": at(0.99)}


def timed(work: Callable[[], Any]) -> float:
    """How long it takes, in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(naive: float | None, ours: float | None) -> float | None:
    """How many times as much the naive design needs."""
    return round(naive / ours, 1) if naive and ours else None


def bytes_written() -> int:
    """What this process has written to files so far (Linux)."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("wchar"):
            return int(line.split()[1])
    raise OSError("no wchar in /proc/self/io")


def memory_mib(pid: int) -> dict[str, float]:
    """What a process has in memory now and had at most, in MiB; of it, what is its own and not a file's."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    names = {"rss_mib": "VmRSS", "own_mib": "RssAnon", "peak_mib": "VmHWM"}
    return {name: round(int(lines[key].split()[0]) / 1024, 1) for name, key in names.items()}


def cpu_s(pid: int) -> float:
    """The CPU time a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wakeups(pid: int) -> dict[str, int]:
    """How often each thread of a process has gone to sleep of its own accord so far, which is how often it woke."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                found[task.name] = int(line.split()[1])
    return found


def disk_bytes(folder: Path) -> int:
    """The length of every file below; others may write there."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += file.stat().st_size if file.is_file() else 0
    return total
