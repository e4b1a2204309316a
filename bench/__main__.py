"""
`python -m bench NAME [--chunks N] [--dim D] [--json]`: one benchmark, as a table or as one JSON object.

`all` runs every one and writes the generated part of docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import report
from bench.text import DIMENSIONS
from vragd.system.log import set_up


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


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    found.add_argument(
        "name",
        choices=(
            *report.ORDER,
            "backends",
            "edits",
            "filters",
            "hand",
            "imports",
            "map",
            "mcp",
            "page",
            "quality",
            "replicas",
            "words",
            "all",
        ),
    )
    found.add_argument("--chunks", type=int, action="append", help="store size (may be repeated)")
    found.add_argument(
        "--per-note", type=int, default=20, help="for mcp, hand and idle: chunks in a note; 1 for as many notes"
    )
    found.add_argument("--dim", type=int, default=768, choices=DIMENSIONS)
    found.add_argument(
        "--python", default=sys.executable, help="for imports: whose packages; those of the tests are loaded, too"
    )
    found.add_argument("--files", type=int, action="append", help="for scan: how many files (may be repeated)")
    found.add_argument("--seconds", type=float, default=60, help="for idle: how long")
    found.add_argument(
        "--watched", action="store_true", help="for idle: with a client of the events, and metrics read every 15 s"
    )
    found.add_argument("--repo", type=Path, help="for replay: a git repository")
    found.add_argument("--folder", type=Path, help="for edits: a folder of notes")
    found.add_argument("--commits", type=int, help="for replay: how many")
    found.add_argument("--vault", type=Path, help="for quality and page: a folder of notes")
    found.add_argument("--questions", type=Path, help="for quality: what is asked of it, and where the answers are")
    found.add_argument("--dataset", type=Path, help="for quality: documents, queries and judgements")
    found.add_argument("--embedder", metavar="YAML", help="for quality: the model, as behind embedder:")
    found.add_argument("--kept", type=Path, help="for quality, words and page: where the index stays between runs")
    found.add_argument(
        "--drawn", action="store_true", help="for quality: also words and names of the vault, and nonsense"
    )
    found.add_argument("--foreign", type=Path, action="append", help="for quality: what is asked of another vault")
    found.add_argument(
        "--similar", action="store_true", help="for quality: whether related notes are those that are linked"
    )
    found.add_argument("--backend", action="append", help="for backends: a type or a URL (may be repeated)")
    found.add_argument("--document", type=Path, default=report.DOCUMENT, help="for all: what to write into")
    found.add_argument("--json", action="store_true", help="one JSON object on one line")
    return found


def flat(figures: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single figure and its place."""
    if isinstance(figures, dict | list):
        for key, value in figures.items() if isinstance(figures, dict) else enumerate(figures):
            yield from flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, figures


def main() -> int:
    args = parser().parse_args()
    set_up(level="error")  # standard output is for the figures
    sys.excepthook = sys.__excepthook__
    if args.name == "all":
        return report.main(args)
    before = machine()
    params, figures = importlib.import_module(f"bench.{args.name}").run(args)
    if args.json:
        print(json.dumps({"bench": args.name, "params": params, "machine": before, "figures": figures}))
        return 0
    for title, part in (("params", params), ("machine", before), ("figures", figures)):
        print(title)
        rows = list(flat(part))
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            print(f"  {name:{width}}  {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
