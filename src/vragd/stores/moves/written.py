"""
An export: lines of JSON, the first for what it is; vectors in the lines, or beside them as NumPy has them.

    {"vragd": "export", "version": 1, "store": …, "dimension": …, "metric": …, "space": …, "model": …, "count": …}
    {"key": …, "source": …, "path": …, "title": …, "heading": […], "lines": [1, 9], "text": …, "properties": {…},
     "metadata": {…}, "vector": […]}
    {"end": 1}

The last line says how many passages there are: without it, an end was lost. With vectors beside it, `row` of a line is
`row_mark` of its row.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import xxhash

from vragd.errors import NotFound, UsageError
from vragd.store.exported import Indexed, Origin, Record
from vragd.system.files import TEMPORARY, disk_error, write_atomic

FORMAT = 1
HEADER = 128
"""Bytes before the numbers of a file of NumPy, so many that how many rows there are fits in whenever that is known."""

Vectors = Literal["lines", "beside", "none"]


@dataclass(slots=True)
class Written:
    """What became of an export. `left_out` counts by why; `n_bare` are passages that have no vector."""

    n_written: int = 0
    n_bare: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    files: list[Path] = field(default_factory=list)


def export(
    origin: Origin, out: Path, *, text: bool = True, vectors: Vectors = "lines", replace: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Written:  # fmt: skip
    """
    Write an export to `out`, mode 0600, whole or not at all; with vectors `beside`, `out` is theirs (NAME.npy) and the
    lines are in NAME.jsonl.

    Raises UsageError for files that are there, unless they may be replaced; NotFound where they hold more than
    can be read now, as a source is not there; DiskFull, DataDirError.
    """
    lines = out.with_suffix(".jsonl") if vectors == "beside" else out
    done = Written(files=[out] if lines == out else [out, lines])
    for file in done.files:
        if file.is_dir() or (os.path.lexists(file) and not replace):
            raise UsageError(f"{file} is there already", hint="name another, or --force replaces it")
    away = origin.away if isinstance(origin, Indexed) else []
    if away and any(os.path.lexists(file) for file in done.files):
        names = ", ".join(map(repr, away))
        raise NotFound(
            f"source {names} is not there: {out} stays as it was", hint="is it mounted? or name another file"
        )
    parent = lines.absolute().parent
    if not parent.is_dir():
        raise UsageError(f"there is no folder {parent}", hint="make it, or name another place")
    with _swept(parent, done.files):
        if vectors != "beside":
            write_atomic(lines, _lines(origin, done, text=text, vectors=vectors, progress=progress))
            return done
        with _beside(out, origin.shape.dimension) as rows:
            write_atomic(
                lines, _lines(origin, done, text=text, vectors=out.name, rows=rows, progress=progress)
            )  # fmt: skip
    return done


@contextmanager
def _swept(folder: Path, files: list[Path]) -> Iterator[None]:
    """
    Remove what a killed export to these files left in the folder: it holds text of notes. While another one writes
    there, which is told by a lock on the folder, nothing is removed.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # somebody writes there, or it is of a file system without locks
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            begun = [f".{file.name}." for file in files]
            for one in folder.iterdir():
                is_theirs = any(one.name.startswith(name) and len(one.name) == len(name) + 12 for name in begun)
                if is_theirs and TEMPORARY.fullmatch(one.name):
                    one.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def stream(origin: Origin, to: BinaryIO, *, text: bool = True, vectors: Vectors = "lines") -> Written:
    """Write an export to a stream, line by line. Raises BrokenPipeError when nobody reads it any more."""
    done = Written()
    for line in _lines(origin, done, text=text, vectors=vectors, progress=lambda _: None):
        to.write(line)
    to.flush()
    return done


def _lines(
    origin: Origin, done: Written, *, text: bool, vectors: str, progress: Callable[[int], None],
    rows: _Rows | None = None,
) -> Iterator[bytes]:  # fmt: skip
    yield _line(_head(origin, text=text and origin.with_text, vectors=vectors))
    for record in origin.records():
        values = record.entry.values
        if rows is not None and values is None:  # a row of every line: one that has no vector has no line
            done.left_out["without a vector"] += 1
            continue
        plain = _line(_plain(record, text=text))
        done.n_bare += values is None
        if rows is not None and values is not None:
            rows.add(values)
            plain = plain[:-2] + b',"row":"' + row_mark(values).encode() + b'"}\n'
        elif vectors == "lines" and values is not None:
            plain = plain[:-2] + b',"vector":[' + _numbers(values) + b"]}\n"
        yield plain
        done.n_written += 1
        if done.n_written % 1_000 == 0:
            progress(done.n_written)
    done.left_out.update(origin.left_out)
    yield _line({"end": done.n_written})
    if rows is not None:
        rows.finish()


def _head(origin: Origin, *, text: bool, vectors: str) -> dict[str, Any]:
    shape = origin.shape
    return {
        "vragd": "export", "version": FORMAT, "store": origin.title, "dimension": shape.dimension,
        "metric": shape.metric, "space": shape.space, "model": shape.model, "identity": dict(shape.identity),
        "count": origin.count, "text": text, "vectors": vectors,
    }  # fmt: skip


def _plain(record: Record, *, text: bool) -> dict[str, Any]:
    told = record.entry.payload
    found: dict[str, Any] = {
        "key": record.entry.key,
        "source": told.get("source_name", ""),
        "path": told.get("path", ""),
        "title": told.get("title", ""),
        "heading": told.get("heading", ()),
        "lines": [told.get("line_from", 0), told.get("line_to", 0)],
    }
    if text:
        found["text"] = record.text
    return found | {"properties": dict(record.properties), "metadata": shown(record.entry.metadata),
                    "entry": record.entry.version}  # fmt: skip


def shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON can have it: what is neither text nor number is left out."""
    return {
        name: value for name, value in metadata.items() if isinstance(value, str | bool | int | float | tuple)
    }  # fmt: skip


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace") + b"\n"


def row_mark(values: np.ndarray) -> str:
    """By which a line knows its row among others, as float32: 16 hexadecimal digits."""
    return xxhash.xxh3_64_hexdigest(values.astype("<f4", copy=False).tobytes())


def _numbers(values: np.ndarray) -> bytes:
    """Each so that float32 gives it back exactly."""
    return b",".join([b"%.9g"] * len(values)) % tuple(values.tolist())


class _Rows:
    """Rows on their way into a file of NumPy: how many there are is written at the end, into the room left for it."""

    def __init__(self, file: BinaryIO, dimension: int, finish: Callable[[], None]) -> None:
        self._file, self._dimension, self._finish, self._n = file, dimension, finish, 0
        file.write(self._header())

    def _header(self) -> bytes:
        said = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self._n}, {self._dimension}), }}"
        return b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + said.encode().ljust(HEADER - 11) + b"\n"

    def add(self, values: np.ndarray) -> None:
        self._file.write(values.astype("<f4", copy=False).tobytes())
        self._n += 1

    def finish(self) -> None:
        """All rows are there: have the file stand under its name, before the lines that say so."""
        self._file.seek(0)
        self._file.write(self._header())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._finish()


@contextmanager
def _beside(path: Path, dimension: int) -> Iterator[_Rows]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")

    def finish() -> None:
        path.with_suffix(".jsonl").unlink(missing_ok=True)  # lines of an earlier export never stand beside these rows
        os.replace(temporary, path)

    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            yield _Rows(file, dimension, finish)
    except OSError as error:
        raise disk_error(error, path.name) from error
    finally:
        temporary.unlink(missing_ok=True)
