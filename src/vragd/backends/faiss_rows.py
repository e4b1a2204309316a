"""The rows of a scanned FAISS store, outside of memory: in the cache file, or changed since it was written."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from vragd.backends.faiss_file import Body
from vragd.errors import BackendUnavailable
from vragd.packed import kind, pack, unpack


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
        places: list[int] = slots.tolist()
        records = np.empty(len(places), dtype=self._kind)
        if places and not self._fresh and places == list(range(places[0], places[-1] + 1)):
            self._read(records, places[0])  # loading and saving go through here: one read for the lot
            return unpack(records)
        for i, slot in enumerate(places):
            fresh = self._fresh.get(slot)
            if fresh is None:
                self._read(records[i : i + 1], slot)
            else:
                records[i] = fresh
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
        self.close()
        self._file = file
        self._fresh.clear()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file.fd)
        self._file = None

    def _read(self, into: np.ndarray, slot: int) -> None:
        assert self._file is not None
        try:
            self._file.read(into.view(np.uint8), slot * self._kind.itemsize)
        except OSError as error:
            raise BackendUnavailable("the index's cache file cannot be read", hint="check the disk") from error
