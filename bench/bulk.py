"""
The first index of a vault with the builtin embedder: notes and chunks a second, and the time outside the embedder.

Two vaults: the bundled one, of a person, and one of documentation strings with chunks of 650 characters; and a
larger one of those with vectors looked up, for what all but the embedder can do. Then one whose vectors come from a
server that takes its time, kept busy and not: how much of the whole it stood idle.
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

SERVER_S = 0.2
"""What a batch of 16 takes the server of `Served`: a small model on a few cores, or a service far away."""


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


class Served:
    """Looks up, and takes SERVER_S for a batch, as a server does."""

    batch_size = 16

    def __init__(self) -> None:
        self._bank = random_bank()
        self.space, self.embed_query, self.close = self._bank.space, self._bank.embed_query, self._bank.close
        self.seconds = 0.0

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        started = time.perf_counter()
        time.sleep(SERVER_S)
        rows = self._bank.embed_documents(texts)
        self.seconds += time.perf_counter() - started
        return rows


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
            "server_kept_busy": _serve(prose, "busy", is_server=True),
            "server_in_turns": _serve(prose, "turns", is_server=False),
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


def _serve(vault: Path, name: str, *, is_server: bool) -> dict[str, Any]:
    served = Served()
    store = open_store(vault, vault.with_name(name), lambda: served, is_server=is_server)
    started = time.perf_counter()
    index_all(store)
    took, chunks = time.perf_counter() - started, store.reader.counts().chunks
    store.close()
    return {
        "seconds": round(took, 2),
        "chunks_per_s": round(chunks / took, 1),
        "server_idle_share": round(1 - served.seconds / took, 4),
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
