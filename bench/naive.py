"""
The design that comes to mind first, which vragd is compared with.

One FAISS file of all vectors and one JSON file of texts and metadata. A save loads both, embeds every chunk
of the note anew and writes both whole; a question loads both. Nothing runs in between, so nothing watches:
each of these is a process of its own.

`python -m bench.naive FOLDER` is such a process: a question, and what it needed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from bench.common import memory_mib
from vragd.notes.chunk import read_note
from vragd.notes.model import NotIndexable

Embed = Callable[[Sequence[str]], np.ndarray]


class Naive:
    """An index in two files below `folder`."""

    def __init__(self, folder: Path, dim: int, embed: Embed) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._vectors, self._texts = folder / "vectors.faiss", folder / "texts.json"
        self._dim, self._embed = dim, embed
        self.n_embedded = 0

    def load(self) -> tuple[Any, list[dict[str, Any]]]:
        """Everything, from the disk."""
        if not self._texts.exists():
            return faiss.IndexFlatIP(self._dim), []
        return faiss.read_index(str(self._vectors)), json.loads(self._texts.read_text("utf-8"))

    def _write(self, index: Any, chunks: list[dict[str, Any]]) -> None:
        faiss.write_index(index, str(self._vectors))
        self._texts.write_text(json.dumps(chunks), "utf-8")

    def save(self, path: str, note: str | None) -> None:
        """A note as it is now; None if it is gone."""
        index, chunks = self.load()
        kept = [i for i, chunk in enumerate(chunks) if chunk["path"] != path]
        rows = index.reconstruct_n(0, index.ntotal)[kept] if kept else np.empty((0, self._dim), dtype=np.float32)
        chunks = [chunks[i] for i in kept]
        if note is not None and (new := self._cut(path, note)):
            self.n_embedded += len(new)
            rows = np.concatenate([rows, self._embed([chunk["text"] for chunk in new])])
            chunks += new
        index = faiss.IndexFlatIP(self._dim)
        index.add(np.ascontiguousarray(rows))
        self._write(index, chunks)

    def fill(self, rows: np.ndarray, notes: Iterable[tuple[str, str]]) -> None:
        """An index of `notes`, (path, text) each, whose chunks have these rows, without embedding."""
        index = faiss.IndexFlatIP(self._dim)
        index.add(rows)
        self._write(index, [chunk for path, note in notes for chunk in self._cut(path, note)])

    def query(self, vector: np.ndarray, top_k: int = 10) -> list[dict[str, Any]]:
        """The nearest chunks."""
        index, chunks = self.load()
        scores, found = index.search(vector[None], min(top_k, max(1, index.ntotal)))
        return [{**chunks[i], "score": float(s)} for s, i in zip(scores[0], found[0], strict=True) if i >= 0]

    def _cut(self, path: str, note: str) -> list[dict[str, Any]]:
        try:
            found = read_note(note.encode("utf-8", "surrogateescape"), Path(path).stem)
        except NotIndexable:
            return []
        return [
            {"path": path, "title": found.title, "heading": c.heading, "lines": c.lines, "text": c.text}
            for c in found.chunks
        ]


def of_vault(folder: Path, dim: int, embed: Embed, vault: Path, rows: np.ndarray) -> Naive:
    """A naive index of the notes of a vault, in the order of their paths, whose chunks have these rows."""
    naive = Naive(folder, dim, embed)
    notes = sorted(path for path in vault.rglob("*.md"))
    naive.fill(rows, ((str(path.relative_to(vault)), path.read_text("utf-8")) for path in notes))
    return naive


def main(folder: str, dim: int, embedder: str) -> None:
    """A question in a process of its own: with the builtin model, or with a vector from somewhere else."""
    if embedder == "builtin":
        from vragd.embed.builtin.embedder import MiniLM

        vector = MiniLM(1).embed_query("how is this done")
    else:
        vector = np.full(dim, dim**-0.5, dtype=np.float32)
    started = time.perf_counter()
    n_hits = len(Naive(Path(folder), dim, lambda texts: np.empty(0)).query(vector))
    print(json.dumps({"query_s": time.perf_counter() - started, "n_hits": n_hits, **memory_mib(os.getpid())}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
