"""A file that was mended takes the place of the damaged one, which is kept where others may need it."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import apsw

from vragd.system.failpoints import reach
from vragd.system.files import fsync_dir, write_atomic

CHUNK = 1 << 20


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def put_in_place(made: Path, path: Path, *, keep: bool) -> Path | None:
    """
    Put `made`, all of which is in that one file, in the place of the damaged file at `path`. Where that is now, if it
    is to be kept: under the first free of PATH.damaged, PATH.damaged.2, ...

    Whatever fails, and wherever the process ends, there is one of the two at `path`, and no log that is not its own.
    Call with the turn to write. Raises OSError, DiskFull, DataDirError.
    """
    _sync(made)
    log = beside(path, "-wal")
    has_log = log.exists() and log.stat().st_size > 0
    kept = _kept(path, log if has_log else None) if keep or has_log else None
    fsync_dir(path.parent)
    # What is in a log belongs to no file in particular: its salts and checksums are those of its own head, and SQLite
    # plays it into whatever database has its name. So the old one is gone, durably, before the new file comes. Whoever
    # has the old file open goes on with it and its log, which have no names any more, until it looks what is at the
    # path. A process that ends here leaves the damaged file without what was in its log: that is why the two are kept.
    for suffix in ("-wal", "-shm"):
        beside(path, suffix).unlink(missing_ok=True)
    fsync_dir(path.parent)
    reach("file.written")
    os.replace(made, path)
    reach("file.renamed")
    fsync_dir(path.parent)
    reach("file.finished")
    if kept is not None and not keep:
        _remove(kept)
        kept = None
    return kept


def sweep(path: Path) -> None:
    """Remove what a mending that was killed left of its own. Call with the turn to write."""
    left = re.compile(
        rf"\.{re.escape(path.name)}(?:\.damaged(?:\.\d+)?(?:-wal)?)?\.[0-9a-f]{{8}}\.tmp(?:-wal|-shm|-journal)?"
    )
    for name in filter(left.fullmatch, os.listdir(path.parent)):
        path.with_name(name).unlink(missing_ok=True)


def _kept(path: Path, log: Path | None) -> Path:
    """
    The damaged file under another name, too. With a log both are copied: under two names of one file, one of which has
    a log, what the next process writes would be mixed up with that.
    """
    for kept in _names(path):
        if log is None and kept.exists() and kept.samefile(path):
            return kept  # by a mending that did not come to its end
        if not any(os.path.lexists(beside(kept, suffix)) for suffix in ("", "-wal")):
            break
    if log is None:
        with suppress(OSError):  # there are file systems without such names
            os.link(path, kept)
            return kept
    try:
        if log is not None:
            with log.open("rb") as content:
                write_atomic(beside(kept, "-wal"), iter(partial(content.read, CHUNK), b""))
        write_atomic(kept, _content(path))
    except BaseException:
        _remove(kept)
        raise
    return kept


def _names(path: Path) -> Iterator[Path]:
    yield beside(path, ".damaged")
    yield from (beside(path, f".damaged.{n}") for n in itertools.count(2))


def _content(path: Path) -> Iterator[bytes]:
    """By SQLite's own hand: to close a descriptor of ours would take its connections' locks away."""
    file = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0])
    try:
        size = file.xFileSize()
        for start in range(0, size, CHUNK):
            yield file.xRead(min(CHUNK, size - start), start)
    finally:
        file.xClose()


def _remove(kept: Path) -> None:
    for suffix in ("", "-wal"):  # a log goes last: alone it is of nothing
        beside(kept, suffix).unlink(missing_ok=True)


def _sync(made: Path) -> None:
    with made.open("rb") as opened:
        os.fsync(opened.fileno())
