"""The backend over a storage of segments. A change is one new segment and one new manifest, in this order."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np

from vragd.backends import plain
from vragd.backends.base import Among, Batch, CollectionInfo, Match, Matches, Stored, Traits
from vragd.backends.checks import check_identity, check_keys, check_shape, check_traits, checked_query, checked_rows
from vragd.backends.scan import Nearest
from vragd.backends.scores import prepared
from vragd.backends.segments.held import Held, Manifest, manifest_of
from vragd.backends.segments.segment import Damaged, Row, Segment, read, written
from vragd.backends.segments.storage import Missing, Moved, Storage
from vragd.errors import BackendRefused, BackendUnavailable, CollectionMismatch, UnknownCollection
from vragd.system.failpoints import reach
from vragd.terms.filter import KINDS, Filter, Metadata
from vragd.terms.metric import Metric

TRIES = 20
"""How often a change is made anew because somebody else was quicker."""

Change = tuple[Sequence[Row], frozenset[str]]
"""What is put, and the keys that are deleted."""


class SegmentBackend:
    """What was read of a collection is kept in memory, and read again as far as its manifest is another."""

    def __init__(self, storage: Storage, traits: Traits, kind: str, *, remote_text: bool) -> None:
        self.traits, self._storage, self._kind, self._remote_text = traits, storage, kind, remote_text
        self._held: dict[str, Held] = {}
        self._guard, self._changing = threading.Lock(), threading.Lock()
        self._swept: set[str] = set()
        self._closed = False

    # -- collections -------------------------------------------------------------------------------

    def create_collection(
        self, name: str, dimension: int, metric: Metric, *, space: str = "", model: str = ""
    ) -> CollectionInfo:  # fmt: skip
        check_traits(self.traits, dimension, metric, self._kind)
        if not name or "/" in name or name.startswith(".") or "\0" in name:
            raise CollectionMismatch(f"{name!r} cannot be the name of a store", what="name")
        asked = CollectionInfo(name, dimension, metric, None, space, model, secrets.token_hex(8))
        with self._changing:
            try:
                self._state(name)
            except UnknownCollection:
                try:
                    self._storage.swap(name, Manifest(asked, time.time()).written(), None)
                    reach("segments.collection_made")
                except Moved:  # somebody else was quicker
                    pass
        have = self.collection_info(name)
        check_shape(asked, have)
        return have

    def delete_collection(self, name: str, *, identity: str) -> None:
        with self._changing:
            try:
                held = self._state(name)
            except UnknownCollection:
                return
            check_identity(name, held.manifest.info.identity, identity)
            try:
                self._storage.remove(name, held.tag)
            except Moved:
                check_identity(name, self._state(name).manifest.info.identity, identity)
                raise BackendUnavailable(f"collection {name!r} is being changed", hint="try again") from None
            reach("segments.collection_deleted")
            with self._guard:
                self._held.pop(name, None)

    def list_collections(self) -> list[str]:
        return sorted(self._storage.collections())

    def collection_info(self, name: str) -> CollectionInfo:
        held = self._state(name)
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(held.manifest.created))
        place = self._storage.place(name)
        detail = {"index": "exact", "segments": len(held.segments), "place": place, "created": made}
        return replace(
            held.manifest.info, count=len(held.at), place=f"{self._kind} {place} text={self._remote_text}",
            pushes=KINDS, detail=detail,
        )  # fmt: skip

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        info = self._state(name).manifest.info
        values = prepared(checked_rows(batch, info.dimension), info.metric)
        last = {key: i for i, key in enumerate(batch.keys)}

        def change(held: Held) -> Change:
            check_shape(info, held.manifest.info)
            pairs = ((held.row(key), i) for key, i in last.items())
            rows = [(had, self._row(had, batch, i, values[i])) for had, i in pairs]
            return [row for had, row in rows if not _same(had, row)], frozenset()

        self._change(name, change)

    def put_metadata(self, name: str, batch: Batch) -> frozenset[str]:
        check_keys(batch)
        missing: set[str] = set()

        def change(held: Held) -> Change:
            missing.clear()
            rows = []
            for key, i in {key: i for i, key in enumerate(batch.keys)}.items():
                if (had := held.row(key)) is None:
                    missing.add(key)
                else:
                    rows.append(self._row(had, batch, i, had.values))
            return rows, frozenset()

        self._change(name, change)
        return frozenset(missing)

    def delete_vectors(self, name: str, keys: Collection[str]) -> None:
        self._change(name, lambda held: ([], frozenset(key for key in keys if key in held.at)))

    def get(
        self, name: str, keys: Collection[str], *, values: bool = True, metadata: bool = False
    ) -> dict[str, Stored]:  # fmt: skip
        held = self._state(name)
        rows = (row for key in keys if (row := held.row(key)))
        return {
            row.key: Stored(
                row.values.astype(np.float32) if values else None,
                *((row.properties, row.payload) if metadata else ({}, {})),
                row.version,
            )
            for row in rows
        }

    def list_keys(
        self, name: str, prefix: str = "", after: str = "", *, versions: bool = False
    ) -> Iterator[tuple[str, str]]:  # fmt: skip
        held = self._state(name)
        found = sorted(key for key in held.at if key > after and key.startswith(prefix))
        return ((key, held.segments[held.at[key][0]].versions[held.at[key][1]]) for key in found)

    def bulk(self, name: str, expect: int) -> AbstractContextManager[None]:
        return nullcontext()

    def tend(self, name: str) -> None:
        """Delete what a crash left, once."""
        with self._changing:
            held = self._state(name)
            if name not in self._swept:
                self._storage.sweep(name, frozenset(held.manifest.segments))
                self._swept.add(name)

    # -- questions ---------------------------------------------------------------------------------

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return where, None

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        held = self._state(name)
        info = held.manifest.info
        nearest = Nearest(prepared(checked_query(vector, info.dimension), info.metric), info.metric, top_k)
        for places, rows in held.rows(where, among):
            nearest.add(places, rows)
        if top_k <= 0 or not nearest.n_seen:
            return Matches((), "more" if nearest.n_seen else "exhausted")
        found = [(-score, *held.found(place)) for place, score in nearest.best()]
        best = sorted(found, key=lambda it: (it[0], it[1].keys[it[2]]))[:top_k]
        items = [
            Match(segment.keys[i], -cost, *(
                (segment.properties[segment.which[i]], segment.payloads[i]) if payload else ({}, {})
            ))
            for cost, segment, i in best
        ]  # fmt: skip
        return Matches(items, "exhausted" if len(items) == nearest.n_seen else "more")

    def close(self) -> None:
        with self._changing, self._guard:
            self._closed = True
            self._held.clear()
            self._storage.close()

    # -- states ------------------------------------------------------------------------------------

    def _row(self, had: Row | None, batch: Batch, i: int, values: np.ndarray) -> Row:
        """Row `i` of the batch in the place of what there was."""
        now, kept = time.time(), plain.payload(batch.payload[i], with_text=self._remote_text)
        return Row(
            batch.keys[i], values, batch.versions[i], dict(batch.metadata[i]), dict(kept),
            had.created_at if had else now, now,
        )  # fmt: skip

    def _change(self, name: str, change: Callable[[Held], Change]) -> None:
        """Make a change of what is there now; again if somebody else was quicker."""
        with self._changing:
            for _ in range(TRIES):
                held = self._state(name)
                rows, gone = change(held)
                if not rows and not gone:
                    return
                stay, merged, gone = held.merged(rows, gone)
                segment, content = secrets.token_hex(8), written(merged, gone, held.manifest.info.dimension)
                self._storage.put(name, segment, content)
                reach("segments.put")
                names = (*held.manifest.segments[:stay], segment)
                try:
                    self._storage.swap(name, replace(held.manifest, segments=names).written(), held.tag)
                except Moved:
                    self._storage.forget(name, segment)
                    continue
                reach("segments.swapped")
                for old in held.manifest.segments[stay:]:
                    self._storage.forget(name, old)
                reach("segments.forgotten")
                return
        raise BackendUnavailable(f"collection {name!r} is changed by others all the time", hint="it is tried again")

    def _state(self, name: str) -> Held:
        """What there is now. Raises UnknownCollection, and BackendRefused for what is damaged."""
        with self._guard:
            if self._closed:
                raise BackendUnavailable("the index is closed", hint="try again in a moment")
            for _ in range(TRIES):
                found = self._storage.manifest(name)
                if found is None:
                    self._held.pop(name, None)
                    raise UnknownCollection(f"there is no store {name!r} in {self._storage.place('')}")
                content, tag = found
                had = self._held.get(name)
                if had is None or had.tag != tag:
                    try:
                        had = self._held[name] = self._read(name, content, tag, had)
                    except Missing:  # of a manifest that is followed by another by now
                        continue
                return had
        raise self._damaged(name, "a segment is not there")

    def _read(self, name: str, content: bytes, tag: str, had: Held | None) -> Held:
        try:
            manifest = manifest_of(content)
            known = {segment.name: segment for segment in had.segments} if had else {}
            segments = [known.get(segment) or self._segment(name, segment) for segment in manifest.segments]
        except (Damaged, ValueError, KeyError, TypeError) as error:
            raise self._damaged(name, str(error)) from error
        if any(segment.rows.shape[1] != manifest.info.dimension for segment in segments):
            raise self._damaged(name, "a segment has other vectors than its manifest says")
        return had.followed(manifest, tag, segments) if had else Held.of(manifest, tag, segments)

    def _segment(self, name: str, segment: str) -> Segment:
        return read(segment, self._storage.segment(name, segment))

    def _damaged(self, name: str, why: str) -> BackendRefused:
        return BackendRefused(
            f"{self._storage.place(name)} is damaged: {why}",
            hint="move it away: vragd makes and fills it again from its own copy, without embedding",
        )


def _same(had: Row | None, row: Row) -> bool:
    return had is not None and (
        all(_typed(a) == _typed(b) for a, b in ((had.properties, row.properties), (had.payload, row.payload)))
        and had.version == row.version
        and np.array_equal(had.values, row.values)
    )


def _typed(data: Metadata) -> str:
    """One text for equal metadata: to Python 1, 1.0 and True are equal."""
    return repr(sorted(data.items()))
