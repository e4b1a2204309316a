"""
Dirty path → committed note. One of the two places that know the whole order of things.

The order of writes is the same for every backend:

    intent → put_vectors → commit (swap the notes' chunks) → delete_vectors → clear

so that a reader at any instant, crashes included, joins its matches to the whole old note or the whole
new one. Everything here runs on the store's writer lane.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog
import xxhash

from vragd.backends.base import VectorBackend
from vragd.catalog.model import NO_STAMP, ChunkRow, Known, NoteChange, NoteRemoval, SpaceRow
from vragd.catalog.writer import Catalog
from vragd.embed.base import Embedder
from vragd.errors import EmbedderRejected, EmbedderUnavailable
from vragd.log import error_fields, path_id
from vragd.notes.chunk import read_note
from vragd.notes.model import Note, NotIndexable
from vragd.vault.read import Content, Gone, Skipped, Unreadable
from vragd.vault.source import Source
from vragd.vectors import chunk_key, to_vector

log = structlog.get_logger()

# How long a round embeds before the writer lane looks at the queue again, and what it may prepare for that.
ROUND_S = 0.5
LEAST_TEXTS, MOST_TEXTS = 8, 256
TORN_RETRY_S = 0.2
EMPTY_HOLD_S = 5.0
RETRY_FIRST_S, RETRY_LAST_S = 5.0, 3600.0
STRIKES = 3
REFUSED_FOR_S = 4.0  # below RETRY_FIRST_S, so that a retry asks again


@dataclass(frozen=True, slots=True)
class Job:
    """A path to look at. `patient`: a note that was not empty and now is, is given time to be written."""

    source: Source
    path: str
    patient: bool = True


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


@dataclass(slots=True)
class _Prepared:
    """A note read and cut. `fresh` are the chunks the backend does not hold yet as they are now."""

    job: Job
    change: NoteChange | NoteRemoval
    fresh: list[ChunkRow] = field(default_factory=list)
    folder_of: str = ""


class Syncer:
    """Applies jobs to one store. `stop` is asked between batches of the embedder."""

    def __init__(
        self,
        catalog: Catalog,
        backend: VectorBackend,
        embedder: Embedder,
        space: SpaceRow,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._catalog = catalog
        self._backend = backend
        self._embedder = embedder
        self._space = space
        self._stop = stop
        self._strikes: dict[bytes, int] = {}
        self._refused: dict[bytes, float] = {}
        self._texts_per_round = 64

    def apply(self, jobs: Sequence[Job]) -> Report:
        """
        Bring the index in line with the disk for these paths, as far as one round goes.

        Raises EmbedderUnavailable, BackendUnavailable or DiskFull: nothing is lost then, and the same
        jobs may be applied again. One bad note is recorded as failed and never in the way of others.
        """
        report = Report()
        prepared = list(self._prepare_some(jobs, report))
        vectors, refused = self._embed(prepared, report)
        ready: list[_Prepared] = []
        for item in prepared:
            missing = [c for c in item.fresh if c.text_hash not in vectors and c.text_hash not in refused]
            if missing:
                report.deferred.append(item.job)
            else:
                ready.append(_with_refused(item, refused))
        self._write(ready, vectors, report)
        return report

    # -- read and cut ------------------------------------------------------------------------------

    def _prepare_some(self, jobs: Sequence[Job], report: Report) -> Iterator[_Prepared]:
        texts = 0
        for i, job in enumerate(jobs):
            if texts >= self._texts_per_round or self._stop():
                report.deferred += jobs[i:]
                return
            if item := self._prepare(job, report):
                texts += len(item.fresh)
                yield item

    def _prepare(self, job: Job, report: Report) -> _Prepared | None:
        known = self._catalog.known_note(job.source.id, job.path)
        seq = self._catalog.next_seq()
        if job.source.rules.excluded(job.path) is not None:
            return _removal(job, seq) if known else None
        outcome = job.source.read(job.path)
        match outcome:
            case Gone():
                return _removal(job, seq) if known else None
            case Skipped(reason, key):
                if key is None:
                    return _removal(job, seq) if known else None
                return _Prepared(job, _plain_change(job, seq, known, "skipped", reason, stamp=key, chunks=()))
            case Unreadable(reason, torn):
                if torn or reason == "source_offline":
                    report.later.append((job, TORN_RETRY_S if torn else RETRY_FIRST_S))
                    return None
                return self._failed(job, seq, known, reason, report)
            case Content():
                return self._content(job, seq, known, outcome, report)

    def _content(self, job: Job, seq: int, known: Known | None, content: Content, report: Report) -> _Prepared | None:
        current = known is not None and known.space_id == self._space.id
        if known and current and known.digest == content.digest and known.state in ("indexed", "skipped"):
            report.n_untouched += 1
            if known.stamp == content.key and known.racy == content.racy:
                return None
            change = _plain_change(job, seq, known, known.state, None, stamp=content.key, chunks=None)
            return _Prepared(job, replace(change, racy=content.racy))
        if known and known.stamp[1] > 0 and not content.data and job.patient:
            report.later.append((replace(job, patient=False), EMPTY_HOLD_S))
            return None
        stem = job.path.rpartition("/")[2].rpartition(".")[0] or job.path
        try:
            note = read_note(content.data, stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        except NotIndexable as error:
            change = _plain_change(job, seq, known, "skipped", error.reason, stamp=content.key, chunks=())
            return _Prepared(job, replace(change, digest=content.digest, space_id=self._space.id))
        except Exception as error:
            log.error("sync.note_unparsable", note=path_id(job.source.label, job.path), **error_fields(error))
            return self._failed(job, seq, known, "parser_error", report)
        chunks = tuple(_chunk_rows(job, note))
        held = self._held(known, chunks, note.title) if known and current else set()
        change = NoteChange(
            source_id=job.source.id,
            path=job.path,
            seq=seq,
            stamp=content.key,
            racy=content.racy,
            digest=content.digest,
            title=note.title,
            space_id=self._space.id,
            state="indexed",
            reason="not_utf8" if note.lossy else None,
            attempts=known.attempts if known else 0,
            chunks=chunks,
        )
        return _Prepared(job, change, [chunk for chunk in chunks if chunk.key not in held])

    def _held(self, known: Known, chunks: Iterable[ChunkRow], title: str) -> set[str]:
        """Keys of chunks the backend holds as they are now; a remote one answers with title, heading and lines."""
        places = self._catalog.embedded_chunks(known.note_id)
        if not self._backend.remote:
            return set(places)
        if known.title != title:
            return set()
        return {chunk.key for chunk in chunks if places.get(chunk.key) == (chunk.heading, chunk.lines)}

    def _failed(self, job: Job, seq: int, known: Known | None, reason: str, report: Report) -> _Prepared:
        """Keep the last good version, say why, try again later."""
        report.n_failed += 1
        change = _plain_change(job, seq, known, "failed", reason, stamp=NO_STAMP, chunks=None)
        log.warning("sync.note_failed", note=path_id(job.source.label, job.path), reason=reason)
        return _Prepared(job, _with_retry(change))

    # -- embed what is new -------------------------------------------------------------------------

    def _embed(self, prepared: Iterable[_Prepared], report: Report) -> tuple[dict[bytes, np.ndarray], set[bytes]]:
        """Vectors by text hash for as many fresh chunks as a round allows, and the hashes that were refused."""
        texts = {chunk.text_hash: chunk.text for item in prepared for chunk in item.fresh}
        vectors = self._catalog.embeddings(self._space.id, texts.keys())
        cutoff = time.monotonic() - REFUSED_FOR_S
        self._refused = {text_hash: at for text_hash, at in self._refused.items() if at > cutoff}
        refused = texts.keys() & self._refused.keys()
        missing = [text_hash for text_hash in texts if text_hash not in vectors and text_hash not in refused]
        began = time.monotonic()
        for start in range(0, len(missing), self._embedder.batch_size):
            if self._stop() or (start and time.monotonic() - began > ROUND_S):
                break
            batch = missing[start : start + self._embedder.batch_size]
            new, bad = self._embed_batch([(text_hash, texts[text_hash]) for text_hash in batch])
            # kept at once: whatever happens next, these are never embedded again
            self._catalog.save(self._space.id, new.items(), self._space.collection, ())
            vectors |= new
            refused |= bad
            report.n_embedded += len(new)
        if missing:
            # as much as the embedder just managed, and room to find out that it manages more
            self._texts_per_round = max(LEAST_TEXTS, min(MOST_TEXTS, 2 * report.n_embedded))
        return vectors, refused

    def _embed_batch(
        self, batch: Sequence[tuple[bytes, str]], *, suspect: bool = False
    ) -> tuple[dict[bytes, np.ndarray], set[bytes]]:
        """Embed a batch; when it is refused, its halves, down to the texts that are at fault."""
        try:
            rows = self._embedder.embed_documents([text for _, text in batch])
        except EmbedderRejected:
            pass
        except EmbedderUnavailable:
            if not (suspect or self._struck_out(batch[0][0])) or not self._embeds_at_all():
                raise
            suspect = True
        else:
            self._strikes.clear()
            return {text_hash: row for (text_hash, _), row in zip(batch, rows, strict=True)}, set()
        if len(batch) == 1:
            self._refused[batch[0][0]] = time.monotonic()
            return {}, {batch[0][0]}
        middle = len(batch) // 2
        left = self._embed_batch(batch[:middle], suspect=suspect)
        right = self._embed_batch(batch[middle:], suspect=suspect)
        return left[0] | right[0], left[1] | right[1]

    def _struck_out(self, first: bytes) -> bool:
        """
        Whether the batch that begins with this text has failed so often that it is a suspect itself.

        Some texts crash a model runner every time, which looks like an outage.
        """
        self._strikes[first] = self._strikes.get(first, 0) + 1
        return self._strikes[first] >= STRIKES

    def _embeds_at_all(self) -> bool:
        try:
            self._embedder.embed_documents(["a harmless text"])
        except (EmbedderUnavailable, EmbedderRejected):
            return False
        return True

    # -- the order of writes -----------------------------------------------------------------------

    def _write(self, ready: Sequence[_Prepared], vectors: dict[bytes, np.ndarray], report: Report) -> None:
        collection = self._space.collection
        puts = [
            to_vector(
                item.job.source.uid,
                item.job.source.label,
                item.job.path,
                item.change.title,
                chunk,
                vectors[chunk.text_hash],
            )
            for item in ready
            if isinstance(item.change, NoteChange)
            for chunk in item.fresh
            if chunk.text_hash in vectors
        ]
        if puts:
            self._catalog.save(self._space.id, (), collection, [vector.key for vector in puts])
            report.n_put = self._backend.put_vectors(collection, puts)
        changes = [item.change for item in self._proven(ready, report)]
        if not changes and not puts:
            return
        done = self._catalog.commit(collection, changes)
        if done.dead:
            report.n_deleted = self._backend.delete_vectors(collection, done.dead)
        if done.n_stale:
            self._reconcile_intents()  # a key put for a change that was dropped is live in nobody's note
        elif puts or done.dead:
            self._catalog.clear(collection, [*done.dead, *(vector.key for vector in puts)])
        report.generation = done.generation
        report.n_removed = sum(isinstance(change, NoteRemoval) for change in changes)
        report.n_changed = sum(isinstance(c, NoteChange) and c.chunks is not None for c in changes)

    def _proven(self, ready: Sequence[_Prepared], report: Report) -> Iterator[_Prepared]:
        """What may be committed: a removal only while its source's root is the directory we know."""
        healthy: dict[int, bool] = {}
        for item in ready:
            if isinstance(item.change, NoteRemoval):
                source = item.job.source
                if source.id not in healthy:
                    healthy[source.id] = source.healthy()
                if not healthy[source.id]:
                    report.later.append((item.job, RETRY_FIRST_S))
                    continue
            yield item

    def _reconcile_intents(self) -> None:
        recover(self._catalog, self._backend, self._space)


