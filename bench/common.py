"""What the benchmarks share: a store of any size without the hours of embedding it, and statistics."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from vragd.catalog.model import ChunkRow, NoteChange
from vragd.embed.base import Space
from vragd.settings import LimitSettings, SourceSettings, StoreSettings
from vragd.store import Store
from vragd.vectors import chunk_key

CHUNKS_PER_NOTE = 20
_WORDS = [f"word{i}" for i in range(5_000)]


class HashEmbedder:
    """
    A unit vector from a hash of the text, in microseconds: benchmarks of everything but the embedder.

    Its vectors are as good as random, so nothing is said about recall with them.
    """

    batch_size = 64

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def space(self, chunker: str) -> Space:
        return Space("bench", "hash", "1", self.dimension, "", chunker)

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, self.dimension))

    def embed_query(self, text: str) -> np.ndarray:
        row = np.random.default_rng(xxhash.xxh3_64_intdigest(text.encode())).normal(size=self.dimension)
        return (row / np.linalg.norm(row)).astype(np.float32)

    def close(self) -> None:
        """Nothing is held."""


def text_of(i: int, n_words: int = 100) -> str:
    """A chunk's worth of words, different for each `i`."""
    rng = np.random.default_rng(i)
    return f"chunk{i} " + " ".join(_WORDS[w] for w in rng.zipf(1.3, n_words) % len(_WORDS))


def open_store(home: Path, embedder: Any, **settings: Any) -> Store:
    """An open store `bench` below `home` on the vault `home/vault`."""
    vault = home / "vault"
    vault.mkdir(exist_ok=True)
    store = Store(
        "bench",
        StoreSettings(sources=(SourceSettings(path=vault),), **settings),
        home / "store",
        LimitSettings(),
        lambda: embedder,
    )
    store.open()
    for source in store.sources.values():
        store.connect(source)
    store.prepare()
    return store


def fill(store: Store, n_chunks: int, embedder: Any, start: int = 0) -> None:
    """Add notes of CHUNKS_PER_NOTE chunks to catalog and backend by the write order of `sync`, without files."""
    (source,) = store.sources.values()
    space = store.space
    assert space is not None
    for first in range(start, n_chunks, 1_000):
        rows, vectors, changes = [], [], []
        for at in range(first, min(n_chunks, first + 1_000), CHUNKS_PER_NOTE):
            path = f"fill/{at}.md"
            chunks = []
            for i in range(at, min(n_chunks, at + CHUNKS_PER_NOTE)):
                text = text_of(i)
                text_hash = xxhash.xxh3_128_digest(text.encode())
                vectors.append((text_hash, embedder.embed_query(text)))
                key = chunk_key(source.uid, path, text_hash, 0)
                chunks.append(ChunkRow(key, text_hash, ("Heading",), (i - at + 1, i - at + 1), text))
            rows += chunks
            changes.append(
                NoteChange(source.id, path, store.catalog.next_seq(), (at + 1, 9, 9, 9), False, b"\0" * 16, path,
                           space.id, "indexed", chunks=tuple(chunks))
            )  # fmt: skip
        store.catalog.save(space.id, vectors, space.collection, [])
        store.catalog.commit(space.collection, changes)
    store.refill(space)


def percentiles(times_s: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(times_s)
    at = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)  # noqa: E731
    return {"p50_ms": round(statistics.median(ordered) * 1000, 3), "p95_ms": at(0.95), "p99_ms": at(0.99)}


def bytes_written() -> int:
    """What this process has written to files so far (Linux)."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("wchar"):
            return int(line.split()[1])
    raise OSError("no wchar in /proc/self/io")
