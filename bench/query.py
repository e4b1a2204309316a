"""
Questions: in process for every kind of index, with recall against an exact search; over the socket with the
builtin embedder, while nothing else is done and while a bulk index runs.

The questions are those of questions.txt. Recall is only claimed where all rows are of distinct real texts.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import naive
from bench.common import memory_mib, ms, percentiles, ratio, timed
from bench.homes import Home, daemon, filled, write_notes
from bench.text import n_wanted, question_rows, questions
from tests.harness import Vragd, until
from vragd.search.ask import Question, Target, ask
from vragd.store.store import Store

KINDS = {"flat": "flat", "scan": "auto", "ivf": "ivf", "hnsw": "hnsw"}
ROUNDS, NAIVE_ROUNDS, TOP_K = 3, 3, 10
ENOUGH_S = 20.0
"""After so long no further round of the questions is begun."""
BULK_CHUNKS, BULK_QUERIES = 4_000, 300


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    largest = max(args.chunks or [100_000])
    real = min(n_wanted(), largest)
    sizes = sorted({*(args.chunks or ()), real, largest})
    return {"chunks": sizes, "dim": args.dim, "questions": len(questions()), "rounds": ROUNDS}, {
        "in_process": [_in_process(size, args.dim) for size in sizes],
        "over_socket_builtin": _over_socket(largest),
    }


# -- in process ----------------------------------------------------------------------------------------


def _in_process(n_chunks: int, dim: int) -> dict[str, Any]:
    with filled("ollama", dim, n_chunks) as home:
        best = exact(home.rows, question_rows(dim))
        # the approximate ones take long to build, and are only worth a figure where recall is
        kinds = KINDS if home.n_real == n_chunks else ("flat", "scan")
        indexes = {name: _index(home, KINDS[name], best) for name in kinds}
        theirs = _naive(home)
    return {
        "chunks": n_chunks,
        "real_rows": home.n_real,
        "recall_is_of_real_text": home.n_real == n_chunks,
        "indexes": indexes,
        "naive": theirs,
        "naive_over_scan": {"p50_ms": ratio(theirs["p50_ms"], indexes["scan"]["vector"]["p50_ms"])},
    }


def exact(rows: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The TOP_K nearest rows to each question, by every product there is: shape (questions, TOP_K)."""
    scores = asked @ rows.T
    found: np.ndarray = np.argpartition(-scores, min(TOP_K, len(rows) - 1), axis=1)[:, :TOP_K]
    return found


def _index(home: Home, index: str, best: np.ndarray) -> dict[str, Any]:
    """One kind of index over the rows of the home: built from its catalog, then asked."""
    shutil.rmtree(home.folder / "index")
    started = time.perf_counter()
    store = home.store(index)
    built_s = time.perf_counter() - started
    figures: dict[str, Any] = {"is": _detail(store)["index"], "built_s": round(built_s, 2)}
    figures["recall_at_10"] = recall(home.target(store), best, home.dim)
    for mode in ("vector", "hybrid", "keyword") if index == "auto" else ("vector",):
        figures[mode] = percentiles(_times(home.target(store), mode))
    store.close()
    return figures


def _detail(store: Store) -> Any:
    assert store.space is not None
    return store.backend.collection_info(store.space.collection).detail


def recall(target: Target, best: np.ndarray, dim: int) -> float:
    """The share of the nearest rows that is found."""
    shares = []
    for row, wanted in zip(question_rows(dim), best, strict=True):
        hits = ask(target, Question(vector=tuple(row.tolist()), mode="vector", top_k=TOP_K, chunks=True)).hits
        shares.append(len({int(hit.heading[-1]) for hit in hits} & set(wanted.tolist())) / len(wanted))
    return round(statistics.mean(shares), 4)


def _times(target: Target, mode: Any) -> list[float]:
    def one(text: str) -> None:
        answer = ask(target, Question(text=text, mode=mode, top_k=TOP_K, weak=True))
        assert answer.hits
        assert not answer.degraded

    one(questions()[0])
    times: list[float] = []
    for _ in range(ROUNDS):
        if sum(times) < ENOUGH_S:
            times += [timed(lambda text=text: one(text)) for text in questions()]
    return times


def _naive(home: Home) -> dict[str, Any]:
    index = naive.of_vault(home.path / "naive", home.dim, home.bank.embed_documents, home.vault, home.rows)
    row = question_rows(home.dim)[0]
    times = [timed(lambda: index.query(row, TOP_K)) for _ in range(NAIVE_ROUNDS)]
    shutil.rmtree(home.path / "naive")
    return {"p50_ms": ms(statistics.median(times)), "rounds": NAIVE_ROUNDS}


# -- over the socket -----------------------------------------------------------------------------------


def _over_socket(n_chunks: int) -> dict[str, Any]:
    with filled("builtin", 384, n_chunks) as home, daemon(home) as vragd:
        vragd.start()
        assert vragd.process is not None
        _ask_all(vragd, "hybrid", 1)
        idle = {mode: percentiles(_ask_all(vragd, mode, ROUNDS)) for mode in ("hybrid", "vector", "keyword")}
        memory = memory_mib(vragd.process.pid)
        bulk = _while_indexing(vragd)
    return {
        "chunks": n_chunks,
        "idle": idle,
        "bulk": bulk,
        "bulk_p95_over_idle_p95": round(bulk["p95_ms"] / idle["hybrid"]["p95_ms"], 2),
        "daemon": memory,
    }


def _ask_all(vragd: Vragd, mode: str, rounds: int, going_on: Callable[[], bool] = lambda: True) -> list[float]:
    times: list[float] = []
    for i in range(rounds * len(questions())):
        at = i % len(questions())
        if not going_on() or (at == 0 and sum(times) > ENOUGH_S):
            break
        started = time.perf_counter()
        answer = vragd.query(questions()[at], mode=mode, weak=True)
        times.append(time.perf_counter() - started)
        assert answer["hits"]
    return times


def _while_indexing(vragd: Vragd) -> dict[str, Any]:
    """The same questions while BULK_CHUNKS new chunks are embedded and indexed."""
    before = vragd.store
    write_notes(vragd.vault, range(before["chunks"], before["chunks"] + BULK_CHUNKS), "bulk/")
    until(lambda: vragd.store["embeddings"] > before["embeddings"], "the bulk index to begin", 120)
    began, seen = time.monotonic(), [0.0, 1]

    def going_on() -> bool:
        if time.monotonic() - seen[0] > 1:  # not before every question: this is a question too
            seen[:] = [time.monotonic(), vragd.store["pending"]]
        return seen[1] > 0

    times = _ask_all(vragd, "hybrid", -(-BULK_QUERIES // len(questions())), going_on)
    after = vragd.store
    return {
        **percentiles(times),
        "queries": len(times),
        "still_indexing_at_the_end": after["pending"] > 0,
        "texts_embedded_meanwhile": after["embeddings"] - before["embeddings"],
        "notes_indexed_meanwhile": after["notes"] - before["notes"],
        "seconds": round(time.monotonic() - began, 1),
    }
