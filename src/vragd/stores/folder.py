"""
A folder of notes as it is before any store has it: looked through once, counted, tried.

Blocks, and reads notes. Contacts nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vragd.config.settings import DEFAULT_INCLUDE, AnyEmbedder
from vragd.embed.registry import create_embedder
from vragd.errors import VragdError
from vragd.search.tongue import SAMPLE, share_foreign
from vragd.sync.sampled import passages_of
from vragd.system.cores import usable_cores
from vragd.vault.read import Content
from vragd.vault.scan import Scan
from vragd.vault.source import Source

MAX_BYTES = 8 << 20
TRIED_NOTES, TRIED_TEXTS, TRIED_S = 40, 64, 1.5
"""Of a folder so many notes are looked at, and of their passages so many embedded, for so long at most."""
MOST_CORES = 8  # that a model in this process takes
BESIDE_EMBEDDING = 1.25
"""What an index takes by what its embedding does: `python -m bench bulk` has the time outside the embedder."""


@contextmanager
def looked_at(
    path: Path, include: Sequence[str] = DEFAULT_INCLUDE, exclude: Sequence[str] = ()
) -> Iterator[Folder | None]:
    """A folder, looked through now; None where nobody can tell what is in it, as of one that is away."""
    source = Source(path, 0, "", label=path.name, include=include, exclude=exclude, max_file_bytes=MAX_BYTES)
    root = source.find(expect_obsidian=False)
    if root is None:
        yield None
        return
    try:
        source.take(root)
        source.refresh_rules(root, proven=True)
        found = source.scan(proven=True)
        yield None if found.stopped else Folder(source, found)
    finally:
        source.close()


class Folder:
    """What `looked_at` found. `notes` by path, `n_hidden`: how many files and folders Obsidian excludes."""

    def __init__(self, source: Source, found: Scan) -> None:
        self._source, self.notes = source, found.notes
        self.n_hidden = sum(why == "excluded_by_obsidian" for why in found.skipped.values())

    def share_foreign(self) -> float:
        """The share of the notes, of a sample of them, that are not English."""
        return share_foreign(data.decode("utf-8", "replace") for _, data in self._sample(SAMPLE))

    def seconds_to_index(self, settings: AnyEmbedder) -> tuple[float, float] | None:
        """
        How long this machine takes to index it if it does nothing else, and as busy as it is now: a few passages of it
        are embedded. None where nobody can tell.

        For an embedder of this process: nothing is to be sent before it was said. Takes some seconds.
        """
        read = list(self._sample(TRIED_NOTES))
        texts = passages_of(read)
        n_bytes = sum(len(data) for _, data in read)
        if not texts or not n_bytes:
            return 0.0, 0.0
        try:
            alone, now = _s_a_text(texts[:: max(1, len(texts) // TRIED_TEXTS)], settings)
        except VragdError:
            return None
        share = n_bytes / max(n_bytes, sum(note.size for note in self.notes.values()))
        n = BESIDE_EMBEDDING * len(texts) / share
        return n * min(alone, now), n * now

    def _sample(self, n: int) -> Iterator[tuple[str, bytes]]:
        """About so many of its notes, or all of fewer, each with what is in the file."""
        for path in sorted(self.notes)[:: max(1, len(self.notes) // n)]:
            if isinstance(one := self._source.read(path), Content):
                yield path, one.data


def _s_a_text(texts: Sequence[str], settings: AnyEmbedder) -> tuple[float, float]:
    """How many seconds a text takes that is embedded among others: of all cores, and now. Raises VragdError."""
    embedder = create_embedder(settings.type, settings)
    try:
        n, size = 0, embedder.batch_size
        embedder.embed_documents(texts[:1])  # loads the model
        started, worked = time.monotonic(), time.process_time()
        while n < len(texts) and time.monotonic() - started < TRIED_S:
            n += len(embedder.embed_documents(texts[n : n + size]))
        cores = min(MOST_CORES, usable_cores())
        return (time.process_time() - worked) / cores / n, (time.monotonic() - started) / n
    finally:
        embedder.close()
