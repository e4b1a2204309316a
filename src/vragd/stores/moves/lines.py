"""What `vragd export` wrote, and lines of JSON of anybody else, as an origin."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash

from vragd.backends.base import MAX_KEY_BYTES, Entry
from vragd.errors import NewerFormat, StoreMismatch, UsageError
from vragd.store.exported import Record, Records, Shape
from vragd.stores.moves.written import FORMAT, row_mark

MOST = 64 << 20
"""Bytes of one line: a vector of 65,536 numbers has one."""
LAST = 4_096
"""Bytes at the end of a file in which the last line of an export is."""
METRICS = ("cosine", "euclidean", "dot")


def key_of(kind: str, name: str) -> str:
    """A key that every backend takes for what another program calls `name`; its source is `kind`."""
    return f"{kind}-{xxhash.xxh3_128_hexdigest(name.encode('utf-8', 'surrogatepass'))}"


def versioned(entry: Entry) -> Entry:
    """The entry with a version that changes with anything in it."""
    told = repr((sorted(entry.metadata.items()), sorted(entry.payload.items())))
    digest = xxhash.xxh3_64(told.encode("utf-8", "replace"))
    if entry.values is not None:
        digest.update(entry.values.tobytes())
    return Entry(entry.key, entry.values, entry.metadata, entry.payload, digest.hexdigest())


def plain_metadata(given: object, most: int = 1_000) -> dict[str, Any]:
    """Of a mapping what filters can look into: text up to so many characters, numbers, lists of them."""
    found: dict[str, Any] = {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        plain = tuple(value) if isinstance(value, list | tuple) else value
        parts = plain if isinstance(plain, tuple) else (plain,)
        if isinstance(name, str) and all(_is_plain(part, most) for part in parts):
            found[name] = plain
    return found


def _is_plain(value: object, most: int) -> bool:
    if isinstance(value, str):
        return len(value) <= most
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1 << 63


def row_of(given: object) -> np.ndarray | None:
    """A list of numbers as float32, shape (n,); None for none, and an empty row for what is no list of numbers."""
    if given is None:
        return None
    try:
        with np.errstate(over="ignore"):
            row = np.asarray(given)
            if row.dtype.kind not in "iufO":  # texts, and what is true or false, would be numbers, too
                return np.empty(0, dtype=np.float32)
            row = row.astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        return np.empty(0, dtype=np.float32)
    return row if row.ndim == 1 and isinstance(given, list | tuple | np.ndarray) else np.empty(0, dtype=np.float32)


class Lines:
    """
    A file of lines of JSON, or a stream of them, which is read once. Raises UsageError for what is none, StoreMismatch
    for an export without its end or the vectors beside it, NewerFormat.

    Without a first line of ours each line is a record: `text` and `vector`, and as it likes `key`, `path`, `title`,
    `metadata`.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UsageError(f"there is no file {path}", hint="a file that vragd export wrote, or lines of JSON")
        self._path, self.title, self.n_bytes = path, path.name, path.stat().st_size
        self.left_out = Counter[str]()
        with path.open("rb") as file:
            first = self._parsed(self._line(file, 1), 1)
        self._has_head = "vragd" in first
        self._rows: np.ndarray | None = None
        self.count: int | None = None
        self.shape, self.with_text = Shape(0, "cosine"), True
        if self._has_head:
            self._take(first)

    def _take(self, head: Mapping[str, Any]) -> None:
        if head.get("version") != FORMAT:
            raise NewerFormat(f"{self.title} is an export of a newer vragd", hint="upgrade vragd")
        dimension, metric = head.get("dimension"), head.get("metric")
        texts = [head.get(name) for name in ("space", "model")]
        if (
            not isinstance(dimension, int) or not 0 < dimension <= 1 << 20 or metric not in METRICS
            or not all(isinstance(one, str) for one in texts)
        ):  # fmt: skip
            raise UsageError(f"{self.title}: its first line is damaged", hint="export anew")
        identity = head.get("identity")
        space, model = map(str, texts)
        self.shape = Shape(dimension, metric, space, model, identity if isinstance(identity, dict) else {})
        self.count, self.with_text = self._end(), head.get("text") is not False
        vectors = head.get("vectors")
        if vectors not in ("lines", "none"):
            self._rows = self._beside(vectors, dimension)

    def _end(self) -> int:
        """How many passages the last line says that there are."""
        with self._path.open("rb") as file:
            file.seek(max(0, self.n_bytes - LAST))
            *_, last = file.read(LAST).rstrip(b"\n").rsplit(b"\n", 1)
        try:
            end = json.loads(last)
        except (ValueError, RecursionError):
            end = None
        count = end.get("end") if isinstance(end, dict) else None
        if type(count) is not int or count < 0:
            raise StoreMismatch(f"{self.title} is an export that has lost its end", hint="export or copy it anew")
        return count

    def _beside(self, name: object, dimension: int) -> np.ndarray:
        if not isinstance(name, str) or name in ("", ".", "..") or os.sep in name or "\0" in name:
            raise UsageError(f"{self.title}: its first line is damaged", hint="export anew")
        file = self._path.with_name(name)
        try:
            rows: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
            raise StoreMismatch(f"{file}, with the vectors of {self.title}, {why}", hint="export anew") from None
        except (ValueError, EOFError, SyntaxError, MemoryError):  # what NumPy says names its own arguments
            raise StoreMismatch(f"{file} holds no vectors: it is damaged, or no .npy", hint="export anew") from None
        if rows.ndim != 2 or rows.shape[1] != dimension or rows.dtype.kind != "f":
            raise StoreMismatch(f"{file} holds {rows.dtype} of shape {rows.shape}, not {dimension}-d vectors")
        if len(rows) != self.count:
            raise StoreMismatch(
                f"{self.title} has {self.count:,} passages for {len(rows):,} vectors", hint="export anew"
            )
        return rows

    def records(self) -> Records:
        self.left_out = Counter()
        n_given, ended = 0, False
        for number, given in self._objects():
            if self._has_head and "end" in given and "key" not in given and not ended:
                ended = True
                continue
            if ended:  # two of them in one file, of which the second would be passed over
                raise StoreMismatch(f"{self.title} goes on behind its end, at line {number}", hint="export anew")
            if self._rows is not None:
                given["vector"] = self._row(n_given, number, given.get("row"))
            n_given += 1
            yield self._record(given, number)
        if self._has_head and n_given != self.count:
            raise StoreMismatch(
                f"{self.title} has {n_given:,} passages, its last line says {self.count:,}",
                hint="export or copy it anew",
            )  # fmt: skip

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each line but the first of an export, and its number."""
        with self._path.open("rb") as file:
            number = 1
            if self._has_head:
                self._line(file, number)
                number += 1
            while line := self._line(file, number):
                if line.strip():
                    yield number, self._parsed(line, number)
                number += 1

    def _row(self, at: int, number: int, mark: object) -> np.ndarray:
        assert self._rows is not None
        row = np.array(self._rows[at], dtype=np.float32) if at < len(self._rows) else None
        if row is None or row_mark(row) != mark:
            raise StoreMismatch(
                f"line {number} of {self.title} is of another vector than row {at} beside it", hint="export anew"
            )  # fmt: skip
        return row

    def _line(self, file: BinaryIO, number: int) -> bytes:
        line = file.readline(MOST)
        if len(line) >= MOST:
            raise UsageError(f"{self.title}: line {number} is longer than {MOST >> 20} MiB")
        return line

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            given = json.loads(line)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise UsageError(
                f"{self.title}: line {number} is no object of JSON", hint="vragd export writes such lines"
            )  # fmt: skip
        return given

    def _record(self, given: Mapping[str, Any], number: int) -> Record:
        vector = next((given[name] for name in ("vector", "embedding") if given.get(name) is not None), None)
        key = given.get("key", given.get("id"))
        key = f"\0line {number}" if key is None else str(key)  # that nobody's own is
        if not (self._has_head and key.isascii() and 0 < len(key) <= MAX_KEY_BYTES):
            key = key_of("jsonl", key)
        lines = given.get("lines")
        first, last = lines if isinstance(lines, list) and len(lines) == 2 else (0, 0)
        heading = given.get("heading")
        payload: dict[str, str | int | tuple[str, ...]] = {
            "content": text_of(given.get("text", given.get("content", given.get("document")))),
            "source_name": text_of(given.get("source")),
            "path": text_of(given.get("path")),
            "title": text_of(given.get("title")),
            "heading": tuple(map(text_of, heading)) if isinstance(heading, list) else (),
            "line_from": number_of(first),
            "line_to": number_of(last),
        }
        properties = plain_metadata(given.get("properties"))
        entry = Entry(key, row_of(vector), properties | plain_metadata(given.get("metadata")), payload)
        return Record(versioned(entry), properties)

    def close(self) -> None:
        """Nothing is kept open."""


def text_of(given: object) -> str:
    """What is given, if it is text, as UTF-8 can have it."""
    if not isinstance(given, str):
        return ""
    return given.encode("utf-8", "replace").decode()


def number_of(given: object) -> int:
    """What is given, if it is the number of a line."""
    return given if isinstance(given, int) and 0 <= given < 1 << 31 else 0
