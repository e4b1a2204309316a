"""What is measured of a daemon while it runs, and whether a figure grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Slope:
    """A straight line by least squares. `noise` is the standard deviation of what it leaves."""

    per_hour: float
    noise: float
    mean: float
    span_s: float
    n: int
    within_noise: bool
    """Whether what it rises over the span is explained by the noise, or too little to matter."""


def slope(points: Sequence[tuple[float, float]], small: float) -> Slope | None:
    """
    The line through (seconds, value) points; None for fewer than three, or three at one moment.

    A change over the whole span of up to `small` counts as none.
    """
    n = len(points)
    if n < 3:
        return None
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return None
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    left = [y - mean_y - rise * (x - mean_x) for x, y in points]
    noise = math.sqrt(sum(value * value for value in left) / (n - 2))
    span = max(x for x, _ in points) - min(x for x, _ in points)
    change = abs(rise * span)
    return Slope(rise * 3600, noise, mean_y, span, n, change <= 2 * noise or change <= small)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the daemon. `at` counts from the run's start, `age` from that of the process."""

    at: float
    life: int
    age: float
    calm: bool
    """Whether everything was indexed and nothing was going on."""
    rss_mib: float
    fds: int
    threads: int
    data_mib: float
    wal_mib: float
    log_mib: float
    kept_mib: float = 0.0
    """What the embeddings take that are kept for a text to come back: they grow by intent."""


def sample(pid: int, data: Path, logs: Path, *, at: float, life: int, age: float, calm: bool, kept: int = 0) -> Sample:
    """Look at a process and its folders. Raises OSError when it is gone."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return Sample(
        at=at,
        life=life,
        age=age,
        calm=calm,
        rss_mib=int(status["VmRSS"].split()[0]) / 1024,
        fds=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=int(status["Threads"]),
        data_mib=bytes_below(data, "*") / MIB,
        wal_mib=bytes_below(data, "*-wal") / MIB,
        log_mib=bytes_below(logs, "*") / MIB,
        kept_mib=kept / MIB,
    )


def bytes_below(folder: Path, pattern: str) -> int:
    """The sizes of all files; what goes away meanwhile counts nothing."""
    total = 0
    for file in folder.rglob(pattern):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total


# name: what of a sample, and what change over a whole run is too little to matter
JUDGED = {
    "rss_mib": (lambda s: s.rss_mib, 12.0),
    "fds": (lambda s: float(s.fds), 3.0),
    "threads": (lambda s: float(s.threads), 3.0),
    "data_net_mib": (lambda s: s.data_mib - s.kept_mib - s.wal_mib, 4.0),
    "wal_mib": (lambda s: s.wal_mib, 9.0),  # two logs, each begun anew at 4 MiB, give or take a transaction
}
SHOWN = {"data_mib": (lambda s: s.data_mib, 4.0), "log_mib": (lambda s: s.log_mib, 1.0)}


def long_life(samples: Sequence[Sample], since: float) -> dict[str, Slope]:
    """Slopes over the calm samples since a moment, all of one process."""
    calm = [s for s in samples if s.calm and s.at >= since]
    calm = [s for s in calm if s.life == calm[-1].life]
    found = {name: slope([(s.at, value(s)) for s in calm], small) for name, (value, small) in (JUDGED | SHOWN).items()}
    return {name: line for name, line in found.items() if line is not None}


def same_age(samples: Sequence[Sample], age: float, small: float) -> Slope | None:
    """The slope of the RSS that each process had at this age: whether a start costs more the longer a run takes."""
    lives: dict[int, list[Sample]] = {}
    for s in samples:
        lives.setdefault(s.life, []).append(s)
    points = []
    for life in lives.values():
        before = [s for s in life if s.age <= age]
        after = [s for s in life if s.age >= age]
        if before and after:
            a, b = before[-1], after[0]
            share = (age - a.age) / (b.age - a.age) if b.age > a.age else 0.0
            points.append((a.at + share * (b.at - a.at), a.rss_mib + share * (b.rss_mib - a.rss_mib)))
    return slope(points, small)
