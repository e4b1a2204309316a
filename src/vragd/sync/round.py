"""
Dirty path → committed note, as far as one round goes. One of the two places that know the whole order of things.

Everything here runs on the store's writer lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vragd.backends.base import Entry, VectorBackend
from vragd.catalog.model import BY_NOTE, NoteChange, NoteRemoval, SpaceRow
from vragd.catalog.writer import Catalog
from vragd.embed.base import Embedder
from vragd.errors import VectorsRefused, VragdError
from vragd.sync import order
from vragd.sync.calls import Calls
from vragd.sync.change import Preparer
from vragd.sync.embedding import MOST_TEXTS, Bulk, Embedded
from vragd.sync.pace import PACE, Pace
from vragd.sync.prepared import RETRY_FIRST_S, Later, Parked, Prepared, Unfinished, Visit
from vragd.sync.proof.proof import Proof
from vragd.sync.readers import Readers
from vragd.sync.vectors import hash_of, to_entry


@dataclass(slots=True)
class Report:
    """
    What a round did. `deferred` visits go on in the next round, `later` ones after so many seconds, and the `parked`
    ones when the embedder answers: those notes are found as far as they can be without it.
    """

    deferred: list[Visit] = field(default_factory=list)
    parked: list[Visit] = field(default_factory=list)
    later: list[tuple[Visit, float]] = field(default_factory=list)
    n_changed: int = 0
    n_removed: int = 0
    n_untouched: int = 0
    n_failed: int = 0
    n_embedded: int = 0
    n_put: int = 0
    n_deleted: int = 0
    generation: int | None = None
    late: bool = False
    """Whether the embedder is still at it: a note that was just saved did not wait for that."""

    def log_fields(self) -> dict[str, int | None]:
        """What the log says of it."""
        names = ("n_changed", "n_removed", "n_failed", "n_embedded", "n_put", "n_deleted", "generation")
        return {name: getattr(self, name) for name in names}


class Syncer:
    """
    Makes the visits of one store. `embedder` is called when the first text lacks an embedding, `stop` is asked
    between batches of it, `proofs` (by source id) before a note is removed. Whatever the embedder is
    asked is one of `calls`. `stands_in`: the space is one of words until the embedder says what its own is.
    """

    def __init__(
        self,
        catalog: Catalog,
        backend: VectorBackend,
        embedder: Callable[[], Embedder],
        space: SpaceRow,
        proofs: Mapping[int, Proof],
        readers: Readers,
        stop: Callable[[], bool] = lambda: False,
        pace: Pace = PACE,
        *,
        calls: Calls | None = None,
        stands_in: bool = False,
    ) -> None:
        self._catalog = catalog
        self._backend = backend
        self._space = space
        self._proofs = proofs
        self._stop = stop
        self._readers, self._pace = readers, pace
        self._stands_in = stands_in
        wants_vectors = space.has_vectors or stands_in
        self._preparer = Preparer(catalog, backend, space, readers, pace, wants_vectors=wants_vectors)
        self._bulk = Bulk(catalog, embedder, space, stop, pace, calls or Calls(pace))
        self.report = Report()
        """What the last round did, also when it raised in the end."""

    @property
    def n_embedded(self) -> int:
        """Texts embedded so far, also by rounds that failed afterwards."""
        return self._bulk.n_embedded

    def apply(self, visits: Sequence[Visit], *, only_freeing: bool = False, embed: bool = True) -> Report:
        """
        Bring the index in line with the disk for these paths, as far as one round goes.

        Raises EmbedderUnavailable after what needs no embedder was done: removals, all that leaves the texts as they
        are, and the words of what has other ones. Raises BackendUnavailable or DiskFull. Nothing is lost then, and
        the same visits may be applied again. One bad note is recorded as failed and never in the way of others. With
        `only_freeing` nothing is done but what makes room, the rest is deferred. Without `embed` nobody is asked for
        vectors, as if the embedder were known to be out, and that is not raised.
        """
        self.report = report = Report()
        asks = embed and not self._stands_in
        self._readers.begin(self._pace.round_s)
        prepared = list(self._prepare_some(visits, report, only_freeing, asks))
        if only_freeing:
            report.deferred += [item.visit for item in prepared if not item.frees]
            prepared = [item for item in prepared if item.frees]
        elif any(item.fresh for item in prepared):  # nobody waits for the embedder to have a note withdrawn
            if withdrawn := [item for item in prepared if item.withdraws]:
                self._write(withdrawn, report)
            prepared = [item for item in prepared if not item.withdraws]
        fresh = [chunk for item in prepared for chunk in item.fresh]
        found = self._bulk.embed(
            {chunk.text_hash: chunk.embed_text or chunk.text for chunk in fresh},
            {chunk.text_hash: hash_of(chunk.text) for chunk in fresh if chunk.embed_text != chunk.text},
            more=bool(report.deferred),
            asks=asks,
        )
        report.n_embedded, report.late = found.n_new, found.late
        is_out = found.outage is not None or found.late or not asks
        ready = self._ready(prepared, found, report, is_out=is_out)
        try:
            self._write(ready, report)
        except VragdError:
            raise
        except Exception as error:
            if len(visits) > 1:
                raise  # whoever called applies them one by one then
            self._write([self._preparer.unexpected(visits[0], error)], report)
            order.recover(self._catalog, self._backend, self._space)  # what it had put, and not committed
        self._settle(visits, report)
        if found.outage is not None:
            raise found.outage
        return report

    def _prepare_some(
        self, visits: Sequence[Visit], report: Report, only_freeing: bool, asks: bool
    ) -> Iterator[Prepared]:  # fmt: skip
        texts, most = 0, 0 if only_freeing else self._bulk.texts_per_round if asks else MOST_TEXTS
        for i, visit in enumerate(visits):
            if self._stop() or (texts >= most and not only_freeing):
                report.deferred += visits[i:]
                return
            item = self._preparer.prepare(visit, asks=asks)
            if isinstance(item, Later):
                report.later.append((item.visit, item.delay_s))
            elif isinstance(item, Parked):
                report.parked.append(item.visit)
            elif isinstance(item, Unfinished) or (item is not None and item.fresh and texts >= most):
                report.deferred.append(item.visit)
            elif item is not None:
                texts += len(item.fresh)
                yield item

    def _ready(
        self, prepared: Sequence[Prepared], found: Embedded, report: Report, *, is_out: bool
    ) -> list[Prepared]:  # fmt: skip
        """What can be committed of it now; while the embedder is out, without what is to come from there."""
        settled, now = found.done | found.refused, self._catalog.clock.wall()
        ready, unfinished, waiting = list[Prepared](), list[Prepared](), list[Prepared]()
        for item in prepared:
            if not (lacks := item.lacks(settled)):
                ready.append(item.without(found.refused, now))
            elif not is_out:
                unfinished.append(item)
            elif item.is_found:
                waiting.append(item)
            else:
                ready.append(item.by_words(lacks).without(found.refused, now))
                report.parked.append(item.visit)
        report.parked += [item.visit for item in waiting]
        self._preparer.keep(unfinished)
        self._preparer.wait(waiting)
        # what a note says of assistants counts from when it was read, though it is not committed yet
        begun = [item for item in (*unfinished, *waiting) if _is_closed(item.change)]
        self._catalog.withhold([(item.visit.source.id, item.visit.path) for item in begun])
        report.deferred[:0] = [item.visit for item in unfinished]  # what has begun is to be finished first
        return ready

    def _write(self, ready: Sequence[Prepared], report: Report) -> None:
        """What the backend refuses is a state of its note: the rest is written without it."""
        refused: set[str] = set()
        while True:
            puts, changes = self._puts(ready), [item.change for item in ready]
            write = order.Write(self._catalog, self._backend, self._space, puts, changes, self._proofs, refused)
            try:
                order.run(order.WRITE, write)
            except VectorsRefused as error:
                if not (at_fault := {put.key for put in puts}.intersection(error.keys)):
                    raise
                refused |= at_fault
                now = self._catalog.clock.wall()
                ready = [item.without_keys(at_fault, error.message, now) for item in ready]
            else:
                break
        self._tell(write, ready, report)

    def _settle(self, visits: Sequence[Visit], report: Report) -> None:
        """What was hidden, as it was seen withdrawn, is shown again where the index says all there is to it."""
        put_off = (*report.deferred, *(visit for visit, _ in report.later))
        going_on = {(visit.source.id, visit.path) for visit in put_off}
        for visit in visits:
            if visit.source.hidden and (visit.source.id, visit.path) not in going_on:
                visit.source.hidden.settled([visit.path])

    def _puts(self, ready: Sequence[Prepared]) -> list[Entry]:
        fresh = [(item, chunk) for item in ready for chunk in item.fresh]
        vectors = self._catalog.embeddings(self._space.id, {chunk.text_hash for _, chunk in fresh})
        return [
            to_entry(
                item.visit.source.uid,
                item.visit.source.label,
                item.visit.path,
                item.change.title,
                chunk,
                vectors[chunk.text_hash],
                item.change.stamp[2] // 10**9,
            )
            for item, chunk in fresh
            if isinstance(item.change, NoteChange) and chunk.text_hash in vectors
        ]

    def _tell(self, write: order.Write, ready: Sequence[Prepared], report: Report) -> None:
        unproven = {(removal.source_id, removal.path) for removal in write.unproven}
        for item in ready:
            if (item.visit.source.id, item.visit.path) in unproven:
                report.later.append((item.visit, RETRY_FIRST_S))
        report.n_put, report.n_deleted = report.n_put + write.n_put, report.n_deleted + write.n_deleted
        report.generation = write.done.generation if write.done else report.generation
        report.n_removed += sum(isinstance(change, NoteRemoval) for change in write.committed)
        noted = [change for change in write.committed if isinstance(change, NoteChange)]
        n_changed = sum(change.chunks is not None for change in noted)
        n_failed = sum(change.state == "failed" for change in noted)
        report.n_changed, report.n_failed = report.n_changed + n_changed, report.n_failed + n_failed
        report.n_untouched += len(noted) - n_changed - n_failed


def _is_closed(change: NoteChange | NoteRemoval) -> bool:
    return isinstance(change, NoteChange) and bool(change.closed & BY_NOTE)
