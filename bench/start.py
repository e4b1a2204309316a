"""From opening a store to its first answer, with and without the FAISS cache; and a whole daemon's start."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.common import HashEmbedder, fill, open_store
from tests.harness import Vragd, copy_vault, until
from vragd.search import Question, Target, ask


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = args.chunks or [10_000, 50_000]
    return {"chunks": sizes, "dim": args.dim}, {
        "store": [_store(size, args.dim) for size in sizes],
        "daemon_on_real_vault": _daemon(),
    }


def _store(n_chunks: int, dim: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vragd-bench-") as place:
        embedder = HashEmbedder(dim)
        store = open_store(Path(place), embedder)
        fill(store, n_chunks, embedder)
        store.close()
        with_cache = _first_answer(Path(place), embedder)
        shutil.rmtree(Path(place) / "store/index")
        without = _first_answer(Path(place), embedder)
    return {"chunks": n_chunks, "first_answer_s": with_cache, "first_answer_without_cache_s": without}


def _first_answer(home: Path, embedder: HashEmbedder) -> float:
    started = time.perf_counter()
    store = open_store(home, embedder)
    target = Target("bench", store.reader, store.backend, store.space, embedder.embed_query, {})
    answer = ask(target, Question(text="word50", top_k=10))
    took = time.perf_counter() - started
    assert answer.hits
    assert not answer.degraded
    store.close()
    return round(took, 3)


def _daemon() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="vragd-bench-") as place:
        copy_vault("kepano", Path(place) / "Vault")
        daemon = Vragd(Path(place))
        try:
            daemon.start()
            daemon.stop()
            times = []
            for _ in range(5):
                started = time.perf_counter()
                daemon.start(ready=False, idle=False)
                until(lambda: daemon.answers() and daemon.paths("coffee"), "the first answer")
                times.append(time.perf_counter() - started)
                daemon.stop()
            return {"process_to_first_answer_s": round(sorted(times)[2], 3)}
        finally:
            daemon.kill()
