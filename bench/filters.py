"""
Questions with filters, in process, against the same questions without: by what share of the notes passes, and how it is
told. Times are those of this process on its processors: other programs hold these up least.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import replace
from typing import Any

from bench.common import ms, percentiles, ratio
from bench.homes import filled
from bench.text import questions
from vragd.search.ask import Place, Target, ask
from vragd.search.asking import understood
from vragd.store.store import Store
from vragd.vault.types import UNNAMED

TOP_K, MOST_QUESTIONS = 10, 40
DAILY = "YYDDDD"
# Notes are called 00000.md and on, 50 to a folder; their prose is English. By DAILY 00001 is 2000-01-01, 01366 none.
FILTERS = {
    "none": "",
    "no note": "path:nowhere",
    "one note": "file:00001.md",
    "half, by a pattern of names": r"path:/[02468]\.md$/",
    "nearly all, by a negation": r"-file:00001.md",
    "a part of a word": "content:ther",
    "without a word": "-whereas",
    "either of two words": "(water OR fire)",
    "a phrase": '"in the"',
    "a line with two words": "line:(water which)",
    "a pattern of text": r"/wat(er|t)\b/",
    "a week": "modified:7d",
    "a month, by the format of daily notes": "on:2000-06",
    "later, by the format of daily notes": "after:2000-07",
}
_GRAMMAR = re.compile(r"[^\w\s']|\bOR\b")


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = args.chunks or [2_000, 20_000]
    return {"chunks": sizes, "dim": args.dim, "questions": len(_questions())}, {
        "filters": [_of_size(size, args.dim) for size in sizes]
    }


def _questions() -> list[str]:
    return [" ".join(_GRAMMAR.sub(" ", question).split()) for question in questions()[:MOST_QUESTIONS]]


def _of_size(n_chunks: int, dim: int) -> dict[str, Any]:
    with filled("ollama", dim, n_chunks) as home:
        found = {}
        for mode in ("hybrid", "keyword"):
            store = home.store()  # which has evaluated no filter yet
            found[mode] = _of_mode(_with_daily_notes(home.target(store), store), mode)
            store.close()
    return {"chunks": n_chunks, **found}


def _with_daily_notes(target: Target, store: Store) -> Target:
    """The store as one whose vault says how its daily notes are named."""
    types = (("", ((UNNAMED, DAILY),)),)
    places = {one.label: Place(one.uid, one.path, in_obsidian=True, types=types) for one in store.sources.values()}
    return replace(target, places=places)


def _of_mode(target: Target, mode: str) -> dict[str, Any]:
    _times(target, mode, "")  # what is counted once is counted
    plain = _times(target, mode, "")
    usual = percentiles(plain[1:])
    found: dict[str, Any] = {}
    for name, where in FILTERS.items():
        times = _times(target, mode, where) if where else plain
        # a filter is evaluated by the first question, and kept until something is saved
        rest = percentiles(times[1:])
        found[name] = {"first_ms": ms(times[0]), **rest, "over_none": ratio(rest["p50_ms"], usual["p50_ms"]),
                       "p95_over_none": ratio(rest["p95_ms"], usual["p95_ms"])}  # fmt: skip
    return found


def _times(target: Target, mode: str, where: str) -> list[float]:
    times = []
    for text in _questions():
        started = time.process_time()
        ask(target, understood(text=text, where=where, mode=mode, top_k=TOP_K, weak=True))
        times.append(time.process_time() - started)
    return times
