"""
What an idle daemon costs: CPU time, and how often it wakes, over a minute.

The naive design has nothing that runs, and so nothing that notices: there is no ratio here.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from bench.common import cpu_s, memory_mib, wakeups
from bench.homes import daemon, filled

SETTLE_S = 5.0


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    n_chunks = max(args.chunks or [10_000])
    with filled("builtin", 384, n_chunks) as home, daemon(home) as vragd:
        vragd.start()
        vragd.query("something")
        time.sleep(SETTLE_S)
        assert vragd.process is not None
        pid = vragd.process.pid
        used, woken = cpu_s(pid), wakeups(pid)
        time.sleep(args.seconds)
        used, after = cpu_s(pid) - used, wakeups(pid)
        n_woken = sum(count - woken.get(thread, 0) for thread, count in after.items())
        return {"chunks": n_chunks, "seconds": args.seconds}, {
            "cpu_ms_per_minute": round(used * 1000 * 60 / args.seconds, 1),
            "wakeups_per_minute": round(n_woken * 60 / args.seconds, 1),
            "threads": len(after),
            "memory": memory_mib(pid),
        }
