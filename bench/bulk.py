"""
The first index of a vault with the builtin embedder: notes and chunks a second, and the time outside the embedder.

Two vaults: the bundled one, of a person, and one of documentation strings with chunks of 650 characters; and a
larger one of those with vectors looked up, for what all but the embedder can do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench import naive
from bench.common import percentiles, ratio
from bench.homes import index_all, open_store, random_bank, scratch, write_notes
from tests.harness import copy_vault
from vragd.embed.base import Embedder
from vragd.embed.builtin.settings import BuiltinEmbedder
from vragd.embed.registry import create_embedder


class Clocked:
    """An embedder, and how long it was at work."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.batch_size, self.space = embedder.batch_size, embedder.space
        self.embed_query, self.close = embedder.embed_query, embedder.close
        self.seconds = 0.0

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        started = time.perf_counter()
        try:
            return self._embedder.embed_documents(texts)
        finally:
            self.seconds += time.perf_counter() - started


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    n_chunks = max(args.chunks or [1_000])
    with scratch() as place:
        kepano = copy_vault("kepano", Path(place) / "kepano")
        prose, large = Path(place) / "prose", Path(place) / "large"
        write_notes(prose, range(n_chunks))
        write_notes(large, range(10 * n_chunks))
        model = create_embedder("builtin", BuiltinEmbedder())
        figures = {
            "bundled_vault": {**_index(kepano, model), "naive": _naive(kepano, model)},
            "prose_vault": _index(prose, model),
            "without_embedder": _index(large, random_bank()),
        }
    bundled = figures["bundled_vault"]
    bundled["naive_over_ours"] = ratio(bundled["naive"]["seconds"], bundled["seconds"])
    return {"chunks": n_chunks}, figures


def _index(vault: Path, embedder: Any) -> dict[str, Any]:
    clocked = Clocked(embedder)
    store = open_store(vault, vault.with_name(f"{vault.name}-store"), lambda: clocked)
    rounds = [time.perf_counter()]
    index_all(store, lambda: rounds.append(time.perf_counter()))
    took, counts = rounds[-1] - rounds[0], store.reader.counts()
    store.close()
    return {
        "notes": counts.notes,
        "chunks": counts.chunks,
        "seconds": round(took, 2),
        "notes_per_s": round(counts.notes / took, 1),
        "chunks_per_s": round(counts.chunks / took, 1),
        "share_outside_embedder": round(1 - clocked.seconds / took, 4),
        "round": percentiles([b - a for a, b in pairwise(rounds)]),
    }


def _naive(vault: Path, embedder: Embedder) -> dict[str, Any]:
    """Note by note, as if each was saved."""
    clocked = Clocked(embedder)
    index = naive.Naive(vault.with_name("naive"), 384, clocked.embed_documents)
    started = time.perf_counter()
    for note in sorted(vault.rglob("*.md")):
        index.save(str(note.relative_to(vault)), note.read_text("utf-8"))
    took = time.perf_counter() - started
    return {"seconds": round(took, 2), "share_outside_embedder": round(1 - clocked.seconds / took, 4)}
