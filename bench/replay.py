"""
A repository's Markdown history, commit by commit through the real pipeline: how much of it is embedded.

The least possible is taken literally: for each hunk of `git diff -U0 -M` of a Markdown file, the characters it
adds by the size of a chunk (1,500), rounded up, and one at least, so that a hunk which only deletes counts
one; a rename alone has no hunk. The second figure counts such hunks nothing. A new note's sections are chunks
of their own however short they are, which neither figure allows for.

Without --repo the history is made up by a seeded editor from the bundled vault: synthetic, and said to be.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from bench import naive
from bench.common import percentiles, ratio
from bench.history import Commit, commits, make_up, snapshot
from bench.homes import index_all, open_store, random_bank, scratch
from bench.text import DIMENSION
from vragd.store.store import Store

COMMITS = 200


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    wanted = args.commits or COMMITS
    with scratch() as place:
        repo = args.repo
        if repo is None:
            repo = Path(place) / "repo"
            repo.mkdir()
            make_up(repo, wanted)
        base, history = commits(repo, wanted)
        figures = _replay(Path(place), dict(snapshot(repo, base)), history)
    params = {
        "history": "synthetic: a seeded editor on the bundled vault" if args.repo is None else "a repository",
        "commits": len(history),
        "least_possible": "sum over diff hunks of max(1, ceil(added characters / 1500)), hunks that only delete too",
    }
    return params, figures


def _replay(place: Path, base: dict[str, bytes], history: list[Commit]) -> dict[str, Any]:
    vault, bank, theirs = place / "Vault", random_bank(), random_bank()
    for path, data in base.items():
        _write(vault / path, data)
    store = open_store(vault, place / "store", lambda: bank)
    index_all(store)
    index = naive.Naive(place / "naive", DIMENSION, theirs.embed_documents)
    for path, data in base.items():
        index.save(path, data.decode("utf-8", "surrogateescape"))
    at_first, before, index.n_embedded = store.reader.counts(), bank.n_embedded, 0
    times, embedded, naive_times = [], [], []
    for commit in history:
        _apply(vault, commit)
        had, started = bank.n_embedded, time.perf_counter()
        index_all(store)
        times.append(time.perf_counter() - started)
        embedded.append(bank.n_embedded - had)
        started = time.perf_counter()
        for path, data in commit.written:
            index.save(path, data.decode("utf-8", "surrogateescape"))
        for path in commit.gone:
            index.save(path, None)
        naive_times.append(time.perf_counter() - started)
    _agree(store, index)
    counts = store.reader.counts()
    store.close()
    least, most = sum(commit.least for commit in history), index.n_embedded
    strict = sum(commit.least_but_deletions for commit in history)
    n = bank.n_embedded - before
    ours, theirs_ms = percentiles(times), percentiles(naive_times)
    return {
        "notes": [at_first.notes, counts.notes],
        "chunks": [at_first.chunks, counts.chunks],
        "hunks": sum(len(commit.hunks) for commit in history),
        "embedded": n,
        "least_possible": least,
        "embedded_over_least": round(n / least, 3),
        "least_without_deleting_hunks": strict,
        "embedded_over_that": round(n / max(1, strict), 3),
        "whole_notes": most,
        "whole_notes_over_embedded": ratio(most, n),
        "commit_without_embedding": ours,
        "naive_commit_without_embedding": theirs_ms,
        "naive_over_ours": ratio(theirs_ms["p50_ms"], ours["p50_ms"]),
        "most_in_a_commit": max(embedded, default=0),
    }


def _apply(vault: Path, commit: Commit) -> None:
    for path in commit.gone:
        (vault / path).unlink(missing_ok=True)
    for path, data in commit.written:
        _write(vault / path, data)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _agree(store: Store, index: naive.Naive) -> None:
    """Both hold the same chunks in the end, or the comparison means nothing."""
    _, chunks = index.load()
    indexed = {row.path: row.n_chunks for row in store.reader.files() if row.n_chunks}
    theirs: dict[str, int] = {}
    for chunk in chunks:
        theirs[chunk["path"]] = theirs.get(chunk["path"], 0) + 1
    differing = {path for path in indexed.keys() | theirs.keys() if indexed.get(path) != theirs.get(path)}
    assert not differing, sorted(differing)[:5]
