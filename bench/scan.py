"""A rescan of unchanged files: its time, and how many files were opened (counted by an audit hook; must be 0)."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.common import HashEmbedder, open_store
from vragd.catalog.model import NoteChange
from vragd.vault.scan import scan

ROUNDS = 5
PER_FOLDER = 100


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = args.files or [10_000, 100_000]
    return {"files": sizes, "rounds": ROUNDS}, {"rescan": [_at_size(size) for size in sizes]}


def _at_size(n_files: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="vragd-bench-") as place:
        store = open_store(Path(place), HashEmbedder(8))
        (source,) = store.sources.values()
        for i in range(n_files):
            folder = source.path / f"{i // PER_FOLDER % 37}" / f"{i // PER_FOLDER}"
            if i % PER_FOLDER == 0:
                folder.mkdir(parents=True)
            (folder / f"{i}.md").touch()
        _remember(store, source)
        opened: list[str] = []
        counting = False

        def hook(event: str, details: tuple[Any, ...]) -> None:
            if counting and event == "open" and str(details[0]).endswith(".md"):
                opened.append(str(details[0]))

        sys.addaudithook(hook)
        times = []
        counting = True
        for _ in range(ROUNDS):
            started = time.perf_counter()
            dirty, found = store.scan_source(source)
            times.append(time.perf_counter() - started)
            assert not dirty
            assert len(found.notes) == n_files
        counting = False
        store.close()
    return {"files": n_files, "median_s": round(statistics.median(times), 3), "files_opened": len(opened)}


def _remember(store: Any, source: Any) -> None:
    """Put every file into the catalog as it is on disk: as after an index, without the time it takes."""
    found = scan(source.path, source.rules)
    changes = [
        NoteChange(source.id, path, store.catalog.next_seq(), stamp, False, b"\0" * 16, path, store.space.id, "indexed")
        for path, stamp in found.notes.items()
    ]
    for start in range(0, len(changes), 5_000):
        store.catalog.commit(store.space.collection, changes[start : start + 5_000])