def recover(catalog: Catalog, backend: VectorBackend, space: SpaceRow) -> int:
    """
    Finish what a crash interrupted: keys that were intended and are not live leave the backend. How many.

    May itself be interrupted and repeated. A key that is live was put before it was committed, so it is
    in every backend that is durable; for the others `verify.refill` follows.
    """
    intents = catalog.intents(space.collection)
    if not intents:
        return 0
    live = catalog.live_keys(space.id)
    dead = [key for key in intents if key not in live]
    if dead:
        backend.delete_vectors(space.collection, dead)
    catalog.clear(space.collection, intents)
    return len(dead)


def _chunk_rows(job: Job, note: Note) -> Iterator[ChunkRow]:
    seen: dict[bytes, int] = {}
    for chunk in note.chunks:
        text_hash = xxhash.xxh3_128_digest(chunk.text.encode("utf-8", "surrogatepass"))
        occurrence = seen.get(text_hash, 0)
        seen[text_hash] = occurrence + 1
        key = chunk_key(job.source.uid, job.path, text_hash, occurrence)
        yield ChunkRow(key, text_hash, chunk.heading, chunk.lines, chunk.text)


def _removal(job: Job, seq: int) -> _Prepared:
    return _Prepared(job, NoteRemoval(job.source.id, job.path, seq))


