"""The backend over a storage of segments. A change is one new segment and one new manifest, in this order."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace

import numpy as np

from vragd.backends import plain
from vragd.backends.base import Among, Batch, CollectionInfo, Match, Matches, Stored, Traits
from vragd.backends.checks import check_identity, check_keys, check_shape, check_traits, checked_query, checked_rows
from vragd.backends.scan import Nearest
from vragd.backends.scores import prepared
from vragd.backends.segments.faults import damaged, faults_told
from vragd.backends.segments.held import Held, Manifest, manifest_of, same
from vragd.backends.segments.mending import mended
from vragd.backends.segments.segment import Row, Segment, read, written
from vragd.backends.segments.storage import Missing, Moved, Storage
from vragd.errors import AGAIN, BackendUnavailable, CollectionMismatch, UnknownCollection, VragdError
from vragd.system.failpoints import reach
from vragd.terms.filter import KINDS, Filter
from vragd.terms.metric import Metric

TRIES = 20
"""How often a change is made anew because somebody else was quicker."""

Change = tuple[Sequence[Row], frozenset[str]]
"""What is put, and the keys that are deleted."""


class SegmentBackend:
    """
    What was read of a collection is kept in memory, and read again as far as its manifest is another. What others
    changed is looked for every `look_s` seconds at most by questions, which see at once what was changed here; and by
    changes, which fail and begin anew where they took what is old for the state of now.

    The storage is asked under no lock that a question waits for which has what it needs: `_guard` is held for a moment,
    one of `_reading` while a collection's segments are read that all who wait for it want, `wait_s` seconds at most,
    and `_changing` for one change at a time.
    """

    def __init__(
        self, storage: Storage, traits: Traits, kind: str, *, remote_text: bool,
        look_s: float = 0.0, wait_s: float = 10.0, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.traits, self._storage, self._kind, self._remote_text = traits, storage, kind, remote_text
        self._look_s, self._wait_s, self._clock = look_s, wait_s, clock
        self._held: dict[str, tuple[Held | None, float]] = {}  # and when it was looked for
        self._guard, self._changing = threading.Lock(), threading.Lock()
        self._reading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
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
            self._keep(name, None, self._clock())

    def list_collections(self) -> list[str]:
        return sorted(self._storage.collections())

    def collection_info(self, name: str) -> CollectionInfo:
        held = self._state(name)
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(held.manifest.created))
        place = self._storage.place(name)
        detail = {"index": "exact", "segments": len(held.segments), "place": place, "created": made}
        mark = f" mended={held.manifest.mended}" if held.manifest.mended else ""
        return replace(
            held.manifest.info, count=len(held.at), place=f"{self._kind} {place} text={self._remote_text}{mark}",
            pushes=KINDS, detail=detail,
        )  # fmt: skip

    # -- vectors -----------------------------------------------------------------------------------

    def put_vectors(self, name: str, batch: Batch, *, visible: bool = True) -> None:
        info = self._state(name, recent=True).manifest.info
        values = prepared(checked_rows(batch, info.dimension), info.metric)
        last = {key: i for i, key in enumerate(batch.keys)}

        def change(held: Held) -> Change:
            check_shape(info, held.manifest.info)
            pairs = ((held.row(key), i) for key, i in last.items())
            rows = [(had, self._row(had, batch, i, values[i])) for had, i in pairs]
            return [row for had, row in rows if not same(had, row)], frozenset()

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
        """
        Delete what a crash left, once.

        A segment that no manifest names may be of somebody who is about to name it, however old it is: with the
        manifest swapped first, that one fails, and begins anew.
        """
        with self._changing:
            held = self._state(name)
            if name in self._swept:
                return
            left = set(self._storage.segments(name)) - set(held.manifest.segments)
            if left:
                manifest = replace(held.manifest, swept=secrets.token_hex(8)).written()
                try:
                    self._adopt(name, manifest, self._storage.swap(name, manifest, held.tag), held)
                except Moved:  # whoever changes it now is not kept up: another time
                    return
                reach("segments.fenced")
                for segment in left:
                    self._storage.forget(name, segment)
                    reach("segments.swept")
            self._swept.add(name)

    def look_at_files(self, name: str) -> None:
        with self._changing:
            with self._guard:
                self._held.pop(name, None)  # rows of a file that became shorter cannot be read without a crash
            self._state(name)

    def mend_files(
        self, name: str, meant: CollectionInfo | None = None, is_ours: Callable[[str], bool] = bool
    ) -> None:  # fmt: skip
        """Have the manifest name what can be read: what a later segment replaced is as it was before."""
        with self._changing:
            found = self._storage.manifest(name)
            if found is None:
                return
            with faults_told(self._storage.place(name)):
                manifest = mended(self._storage, name, found[0], meant, is_ours)
            if manifest is not None:
                try:
                    self._storage.swap(name, manifest.written(), found[1])
                except Moved:
                    raise BackendUnavailable(f"collection {name!r} is being changed", hint=AGAIN) from None
                reach("segments.swapped")
                self._swept.discard(name)  # what cannot be read is deleted
            with self._guard:
                self._held.pop(name, None)
            self._state(name)

    # -- questions ---------------------------------------------------------------------------------

    def split(self, name: str, where: Filter | None) -> tuple[Filter | None, Filter | None]:
        return where, None

    def query(
        self, name: str, vector: np.ndarray, top_k: int, *, among: Among | None = None, where: Filter | None = None,
        payload: bool = False, cursor: str | None = None, timeout_s: float | None = None,
    ) -> Matches:  # fmt: skip
        held = self._state(name, quick=True, recent=True)
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
            for i in range(TRIES):
                held = self._state(name, recent=i == 0)
                rows, gone = change(held)
                if not rows and not gone:
                    if held is self._state(name):
                        return
                    continue
                stay, merged, gone = held.merged(rows, gone)
                segment, content = secrets.token_hex(8), written(merged, gone, held.manifest.info.dimension)
                self._storage.put(name, segment, content)
                reach("segments.put")
                names = (*held.manifest.segments[:stay], segment)
                manifest = replace(held.manifest, segments=names).written()
                try:
                    tag = self._storage.swap(name, manifest, held.tag)
                except Moved:
                    self._storage.forget(name, segment)
                    continue
                except VragdError:  # nobody knows whether it was done
                    self._swept.discard(name)
                    raise
                reach("segments.swapped")
                self._adopt(name, manifest, tag, held)
                for old in held.manifest.segments[stay:]:
                    self._storage.forget(name, old)
                    reach("segments.forgotten")
                return
        raise BackendUnavailable(f"collection {name!r} is changed by others all the time", hint=AGAIN)

    def _state(self, name: str, *, quick: bool = False, recent: bool = False) -> Held:
        """
        What there is now; `recent`: or was a moment ago. Raises UnknownCollection, BackendRefused for what is damaged.
        """
        fetched: dict[str, Segment] = {}
        for _ in range(TRIES):
            looked = self._clock()
            held, at = self._known(name)
            if recent and held is not None and looked - at < self._look_s:
                return self._whole(name, held)
            found = self._storage.manifest(name, quick=quick)
            if found is None:
                self._keep(name, None, looked)
                raise UnknownCollection(f"there is no store {name!r} in {self._storage.place('')}")
            content, tag = found
            if held is None or held.tag != tag:
                with self._turn(name, quick=quick):
                    held, _ = self._known(name)  # somebody else may have read it meanwhile
                    if held is None or held.tag != tag:
                        try:
                            held = self._read(name, content, tag, held, fetched, quick=quick)
                        except Missing:  # of a manifest that is followed by another by now
                            continue
            self._keep(name, held, looked)
            return self._whole(name, held)
        raise damaged(self._storage.place(name), "a segment is not there")

    def _whole(self, name: str, held: Held) -> Held:
        for segment in held.segments:  # to read what a mapped file has lost ends the process
            if not self._storage.is_whole(name, segment.name, segment.n_bytes):
                raise damaged(self._storage.place(name), f"{segment.name} became shorter while it was read")
        return held

    @contextmanager
    def _turn(self, name: str, *, quick: bool) -> Iterator[None]:
        """Be the one who reads a collection's segments."""
        with self._guard:
            lock = self._reading[name]
        if not lock.acquire(timeout=self._wait_s if quick else -1):
            raise BackendUnavailable(f"collection {name!r} is still being read", hint="try again in a moment")
        try:
            yield
        finally:
            lock.release()

    def _known(self, name: str) -> tuple[Held | None, float]:
        with self._guard:
            if self._closed:
                raise BackendUnavailable("the index is closed", hint="try again in a moment")
            return self._held.get(name, (None, 0.0))

    def _keep(self, name: str, held: Held | None, looked: float) -> None:
        """Remember a state, None for none, that was looked for at that time, if none is known that was later."""
        with self._guard:
            if not self._closed and self._held.get(name, (None, looked))[1] <= looked:
                self._held[name] = held, looked

    def _adopt(self, name: str, manifest: bytes, tag: str, had: Held) -> None:
        """Remember the state that was made here just now: a question that began before does not undo that."""
        with suppress(Missing, BackendUnavailable):  # then it is read when it is asked for
            self._keep(name, self._read(name, manifest, tag, had, {}), self._clock())

    def _read(
        self, name: str, content: bytes, tag: str, had: Held | None, fetched: dict[str, Segment], *, quick: bool = False
    ) -> Held:  # fmt: skip
        """The state of a manifest. What was `fetched` is kept there, should a later segment be missing."""
        with faults_told(self._storage.place(name)):
            manifest = manifest_of(content)
            if manifest.info.name != name:  # it was copied or renamed as a whole: where it lies is what it is called
                manifest = replace(manifest, info=replace(manifest.info, name=name))
            known = fetched | ({segment.name: segment for segment in had.segments} if had else {})
            for segment in manifest.segments:
                if segment not in known:
                    content_of = self._storage.segment(name, segment, quick=quick)
                    known[segment] = fetched[segment] = read(segment, content_of)
            segments = [known[segment] for segment in manifest.segments]
        if any(segment.rows.shape[1] != manifest.info.dimension for segment in segments):
            raise damaged(self._storage.place(name), "a segment has other vectors than its manifest says")
        return had.followed(manifest, tag, segments) if had else Held.of(manifest, tag, segments)
