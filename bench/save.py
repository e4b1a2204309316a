"""
One-chunk saves at several store sizes: time without embedding, bytes written, syncs; and end to end on a daemon.

What is timed is `Store.apply`: reading the note, cutting it, the comparison, and every write of the order of
writes. The vectors are looked up.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import naive
from bench.common import bytes_written, ms, percentiles, ratio, timed
from bench.homes import Home, daemon, filled
from vragd.store.store import Store
from vragd.sync.prepared import Visit

SIZES = (1_000, 10_000, 50_000, 100_000)
ROUNDS, WARM, NAIVE_ROUNDS, END_TO_END_ROUNDS, TRACED = 200, 5, 3, 20, 20
_BEGIN, _END = "/vragd-bench-begins", "/vragd-bench-ends"  # looked for, and never there: marks in a trace


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = sorted(args.chunks or SIZES)
    rows = [_at_size(size, args.dim) for size in sizes]
    over_smallest = {row["chunks"]: round(row["ours"]["p50_ms"] / rows[0]["ours"]["p50_ms"], 2) for row in rows}
    return {"chunks": sizes, "dim": args.dim, "rounds": ROUNDS, "naive_rounds": NAIVE_ROUNDS}, {
        "one_chunk_save": rows,
        "times_the_smallest": over_smallest,
        "end_to_end_builtin": _end_to_end(sizes[-1]),
    }


def note_text(i: int) -> str:
    """A note of about ten chunks, of which only the last depends on `i`."""
    paragraphs = [f"Paragraph {p} " + "stays as it is. " * 60 for p in range(9)]
    return "\n\n".join([*paragraphs, f"Only this one changes: {i}. " + "More words. " * 80])


def _at_size(n_chunks: int, dim: int) -> dict[str, Any]:
    with filled("ollama", dim, n_chunks) as home:
        theirs = _naive(home)
        store = home.store()
        ours = _ours(store)
        store.close()
        syncs = _syncs(home)
    return {
        "chunks": n_chunks,
        "real_rows": home.n_real,
        "ours": {**ours, "fsyncs": syncs},
        "naive": theirs,
        "naive_over_ours": {name: ratio(theirs[name], ours[name]) for name in ("p50_ms", "bytes_written_mean")},
    }


def _saves(store: Store, rounds: int, first: int = 0) -> Iterator[tuple[float, int]]:
    """Save by save, its seconds and bytes. What was saved once is not embedded again: start at another `first`."""
    (source,) = store.sources.values()
    for i in range(-WARM, rounds):  # the first ones make the note and warm the pages
        (source.path / "note.md").write_text(note_text(first + i))
        before, started = bytes_written(), time.perf_counter()
        report = store.apply([Visit(source, "note.md")])
        took, written = time.perf_counter() - started, bytes_written() - before
        assert i == -WARM or report.n_embedded == 1, report
        if i >= 0:
            yield took, written


def _ours(store: Store) -> dict[str, Any]:
    times, written = zip(*_saves(store, ROUNDS), strict=True)
    return {
        **percentiles(times),
        "bytes_written_median": int(statistics.median(written)),
        "bytes_written_mean": int(statistics.mean(written)),  # with the folding of the log into the file
    }


def _naive(home: Home) -> dict[str, Any]:
    index = naive.of_vault(home.path / "naive", home.dim, home.bank.embed_documents, home.vault, home.rows)
    index.save("note.md", note_text(-1))
    before, embedded = bytes_written(), index.n_embedded
    times = [timed(lambda i=i: index.save("note.md", note_text(i))) for i in range(NAIVE_ROUNDS)]
    written, embedded = bytes_written() - before, index.n_embedded - embedded
    shutil.rmtree(home.path / "naive")
    return {
        "p50_ms": ms(statistics.median(times)),
        "bytes_written_mean": written // NAIVE_ROUNDS,
        "chunks_embedded": embedded // NAIVE_ROUNDS,
    }


# -- syncs ---------------------------------------------------------------------------------------------


def _syncs(home: Home) -> float | None:
    """fsync and fdatasync calls a save, counted by strace in a process of its own; None where that cannot run."""
    if shutil.which("strace") is None:
        return None
    trace = home.path / "trace"
    command = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=/^fsync|fdatasync|access"]
    child = [sys.executable, "-m", "bench.save", str(home.path), home.kind, str(home.dim), str(home.chunks)]
    done = subprocess.run([*command, *child], capture_output=True, text=True, check=False)
    text = trace.read_text("utf-8", "replace") if trace.exists() else ""
    if done.returncode or _BEGIN not in text or _END not in text:
        return None
    between = text.partition(_BEGIN)[2].partition(_END)[0]
    return round((between.count("fsync(") + between.count("fdatasync(")) / TRACED, 2)


def _traced(home: Home) -> None:
    """What is traced: the marks are around TRACED saves."""
    store = home.store()
    for i, _ in enumerate(_saves(store, TRACED + 1, first=1_000_000)):
        os.access(_BEGIN if i == 0 else _END if i == TRACED else "/", os.F_OK)
    store.close()


# -- end to end ----------------------------------------------------------------------------------------


def _end_to_end(n_chunks: int) -> dict[str, Any]:
    """From the end of `write()` to the first answer that shows it, in a daemon with the builtin embedder."""
    with filled("builtin", 384, n_chunks) as home, daemon(home) as vragd:
        vragd.start()
        times = []
        for i in range(END_TO_END_ROUNDS):
            (vragd.vault / "bench.md").write_text(f"A note for the benchmark, saved as number{i}.\n")
            started = time.perf_counter()
            while "bench.md" not in vragd.paths(f"number{i}", mode="keyword"):
                time.sleep(0.002)
            times.append(time.perf_counter() - started)
        return {"chunks": n_chunks, **percentiles(times), "of_which_settling_ms": 250}


if __name__ == "__main__":
    _traced(Home(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
