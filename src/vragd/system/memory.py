"""How much memory this process has, and may have."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from vragd.errors import TooLittleMemory

TO_RUN_MIB, TO_ANSWER_MIB = 1024, 256
"""
Of addresses, most of which are never used: for a daemon with a model, and for an answer by words alone. With fewer the
libraries end the process, or crash, instead of saying so.
"""


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Memory this process has in use; where the system does not tell, the most that it ever had."""
    try:
        return int(statm.read_bytes().split()[1]) * resource.getpagesize()  # proc_pid_statm(5)
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024  # getrusage(2): bytes there, KiB on Linux


def ensure_room(least_mib: int, limit: int | None = None) -> None:
    """
    Raises TooLittleMemory if this process may have fewer MiB of addresses; before anything large is imported.

    `limit` is in bytes, by default what the system says: `ulimit -v`, or a supervisor's word.
    """
    if limit is None:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0] if sys.platform == "linux" else resource.RLIM_INFINITY
    if limit != resource.RLIM_INFINITY and limit < least_mib << 20:
        raise TooLittleMemory(
            f"this process may have {limit >> 20} MiB of address space, and vragd takes {least_mib}",
            hint="ulimit -v unlimited (of a unit: LimitAS=infinity); little of it is ever used",
        )
