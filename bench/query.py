"""Queries: in process against stores of several sizes, and end to end over the socket with the builtin embedder."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.common import HashEmbedder, fill, open_store, percentiles
from tests.harness import Vragd, copy_vault
from vragd.search import Question, Target, ask

QUESTIONS = ("how do I brew coffee", "cost per use of socks", "advice for a birthday", "a trip to Japan", "books")


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = args.chunks or [10_000, 50_000]
    return {"chunks": sizes, "dim": args.dim}, {
        "in_process": [_in_process(size, args.dim) for size in sizes],
        "real_vault_over_socket": _over_socket(),
    }


def _in_process(n_chunks: int, dim: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vragd-bench-") as place:
        embedder = HashEmbedder(dim)
        store = open_store(Path(place), embedder)
        fill(store, n_chunks, embedder)
        store.backend.flush("bench")
        target = Target("bench", store.reader, store.backend, store.space, embedder.embed_query, {})
        figures: dict[str, Any] = {"chunks": n_chunks}
        for mode in ("vector", "keyword", "hybrid"):
            times = []
            for i in range(100):
                question = Question(text=f"word{i % 50 + 40} word{i + 100} word{i + 300}", mode=mode, top_k=10)
                started = time.perf_counter()
                ask(target, question)
                times.append(time.perf_counter() - started)
            figures[mode] = percentiles(times[5:])
        store.close()
    return figures


def _over_socket() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vragd-bench-") as place:
        copy_vault("kepano", Path(place) / "Vault")
        daemon = Vragd(Path(place))
        try:
            daemon.start()
            times, whole = [], []
            for i in range(200):
                started = time.perf_counter()
                daemon.query(QUESTIONS[i % len(QUESTIONS)])
                times.append(time.perf_counter() - started)
            for i in range(20):
                command = [sys.executable, "-m", "vragd", "query", QUESTIONS[i % len(QUESTIONS)]]
                started = time.perf_counter()
                subprocess.run(command, env=daemon.env, check=True, capture_output=True)
                whole.append(time.perf_counter() - started)
            return {
                "chunks": daemon.store["chunks"],
                "socket": percentiles(times[5:]),
                "vragd_query_process": percentiles(whole),
            }
        finally:
            daemon.kill()
