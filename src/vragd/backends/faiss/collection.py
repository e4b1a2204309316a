"""One FAISS collection: what lies where, how it is searched, and when its cache file is written."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection as Some
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vragd.backends.base import Among, Batch, CollectionInfo, End, Match, Matches, Stored
from vragd.backends.checks import checked_query, checked_rows
from vragd.backends.faiss import file
from vragd.backends.faiss.file import Header
from vragd.backends.faiss.index import build, load
from vragd.backends.faiss.layout import Layout
from vragd.backends.faiss.rwlock import ReadWriteLock
from vragd.backends.faiss.table import Table
from vragd.backends.scores import exact_scores, prepared
from vragd.errors import BackendRefused, UnknownCollection
from vragd.system.failpoints import reach
from vragd.terms.filter import Filter


@dataclass(frozen=True, slots=True)
class Tuning:
    """When a collection changes its layout, and when its cache file is worth writing. Numbers of rows, and shares."""

    ivf_from: int = 4_096
    """Fewer rows leave nothing to train lists on, and a scan is as quick."""
    scan_from: int = 20_000
    """
    From here on `auto` scans 8-bit codes and scores the best by the float rows: a quarter of the memory and half of
    the time, and on real notes and questions the same answers. Inner products only.
    """
    flush_at_least: int = 1_000
    flush_share: float = 0.10
    """The file is worth writing when so many changes would have to be put again at the next start."""
    compact_at_least: int = 1_000


TUNING = Tuning()


class Collection:
    """
    One collection: a table of slots, and a layout that holds their rows.

    `_changing` is held by whatever changes it or saves it; `_memory` by whatever looks into it.
    """

    def __init__(self, shape: CollectionInfo, folder: Path, index: str, tuning: Tuning) -> None:
        self.dimension, self.metric = shape.dimension, shape.metric
        self._file, self._index, self._tuning = folder / "vectors.faiss", index, tuning
        self._changing = threading.Lock()
        self._memory = ReadWriteLock()
        self._n_changes = 0
        self._is_gone = False
        self._is_torn = False
        """Whether a change failed half way: the layout may hold rows that the table knows nothing of."""
        self._table, self._layout = self._read()
        if self._layout.kind != self._wanted():
            self._rebuild()

    # -- reading -----------------------------------------------------------------------------------

    def query(
        self, vector: np.ndarray, top_k: int, among: Among | None, where: Filter | None, *, with_metadata: bool
    ) -> Matches:  # fmt: skip
        query = prepared(checked_query(vector, self.dimension), self.metric)
        with self._memory.read():
            self._check_here()
            is_narrowed = where is not None or among is not None
            everything = not is_narrowed and self._table.is_full and not self._is_torn
            allowed = None if everything else self._table.allowed(where, among)
            n_allowed = self._table.size if allowed is None else int(np.count_nonzero(allowed))
            n = min(self._layout.candidates(top_k), n_allowed)
            if n == 0 or top_k <= 0:
                return Matches((), "more" if n_allowed else "exhausted")
            slots = self._layout.search(query, n, allowed, exact=is_narrowed)
            scores = exact_scores(self._layout.rows(slots), query, self.metric)
            keys = map(self._table.key, slots.tolist())
            best = sorted(zip((-scores).tolist(), keys, strict=True))[:top_k]
            end: End = "exhausted" if len(best) == n_allowed else "more"
            if not with_metadata:
                return Matches([Match(key, -cost) for cost, key in best], end)
            found = [Match(key, -cost, self._table.metadata(self._table.slots[key])) for cost, key in best]
            return Matches(found, end)

    def get(self, keys: Some[str], *, values: bool, metadata: bool) -> dict[str, Stored]:
        with self._memory.read():
            self._check_here()
            there = [key for key in keys if key in self._table.slots]
            slots = self._slots(there)
            rows = self._layout.rows(slots) if values else [None] * len(there)
            return {
                key: Stored(row, self._table.metadata(slot) if metadata else {}, {}, self._table.version(slot))
                for key, slot, row in zip(there, slots.tolist(), rows, strict=True)
            }

    def keys(self, *, versions: bool) -> list[tuple[str, str]]:
        with self._memory.read():
            table = self._table
            return [(key, table.version(slot) if versions else "") for key, slot in table.slots.items()]

    def info(self) -> tuple[int, bool, dict[str, Any]]:
        """How many vectors there are, whether the layout finds the very nearest, and what it says of itself."""
        with self._memory.read():
            detail = {**self._layout.detail(), "unsaved_changes": self._n_changes}
            return len(self._table.slots), self._layout.kind == "flat", detail

    # -- changing ----------------------------------------------------------------------------------

    def put(self, batch: Batch) -> None:
        rows = prepared(checked_rows(batch, self.dimension), self.metric)
        last = {key: i for i, key in enumerate(batch.keys)}
        with self._changing:
            new = [(key, i) for key, i in last.items() if not self._same(key, rows[i], batch, i)]
            if new:
                keys, places = [key for key, _ in new], [i for _, i in new]
                metadata, versions = [batch.metadata[i] for i in places], [batch.versions[i] for i in places]
                self._mend()
                with self._memory.write():
                    slots = self._table.plan(keys, in_place=self._layout.in_place)
                    self._is_torn = True
                    self._layout.put(slots, rows[places])
                    self._table.assign(keys, slots, metadata, versions)
                    self._is_torn = False
                self._changed(len(new))

    def _mend(self) -> None:
        """After a change that failed the next slot is not the layout's next row any longer."""
        if self._is_torn:
            self._rebuild()

    def _same(self, key: str, row: np.ndarray, batch: Batch, i: int) -> bool:
        slot = self._table.slots.get(key)
        if slot is None or not self._table.same(slot, batch.metadata[i], batch.versions[i]):
            return False
        return bool(np.array_equal(self._layout.rows(np.array([slot]))[0], row))

    def put_metadata(self, batch: Batch) -> frozenset[str]:
        with self._changing:
            there = [i for i, key in enumerate(batch.keys) if key in self._table.slots]
            with self._memory.write():
                for i in there:
                    self._table.describe(self._table.slots[batch.keys[i]], batch.metadata[i], batch.versions[i])
            if there:
                self._changed(len(there))
            return frozenset(batch.keys) - self._table.slots.keys()

    def delete(self, keys: Some[str]) -> None:
        with self._changing:
            there = [key for key in set(keys) if key in self._table.slots]
            if there:
                with self._memory.write():
                    self._layout.blank(self._slots(there))
                    self._table.remove(there)
                self._changed(len(there))

    def _slots(self, keys: Some[str]) -> np.ndarray:
        return np.array([self._table.slots[key] for key in keys], dtype=np.int64)

    def _changed(self, n: int) -> None:
        """Count changes, and build the layout anew when it no longer suits what it holds."""
        self._n_changes += n
        count, size = len(self._table.slots), self._table.size
        sparse = size - count > max(self._tuning.compact_at_least, self._layout.spare * size)
        if sparse or self._layout.kind != self._wanted() or self._layout.outgrown(count):
            self._rebuild()

    def _wanted(self) -> str:
        """The kind of layout for what is there; it shrinks back only at half of what made it grow."""
        count = len(self._table.slots)
        threshold = self._tuning.scan_from if self._index == "auto" else self._tuning.ivf_from
        if self._index in ("flat", "hnsw"):
            return self._index
        larger = "scan" if self._index == "auto" else "ivf"
        if self._index == "auto" and self.metric == "euclidean":
            return "flat"
        return larger if count >= (threshold / 2 if self._layout.kind == larger else threshold) else "flat"

    def _rebuild(self) -> None:
        """A new layout of the wanted kind over the live rows. Queries go on with the old one until it stands."""
        old, live = self._layout, np.array(sorted(self._table.slots.values()), dtype=np.int64)
        layout = build(self._wanted(), self.dimension, self.metric, len(live), lambda slots: old.rows(live[slots]))
        keys = [self._table.key(slot) for slot in live]
        table = Table()
        metadata, versions = [self._table.metadata(i) for i in live], [self._table.version(i) for i in live]
        table.assign(keys, table.plan(keys, in_place=True), metadata, versions)
        with self._memory.write():
            self._layout, self._table = layout, table
        self._is_torn = False
        old.close()
        self._n_changes = max(self._n_changes, len(live))

    # -- the file ------------------------------------------------------------------------------------

    def tend(self) -> None:
        """Write the file if that is worth it."""
        self.save(self._tuning.flush_share, self._tuning.flush_at_least)

    def save(self, share: float = 0, at_least: int = 1) -> None:
        """Write the file if changes are `at_least` so many and this `share` of all. Queries go on meanwhile."""
        with self._changing:
            self._mend()
            if self._n_changes < max(at_least, share * len(self._table.slots)):
                return
            with self._memory.read():
                header = Header(
                    self._layout.kind, self.metric, self.dimension, self._table.size, len(self._table.slots)
                )
                table = self._table.dump({"notes": self._layout.notes()})
                length, body = self._layout.body()
                written = file.save(self._file, header, table, length, body)
            with self._memory.write():
                self._layout.saved(written)
            self._n_changes = 0
            reach("checkpoint.finished")

    def look_at_file(self) -> None:
        """Raise BackendRefused where the file is not what was written last. Reads it whole."""
        with self._changing:
            if self._n_changes or not self._table.slots:  # it is written anew
                return
            try:
                header, _, body = file.load(self._file)
                os.close(body.fd)
                why = "" if header.keys == len(self._table.slots) else "it holds others"
            except FileNotFoundError:
                why = "it is gone"
            except file.Unreadable as error:
                why = str(error)
            except OSError as error:
                why = os.strerror(error.errno or 0)
        if why:
            raise BackendRefused(f"{self._file} is not as it was written: {why}", hint="vragd verify --repair")

    def _read(self) -> tuple[Table, Layout]:
        try:
            header, content, body = file.load(self._file)
        except FileNotFoundError:
            return self._empty()
        except file.OtherVersion:
            self._file.unlink()  # sound, and of no use to anybody: everything in it is in the catalog
            return self._empty()
        except (file.Unreadable, OSError):
            return self._start_over()
        held = None
        try:
            if (header.dimension, header.metric) == (self.dimension, self.metric):
                held = Table.load(content), load(header, content["notes"], body)
        except Exception:  # noqa: S110 - FAISS raises RuntimeError for a body it cannot read, and others for nonsense
            pass
        if held is None or not held[1].keeps_file:
            with suppress(OSError):
                os.close(body.fd)
        return held or self._start_over()

    def _start_over(self) -> tuple[Table, Layout]:
        """Keep the damaged file for whoever wants to look at it, one at the most, and begin empty."""
        self._file.replace(self._file.with_suffix(".corrupt"))
        reach("checkpoint.set_aside")
        return self._empty()

    def _empty(self) -> tuple[Table, Layout]:
        def nothing(_: np.ndarray) -> Any:
            return np.empty((0, self.dimension), dtype=np.float32)

        kind = "hnsw" if self._index == "hnsw" else "flat"
        return Table(), build(kind, self.dimension, self.metric, 0, nothing)

    def forget(self) -> None:
        """Free everything; nothing may be called afterwards."""
        with self._changing, self._memory.write():
            self._is_gone = True
            self._layout.close()

    def _check_here(self) -> None:
        """Whoever waited for the lock may find the collection deleted, or the backend closed."""
        if self._is_gone:
            raise UnknownCollection("the backend's store is gone")
