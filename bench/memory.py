"""
What a daemon has in memory, and what its data directory has on disk.

The embedder is an Ollama in another process than the daemon, so that no model is counted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from typing import Any

from bench import naive
from bench.common import MIB, disk_bytes, memory_mib, ratio
from bench.homes import Home, daemon, filled, ollama, text_of
from bench.text import questions

SIZES = (10_000, 100_000)
SETTLE_S = 3.0


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes, dims = sorted(args.chunks or SIZES), (384, 768)
    return {"chunks": sizes, "dims": dims}, {"stores": [_at_size(size, dim) for size in sizes for dim in dims]}


def _at_size(n_chunks: int, dim: int) -> dict[str, Any]:
    with filled("ollama", dim, n_chunks) as home:
        theirs = _naive(home)
        with ollama(dim, home.bank) as fake, daemon(home, fake) as vragd:
            vragd.start()
            assert vragd.process is not None
            at_start = memory_mib(vragd.process.pid)
            for question in questions():
                assert vragd.query(question, weak=True)["hits"]
            time.sleep(SETTLE_S)
            asked = memory_mib(vragd.process.pid)
            vragd.stop()
        text = sum(len(text_of(i).encode()) for i in range(n_chunks))
        disk = disk_bytes(home.path / "data")
        parts = {"catalog": disk_bytes_of(home, "catalog*"), "index": disk_bytes(home.folder / "index")}
    least = text + 4 * dim * n_chunks
    return {
        "chunks": n_chunks,
        "dim": dim,
        "after_start": at_start,
        "after_questions": asked,
        "text_mib": round(text / MIB, 1),
        "disk_mib": round(disk / MIB, 1),
        "disk_parts_mib": {name: round(size / MIB, 1) for name, size in parts.items()},
        "disk_over_text_and_vectors": round(disk / least, 3),
        "naive": theirs,
        "naive_over_ours": {
            "rss": ratio(theirs["rss_mib"], asked["rss_mib"]),
            "peak": ratio(theirs["peak_mib"], asked["peak_mib"]),
            "disk": ratio(theirs["disk_mib"], disk / MIB),
        },
    }


def disk_bytes_of(home: Home, pattern: str) -> int:
    return sum(file.stat().st_size for file in home.folder.glob(pattern))


def _naive(home: Home) -> dict[str, float]:
    """A process that holds both files, as during a question."""
    folder = home.path / "naive"
    naive.of_vault(folder, home.dim, home.bank.embed_documents, home.vault, home.rows)
    command = [sys.executable, "-m", "bench.naive", str(folder), str(home.dim), home.kind]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    disk = disk_bytes(folder)
    shutil.rmtree(folder)
    return {"rss_mib": said["rss_mib"], "peak_mib": said["peak_mib"], "disk_mib": round(disk / MIB, 1)}
