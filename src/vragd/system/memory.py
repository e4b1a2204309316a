"""How much memory this process has."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Memory this process has in use; where the system does not tell, the most that it ever had."""
    try:
        return int(statm.read_text().split()[1]) * resource.getpagesize()  # proc_pid_statm(5)
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024  # getrusage(2): bytes there, KiB on Linux