def _plain_change(
    job: Job,
    seq: int,
    known: Known | None,
    state: str,
    reason: str | None,
    *,
    stamp: tuple[int, int, int, int],
    chunks: tuple[ChunkRow, ...] | None,
) -> NoteChange:
    """A change of the note's record; with `chunks=None` what is found stays as it was."""
    return NoteChange(
        source_id=job.source.id,
        path=job.path,
        seq=seq,
        stamp=stamp,
        racy=False,
        digest=known.digest if known and chunks is None else None,
        title=known.title if known else "",
        space_id=known.space_id if known and chunks is None else None,
        state=state,  # type: ignore[arg-type]
        reason=reason,
        attempts=known.attempts if known else 0,
        chunks=chunks,
    )


def _with_refused(item: _Prepared, refused: set[bytes]) -> _Prepared:
    """The note with those of its chunks that the embedder will not take marked: found by their words only."""
    bad = {chunk.text_hash for chunk in item.fresh} & refused
    if not bad or not isinstance(item.change, NoteChange) or item.change.chunks is None:
        return item
    chunks = tuple(replace(c, embedded=c.text_hash not in bad) for c in item.change.chunks)
    reason = f"the embedder refuses {len(bad)} of {len(chunks)} chunks"
    change = replace(item.change, chunks=chunks, state="partial", reason=reason)
    log.warning("sync.chunks_refused", note=path_id(item.job.source.label, item.job.path), n_refused=len(bad))
    return _Prepared(item.job, _with_retry(change), item.fresh)


def _with_retry(change: NoteChange) -> NoteChange:
    delay = min(RETRY_LAST_S, RETRY_FIRST_S * 4.0 ** min(change.attempts, 6))
    return replace(change, attempts=change.attempts + 1, retry_at=time.time() + delay)
