"""
One-chunk saves at several store sizes: time without embedding, bytes written; and end to end on a daemon.

The store is filled with hashed vectors: only cost is measured here.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.common import HashEmbedder, bytes_written, fill, open_store, percentiles
from tests.harness import Vragd, copy_vault, until
from vragd.sync import Job

ROUNDS = 60


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = args.chunks or [1_000, 10_000, 50_000]
    rows = [_at_size(size, args.dim) for size in sorted(sizes)]
    ratio = round(rows[-1]["p50_ms"] / rows[0]["p50_ms"], 2)
    return {"chunks": sizes, "dim": args.dim, "rounds": ROUNDS}, {
        "one_chunk_save": rows,
        "largest_over_smallest": ratio,
        "end_to_end_builtin": _end_to_end(),
    }


def _at_size(n_chunks: int, dim: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vragd-bench-") as place:
        embedder = HashEmbedder(dim)
        store = open_store(Path(place), embedder)
        fill(store, n_chunks, embedder)
        (source,) = store.sources.values()
        note = source.path / "note.md"
        times, written = [], []
        for i in range(ROUNDS + 5):
            paragraphs = [f"Paragraph {p} " + "stays as it is. " * 60 for p in range(9)]
            note.write_text("\n\n".join([*paragraphs, f"Only this one changes: {i}. " + "More words. " * 80]))
            before, started = bytes_written(), time.perf_counter()
            report = store.apply([Job(source, "note.md")])
            if i >= 5:  # the first ones make the note and warm the pages
                assert report.n_embedded == 1, report
                times.append(time.perf_counter() - started)
                written.append(bytes_written() - before)
        store.close()
    return {"chunks": n_chunks, **percentiles(times), "bytes_written_median": int(statistics.median(written))}


def _end_to_end() -> dict[str, Any]:
    """From the end of `write()` to the first answer that shows it, on a copy of a real vault."""
    with tempfile.TemporaryDirectory(prefix="vragd-bench-") as place:
        copy_vault("kepano", Path(place) / "Vault")
        daemon = Vragd(Path(place))
        try:
            daemon.start()
            times = []
            for i in range(20):
                note = daemon.vault / "bench.md"
                note.write_text(f"A note for the benchmark, saved as number{i}.\n")
                started = time.perf_counter()
                until(lambda i=i: daemon.paths(f"number{i}", mode="keyword"), "the save")
                times.append(time.perf_counter() - started)
            settle_ms = 250
            return {**percentiles(times), "settle_ms": settle_ms}
        finally:
            daemon.kill()
