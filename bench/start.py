"""
From the start of a process to the first answer that vectors took part in, with and without its FAISS cache.

The process is a whole daemon; its files are in the system's page cache. The embedder is an Ollama that does
not count (dimension of --dim), or the builtin model, which is loaded on the way (384).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from typing import Any

from bench import naive
from bench.common import ratio, timed
from bench.homes import Home, daemon, filled, ollama
from tests.harness import Vragd
from vragd.errors import NoDaemon

SIZES = (10_000, 100_000)
ROUNDS, NAIVE_ROUNDS = 5, 3


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = sorted(args.chunks or SIZES)
    command = [sys.executable, "-c", "import vragd.daemon.life"]
    importing = [timed(lambda: subprocess.run(command, check=True)) for _ in range(ROUNDS)]
    return {"chunks": sizes, "dim": args.dim, "rounds": ROUNDS}, {
        "importing_s": round(statistics.median(importing), 3),
        "ollama": [_at_size("ollama", args.dim, size) for size in sizes],
        "builtin": [_at_size("builtin", 384, sizes[-1])],
    }


def _at_size(kind: str, dim: int, n_chunks: int) -> dict[str, Any]:
    with filled(kind, dim, n_chunks) as home, _server(home) as fake, daemon(home, fake) as vragd:
        theirs = _naive(home)
        vragd.start()  # so that nothing is left over from filling
        vragd.stop()
        with_cache, without = [], []
        for _ in range(ROUNDS):
            with_cache.append(first_answer(vragd))
        for _ in range(NAIVE_ROUNDS):
            shutil.rmtree(home.folder / "index")
            without.append(first_answer(vragd))
    ours = round(statistics.median(with_cache), 3)
    return {
        "chunks": n_chunks,
        "dim": dim,
        "first_answer_s": ours,
        "first_answer_without_cache_s": round(statistics.median(without), 3),
        "naive_s": theirs,
        "naive_over_ours": ratio(theirs, ours),
    }


def _server(home: Home) -> Any:
    return ollama(home.dim, home.bank) if home.kind == "ollama" else nullcontext()


def first_answer(vragd: Vragd) -> float:
    """Start, ask until there is an answer, stop; the seconds between."""
    started = time.perf_counter()
    vragd.start(ready=False, idle=False)
    while True:
        try:
            answer = vragd.query("how do I keep a copy", mode="vector")
            if answer["hits"]:
                break
        except NoDaemon:
            assert vragd.process is not None
            assert vragd.process.poll() is None, vragd.log()[-2000:]
        time.sleep(0.005)
    took = time.perf_counter() - started
    vragd.stop()
    return took


def _naive(home: Home) -> float:
    """A process that loads both files and answers; with the builtin model if that is what embeds."""
    folder = home.path / "naive"
    naive.of_vault(folder, home.dim, home.bank.embed_documents, home.vault, home.rows)
    command = [sys.executable, "-m", "bench.naive", str(folder), str(home.dim), home.kind]
    times = [timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(NAIVE_ROUNDS)]
    shutil.rmtree(folder)
    return round(statistics.median(times), 3)
