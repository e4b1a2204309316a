"""`python -m bench NAME [--chunks N] [--dim D]`: one benchmark, one JSON object on standard output."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

from vragd.log import set_up

NAMES = ("save", "query", "start", "scan")


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    memory = Path("/proc/meminfo")
    total = int(memory.read_text().split()[1]) // 1024 if memory.exists() else None
    return {
        "cores": os.cpu_count(),
        "memory_mib": total,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--chunks", type=int, action="append", help="store size (may be repeated)")
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--files", type=int, action="append", help="for scan: how many files (may be repeated)")
    args = parser.parse_args()
    set_up(level="error")  # standard output is for the figures
    before = machine()
    params, figures = importlib.import_module(f"bench.{args.name}").run(args)
    print(json.dumps({"bench": args.name, "params": params, "machine": before, "figures": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
