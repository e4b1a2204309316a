"""
Dirty path → committed note. One of the two places that know the whole order of things.

The order of writes is the same for every backend:

    intent → put_vectors → commit (swap the notes' chunks) → delete_vectors → clear

so that a reader at any instant, crashes included, joins its matches to the whole old note or the whole
new one. Everything here runs on the store's writer lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from vragd.backends.base import VectorBackend
from vragd.catalog.model import NoteChange, NoteRemoval, SpaceRow
from vragd.catalog.writer import Catalog
from vragd.embed.base import Embedder
from vragd.sync.change import RETRY_FIRST_S, Job, Later, Prepared, Preparer
from vragd.sync.embedding import Bulk
from vragd.sync.vectors import to_vector
from vragd.system.failpoints import reach


@dataclass(slots=True)
class Report:
    """What a round did. `deferred` jobs go on in the next round, `later` ones after so many seconds."""

    deferred: list[Job] = field(default_factory=list)
    later: list[tuple[Job, float]] = field(default_factory=list)
    n_changed: int = 0
    n_removed: int = 0
    n_untouched: int = 0
    n_failed: int = 0
    n_embedded: int = 0
    n_put: int = 0
    n_deleted: int = 0
    generation: int | None = None


class Syncer:
    """
    Applies jobs to one store. `embedder` is called when the first text lacks an embedding, `stop` is asked
    between batches of it, `recover` when intents may be of keys in nobody's note.
    """

    def __init__(
        self,
        catalog: Catalog,
        backend: VectorBackend,
        embedder: Callable[[], Embedder],
        space: SpaceRow,
        recover: Callable[[], object],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._catalog = catalog
        self._backend = backend
        self._space = space
        self._recover = recover
        self._stop = stop
        self._preparer = Preparer(catalog, backend, space)
        self._bulk = Bulk(catalog, embedder, space, stop)
        self.later: list[tuple[Job, float]] = []
        """What the last round put off, also when it raised in the end: `Report.later`."""

    @property
    def n_embedded(self) -> int:
        """Texts embedded so far, also by rounds that failed afterwards."""
        return self._bulk.n_embedded

    def apply(self, jobs: Sequence[Job], *, only_freeing: bool = False) -> Report:
        """
        Bring the index in line with the disk for these paths, as far as one round goes.

        Raises EmbedderUnavailable after what needs no embedder was done: removals and all that leaves the
        texts as they are. Raises BackendUnavailable or DiskFull. Nothing is lost then, and the same jobs
        may be applied again. One bad note is recorded as failed and never in the way of others. With
        `only_freeing` nothing is done but what makes room, the rest is deferred.
        """
        report = Report()
        self.later = report.later
        prepared = list(self._prepare_some(jobs, report, only_freeing))
        if only_freeing:
            report.deferred += [item.job for item in prepared if not item.frees]
            prepared = [item for item in prepared if item.frees]
        found = self._bulk.embed({chunk.text_hash: chunk.text for item in prepared for chunk in item.fresh})
        report.n_embedded = found.n_new
        settled = found.done | found.refused
        ready: list[Prepared] = []
        unfinished: list[Prepared] = []
        for item in prepared:
            whole = all(chunk.text_hash in settled for chunk in item.fresh)
            (ready if whole else unfinished).append(item.without(found.refused) if whole else item)
        self._preparer.keep(unfinished)
        report.deferred[:0] = [item.job for item in unfinished]  # what has begun is to be finished first
        self._write(ready, report)
        if found.outage is not None:
            raise found.outage
        return report

    def _prepare_some(self, jobs: Sequence[Job], report: Report, only_freeing: bool) -> Iterator[Prepared]:
        texts, most = 0, 0 if only_freeing else self._bulk.texts_per_round
        for i, job in enumerate(jobs):
            # a removal must not wait behind texts that nobody can embed now: then every job is looked at
            if self._stop() or (texts >= most and not (only_freeing or self._bulk.is_out)):
                report.deferred += jobs[i:]
                return
            item = self._preparer.prepare(job)
            if isinstance(item, Later):
                report.later.append((item.job, item.delay_s))
            elif item is not None and item.fresh and texts >= most:
                report.deferred.append(item.job)
            elif item is not None:
                texts += len(item.fresh)
                yield item

    # -- the order of writes -----------------------------------------------------------------------

    def _write(self, ready: Sequence[Prepared], report: Report) -> None:
        collection = self._space.collection
        fresh = [(item, chunk) for item in ready for chunk in item.fresh]
        vectors = self._catalog.embeddings(self._space.id, {chunk.text_hash for _, chunk in fresh})
        puts = [
            to_vector(
                item.job.source.uid,
                item.job.source.label,
                item.job.path,
                item.change.title,
                chunk,
                vectors[chunk.text_hash],
            )
            for item, chunk in fresh
            if isinstance(item.change, NoteChange) and chunk.text_hash in vectors
        ]
        if puts:
            self._catalog.save(self._space.id, (), collection, [vector.key for vector in puts])
            reach("sync.intended")
            report.n_put = self._backend.put_vectors(collection, puts)
            reach("sync.put")
        changes = [item.change for item in self._proven(ready, report)]
        if not changes and not puts:
            return
        done = self._catalog.commit(collection, changes)
        reach("sync.committed")
        if done.dead:
            report.n_deleted = self._backend.delete_vectors(collection, done.dead)
            reach("sync.deleted")
        if done.n_stale:
            self._recover()  # a key put for a change that was dropped is live in nobody's note
        elif puts or done.dead:
            self._catalog.clear(collection, [*done.dead, *(vector.key for vector in puts)])
            reach("sync.cleared")
        report.generation = done.generation
        report.n_removed = sum(isinstance(change, NoteRemoval) for change in changes)
        noted = [change for change in changes if isinstance(change, NoteChange)]
        report.n_changed = sum(change.chunks is not None for change in noted)
        report.n_failed = sum(change.state == "failed" for change in noted)
        report.n_untouched = len(noted) - report.n_changed - report.n_failed

    def _proven(self, ready: Sequence[Prepared], report: Report) -> Iterator[Prepared]:
        """What may be committed: a removal only while its source's root is the directory we know. See `Roots`."""
        healthy: dict[int, bool] = {}
        for item in ready:
            if isinstance(item.change, NoteRemoval):
                source = item.job.source
                if source.id not in healthy:
                    healthy[source.id] = source.healthy()
                if not (healthy[source.id] and source.vouches(item.job.path)):
                    report.later.append((item.job, RETRY_FIRST_S))
                    continue
            yield item


def recover(catalog: Catalog, backend: VectorBackend, space: SpaceRow, put: Callable[[list[str]], object]) -> int:
    """
    Finish what a crash interrupted: keys that were intended and are not live leave the backend. How many.

    May itself be interrupted and repeated. A key that is live was put before it was committed, so it is
    in every backend that is durable; for the others `Refiller.refill` follows. In a remote one it may
    carry the title and lines of a change that was never committed: `put` puts it again.
    """
    intents = catalog.intents(space.collection)
    if not intents:
        return 0
    live = catalog.live_keys(space.id)
    dead = [key for key in intents if key not in live]
    if dead:
        backend.delete_vectors(space.collection, dead)
        reach("recover.deleted")
    if backend.remote and len(dead) < len(intents):
        put([key for key in intents if key in live])
        reach("recover.put")
    catalog.clear(space.collection, intents)
    reach("recover.cleared")
    return len(dead)
