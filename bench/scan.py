"""
A rescan of unchanged files: its time, and how many files were opened, which must be none.

Opened files are counted by an audit hook. The naive design keeps no stamps: it reads and hashes every note.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import xxhash

from bench.common import ratio, timed
from bench.homes import open_store, random_bank, scratch
from vragd.catalog.model import NoteChange
from vragd.notes.chunk import version_of, versions
from vragd.store.store import Store
from vragd.vault.scan import scan
from vragd.vault.source import Source

SIZES = (10_000, 100_000)
ROUNDS, NAIVE_ROUNDS = 5, 3
PER_FOLDER = 100

_counting: list[str] | None = None


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    sizes = sorted(args.files or args.chunks or SIZES)
    sys.addaudithook(_hook)
    return {"files": sizes, "rounds": ROUNDS}, {"rescan": [_at_size(size) for size in sizes]}


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if _counting is not None and event == "open" and str(details[0]).endswith(".md"):
        _counting.append(str(details[0]))


def _at_size(n_files: int) -> dict[str, Any]:
    global _counting  # noqa: PLW0603
    with scratch() as place:
        bank = random_bank()
        store = open_store(Path(place) / "Vault", Path(place) / "store", lambda: bank)
        (source,) = store.sources.values()
        for i in range(n_files):
            folder = source.path / f"{i // PER_FOLDER % 37}" / f"{i // PER_FOLDER}"
            if i % PER_FOLDER == 0:
                folder.mkdir(parents=True)
            (folder / f"{i}.md").write_text(f"note {i}\n")
        _remember(store, source)
        assert not _rescan(store, source, n_files)
        _counting = opened = []
        (source.path / "0/0/0.md").read_bytes()
        assert opened, "the audit hook counts nothing"
        opened.clear()
        times = [timed(lambda: _rescan(store, source, n_files)) for _ in range(ROUNDS)]
        _counting = None
        rows = [timed(lambda: _known(store, source)) for _ in range(NAIVE_ROUNDS)]
        least = [timed(lambda: _look_at_all(source.path, n_files)) for _ in range(NAIVE_ROUNDS)]
        naive = [timed(lambda: _read_all(source.path, n_files)) for _ in range(NAIVE_ROUNDS)]
        store.close()
    ours, theirs = statistics.median(times), statistics.median(naive)
    return {
        "files": n_files,
        "median_s": round(ours, 3),
        "listing_and_stat_alone_s": round(statistics.median(least), 3),
        "rows_read_s": round(statistics.median(rows), 3),
        "files_opened": len(opened),
        "naive_s": round(theirs, 3),
        "naive_over_ours": ratio(theirs, ours),
    }


def _rescan(store: Store, source: Source, n_files: int) -> list[str]:
    dirty, found = store.scan_source(source)
    assert not dirty, dirty[:5]
    assert len(found.notes) == n_files
    return dirty


def _known(store: Store, source: Source) -> None:
    assert store.reader.stamps(source.id, "", store.space and store.space.id, 1 << 20, versions())


def _look_at_all(vault: Path, n_files: int) -> None:
    """What any rescan costs here: every folder listed, every file's stat asked for, and nothing done with it."""
    n, waiting = 0, [str(vault)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)
                    n += 1
    assert n == n_files


def _read_all(vault: Path, n_files: int) -> None:
    assert len({xxhash.xxh3_128_digest(note.read_bytes()) for note in vault.rglob("*.md")}) == n_files


def _remember(store: Store, source: Source) -> None:
    """Put every file into the catalog as it is on disk: as after an index, without the time it takes."""
    assert store.space is not None
    found = scan(source.path, source.rules)
    changes = [
        NoteChange(
            source.id, path, store.catalog.next_seq(), stamp, False, b"\0" * 16, path, store.space.id, "indexed",
            links=(), reader=version_of(".md"),
        )
        for path, stamp in found.notes.items()
    ]  # fmt: skip
    for start in range(0, len(changes), 5_000):
        store.catalog.commit(store.space.target, changes[start : start + 5_000])
