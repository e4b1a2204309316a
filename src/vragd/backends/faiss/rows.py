"""The rows of a scanned FAISS store, outside of memory: in the cache file, or changed since it was written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from vragd.backends.faiss.file import Body
from vragd.errors import BackendUnavailable
from vragd.system.packed import kind, pack, unpack


class Rows:
    """Packed rows by slot. Not locked: its owner's lock guards it."""

    def __init__(self, dimension: int, file: Body | None = None) -> None:
        self._kind = kind(dimension)
        self._file = file
        self._fresh: dict[int, np.void] = {}  # those that the file lacks, or has otherwise

    @property
    def n_fresh(self) -> int:
        """How many are in memory."""
        return len(self._fresh)

    def put(self, slots: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Keep rows, float32, shape (len(slots), dimension); as they can be read again."""
        records = pack(rows)
        self._fresh.update((slot, records[i].copy()) for i, slot in enumerate(slots.tolist()))
        return unpack(records)

    def get(self, slots: np.ndarray) -> np.ndarray:
        """The rows, float32, shape (len(slots), dimension). Raises BackendUnavailable if the file cannot be read."""
        records = np.empty(len(slots), dtype=self._kind)
        if len(slots) and not self._fresh and np.array_equal(slots, np.arange(slots[0], slots[0] + len(slots))):
            self._read(records, int(slots[0]))  # loading goes through here: one read for the lot
            return unpack(records)
        fresh = [self._fresh.get(slot) for slot in slots.tolist()]
        filed = [i for i, record in enumerate(fresh) if record is None]
        if filed:
            records[filed] = self._picked(slots[filed])
        for i, record in enumerate(fresh):
            if record is not None:
                records[i] = record
        return unpack(records)

    def body(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The bytes of the slots in `blocks`, which are all, in order, for the cache file."""
        for slots in blocks:
            records = np.empty(len(slots), dtype=self._kind)
            if self._file is not None:
                known = min(len(slots), max(0, self._file.length // self._kind.itemsize - int(slots[0])))
                if known:
                    self._read(records[:known], int(slots[0]))
            for i, slot in enumerate(slots.tolist()):
                if (fresh := self._fresh.get(slot)) is not None:
                    records[i] = fresh
            yield records.view(np.uint8)

    def size_of(self, n: int) -> int:
        """Bytes of `n` rows."""
        return n * self._kind.itemsize

    def saved(self, file: Body) -> None:
        """Everything is in `file` now, whose descriptor is taken over."""
        old, self._file = self._file, file
        self._fresh.clear()
        if old is not None:
            os.close(old.fd)

    def close(self) -> None:
        """Let go of the file."""
        old, self._file = self._file, None  # closed also where that raises: the number may be another file's by then
        if old is not None:
            os.close(old.fd)

    def _read(self, into: np.ndarray, first: int) -> None:
        """The records from slot `first` on, from the file."""
        with self._reading() as file:
            file.read(into.view(np.uint8), first * self._kind.itemsize)

    def _picked(self, slots: np.ndarray) -> np.ndarray:
        """The records of some slots, from the file."""
        size = self._kind.itemsize
        with self._reading() as file:
            return np.frombuffer(file.pick((slots * size).tolist(), size), dtype=self._kind)

    @contextmanager
    def _reading(self) -> Iterator[Body]:
        assert self._file is not None
        try:
            yield self._file
        except OSError as error:
            raise BackendUnavailable("the index's cache file cannot be read", hint="check the disk") from error
