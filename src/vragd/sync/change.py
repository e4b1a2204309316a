"""
A path → what its note is to become: read, cut into chunks, compared with what the catalog knows.

Writes nothing. Everything here runs on the store's writer lane.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import structlog

from vragd.backends.base import VectorBackend
from vragd.catalog.facts import Facts
from vragd.catalog.links import OPTED_OUT, READER
from vragd.catalog.model import (
    BY_NOTE,
    BY_RULE,
    NO_STAMP,
    UNREAD,
    ChunkRow,
    Known,
    NoteChange,
    NoteRemoval,
    SpaceRow,
    Stamp,
    State,
)
from vragd.catalog.writer import Catalog
from vragd.errors import VragdError
from vragd.notes.chunk import may_be_closed, split_name
from vragd.notes.model import Note, NotIndexable
from vragd.notes.page import embedded
from vragd.notes.said import said
from vragd.sync.links import link_rows
from vragd.sync.pace import PACE, Pace
from vragd.sync.prepared import RETRY_FIRST_S, Later, Parked, Prepared, Unfinished, Visit, with_retry
from vragd.sync.readers import Readers
from vragd.sync.vectors import chunk_key, hash_of, meta_hash
from vragd.system.log import error_fields, path_id
from vragd.vault.read import Content, Gone, Skipped, Unreadable

log = structlog.get_logger()

TORN_RETRY_S, DOUBTFUL_RETRY_S = 0.2, 0.05


class Preparer:
    """Prepares the visits of one store in one space. `wants_vectors`: each chunk is to have one, if not there."""

    def __init__(
        self, catalog: Catalog, backend: VectorBackend, space: SpaceRow, readers: Readers, pace: Pace = PACE, *,
        wants_vectors: bool = True,
    ) -> None:  # fmt: skip
        self._catalog, self._backend, self._space, self._pace = catalog, backend, space, pace
        self._readers, self._wants_vectors = readers, wants_vectors
        self._kept: Prepared | None = None
        self._waiting: dict[tuple[int, str], Stamp] = {}

    def prepare(self, visit: Visit, *, asks: bool = True) -> Prepared | Later | Unfinished | Parked | None:
        """
        What is to be done about a path; None for nothing. One bad note is prepared to be recorded as failed.

        `asks`: an embedder is asked for what is missing, so that a note that waits for it is prepared, too.
        """
        try:
            return self._prepare(visit, asks)
        except VragdError:
            raise
        except Exception as error:  # of a kind nobody thought of: the others go on, and this one says why it does not
            return self.unexpected(visit, error)

    def unexpected(self, visit: Visit, error: Exception) -> Prepared:
        """The note is recorded as failed by a bug, and tried again later; its last good version stays."""
        log.error("sync.note_unexpected", note=path_id(visit.source.uid, visit.path), **error_fields(error))
        known = self._catalog.known_note(visit.source.id, visit.path)
        return self._failed(visit, self._catalog.next_seq(), known, f"unexpected_{type(error).__name__}")

    def _failed(self, visit: Visit, seq: int, known: Known | None, reason: str) -> Prepared:
        """Keep the last good version, with its size and time, say why, try again later."""
        # no file has an inode and a change of 0: a scan finds it changed whatever is on the disk
        stamp = (0, *known.stamp[1:3], 0) if known else NO_STAMP
        change = _plain_change(visit, seq, known, "failed", reason, stamp=stamp, chunks=None)
        log.warning("sync.note_failed", note=path_id(visit.source.uid, visit.path), reason=reason)
        return Prepared(visit, with_retry(change, known.attempts if known else 0, self._catalog.clock.wall()))

    def _prepare(self, visit: Visit, asks: bool) -> Prepared | Later | Unfinished | Parked | None:
        if not visit.source.rules_known:
            return Later(visit, RETRY_FIRST_S)  # what is read now may be what nobody is to see
        known = self._catalog.known_note(visit.source.id, visit.path)
        seq = self._catalog.next_seq()
        kept = self._take_kept(visit)
        if visit.source.rules.excluded(visit.path) is not None or visit.source.is_copy(visit.path):
            return _removal(visit, seq) if known else None
        if visit.source.withheld(visit.path):
            return None  # whoever changes the rule has everything scanned
        if visit.source.is_doubtful(visit.path):
            return Later(visit, DOUBTFUL_RETRY_S)
        if kept is not None:
            return kept
        if self._readers.is_busy((visit.source.id, visit.path)):
            return Unfinished(visit)
        if known is not None and not asks and self._waits_as_read(visit, known):
            return Parked(visit)
        self._waiting.pop((visit.source.id, visit.path), None)
        if known is not None and (moved := self._moved(visit, seq, known)) is not None:
            return moved
        why = self._readers.unread(visit.path)
        outcome = visit.source.read(visit.path) if why is None else visit.source.look(visit.path, why)
        match outcome:
            case Gone() | Skipped(key=None):
                return _removal(visit, seq) if known else None
            case Skipped(reason, key):
                assert key is not None
                reader = self._readers.version(visit.path)
                as_before = ("skipped", key, reader, READER)
                if why and known and (known.state, known.stamp, known.reader, known.links_read) == as_before:
                    return None
                change = _plain_change(visit, seq, known, "skipped", reason, stamp=key, chunks=())
                return Prepared(visit, replace(change, reader=reader))
            case Unreadable(reason, torn):
                if torn or reason == "source_offline":
                    return Later(visit, TORN_RETRY_S if torn else RETRY_FIRST_S)
                return self._failed(visit, seq, known, reason)
            case Content():
                return self._content(visit, seq, known, outcome)

    def _content(
        self, visit: Visit, seq: int, known: Known | None, content: Content
    ) -> Prepared | Later | Unfinished | None:
        current = known is not None and known.space_id == self._space.id
        same = known is not None and current and known.digest == content.digest
        same = same and known is not None and self._readers.reads(visit.path, known.reader)
        if known and same and known.links_read == READER and known.state in ("indexed", "skipped"):
            if known.stamp == content.key and known.racy == content.racy:
                return None
            change = _plain_change(visit, seq, known, known.state, known.reason, stamp=content.key, chunks=None)
            return Prepared(visit, replace(change, racy=content.racy))
        if known and known.stamp[1] > 0 and not content.data and visit.patient:
            return Later(replace(visit, patient=False), self._pace.empty_hold_s)
        try:
            note = self._readers.read((visit.source.id, visit.path), content)
        except NotIndexable as error:
            change = _plain_change(visit, seq, known, "skipped", error.reason, stamp=content.key, chunks=())
            reader = self._readers.version_of_refusal(visit.path, error.reason)
            if error.reason == OPTED_OUT:  # whatever else it says
                change = replace(change, closed=change.closed & ~UNREAD)
            return Prepared(visit, replace(change, digest=content.digest, space_id=self._space.id, reader=reader))
        except Exception as error:
            log.error("sync.note_unparsable", note=path_id(visit.source.uid, visit.path), **error_fields(error))
            return self._failed(visit, seq, known, "parser_error")
        if note is None:
            return Unfinished(visit)
        links = link_rows(note)
        if known and same and known.state == "indexed":  # only its links and facts are read anew
            change = _plain_change(visit, seq, known, known.state, known.reason, stamp=content.key, chunks=None)
            anew = replace(change, racy=content.racy, names=note.aliases, facts=_facts(note), links=links)
            anew = replace(anew, closed=_closed(visit, note))
            return Prepared(visit, anew)
        chunks = tuple(self._vectored(_chunk_rows(visit, note)))
        held = self._held(known, chunks, note.title) if known and current else set()
        change = NoteChange(
            source_id=visit.source.id,
            path=visit.path,
            seq=seq,
            stamp=content.key,
            racy=content.racy,
            digest=content.digest,
            title=note.title,
            space_id=self._space.id,
            state="indexed",
            reason=_reason(note),
            chunks=chunks,
            names=note.aliases,
            words=note.words,
            facts=_facts(note),
            links=links,
            reader=self._readers.version(visit.path),
            closed=_closed(visit, note),
        )
        found = ("indexed", "partial") if current else ("indexed", "partial", "failed")
        is_found = known is not None and known.state in found and known.digest == content.digest
        return Prepared(visit, change, self._fresh(chunks, held), known.attempts if known else 0, is_found)

    def _moved(self, visit: Visit, seq: int, known: Known) -> Prepared | None:
        """
        A note of another space as the catalog has it, if its file is surely what was read: then it is not read again.

        None where it has to be: also where a passage's text alone does not tell what was embedded of it.
        """
        if known.space_id in (None, self._space.id) or known.state != "indexed" or not self._is_as_read(visit, known):
            return None
        names, words, kept = self._catalog.kept_note(known.note_id)
        chunks = tuple(self._vectored(map(_with_embed_text, kept)))
        if self._space.has_vectors and not all(chunk.embed_text for chunk in chunks):
            return None
        change = _plain_change(visit, seq, known, known.state, known.reason, stamp=known.stamp, chunks=None)
        change = replace(change, chunks=chunks, space_id=self._space.id, names=tuple(names), words=words)
        return Prepared(visit, change, self._fresh(chunks, set()), known.attempts, is_found=True)

    def _waits_as_read(self, visit: Visit, known: Known) -> bool:
        """Whether all is known of the note but its vectors, or those of this space, and the file is what was read."""
        only_lacks = known.waits or (known.state == "indexed" and known.space_id not in (None, self._space.id))
        if only_lacks and self._is_as_read(visit, known):
            return True
        read = self._waiting.get((visit.source.id, visit.path))
        return read is not None and visit.source.stamp(visit.path) == read

    def _is_as_read(self, visit: Visit, known: Known) -> bool:
        """Whether the file is surely what was read, and would be read alike."""
        if known.racy or known.links_read != READER or not self._readers.reads(visit.path, known.reader):
            return False
        return visit.source.stamp(visit.path) == known.stamp

    def _vectored(self, chunks: Iterable[ChunkRow]) -> Iterable[ChunkRow]:
        """The chunks as this space has them: with a vector each, or found by their words only."""
        return (replace(chunk, embedded=self._space.has_vectors) for chunk in chunks)

    def _fresh(self, chunks: Iterable[ChunkRow], held: set[str]) -> list[ChunkRow]:
        return [chunk for chunk in chunks if chunk.key not in held] if self._wants_vectors else []

    def _held(self, known: Known, chunks: Iterable[ChunkRow], title: str) -> set[str]:
        """Keys of chunks the backend holds as they are now; a remote one answers with their title, lines, text."""
        places = self._catalog.embedded_chunks(known.note_id)
        if not self._backend.traits.keeps_payload:
            return set(places)
        if known.title != title:
            return set()
        return {chunk.key for chunk in chunks if places.get(chunk.key) == (chunk.heading, chunk.lines, chunk.text)}

    # -- a note that takes many rounds -------------------------------------------------------------

    def keep(self, unfinished: Sequence[Prepared]) -> None:
        """
        Remember the largest of what goes on in another round, so that it is not read and cut in each.

        Only one is kept, and only while the file keeps its stamp: memory is bounded by the largest note.
        """
        for item in unfinished:
            if isinstance(item.change, NoteChange) and not item.change.racy:
                self._kept = max(item, self._kept or item, key=lambda kept: len(kept.fresh))

    def wait(self, waiting: Sequence[Prepared]) -> None:
        """
        Remember by which stamp each was read that is not written until the embedder is back, so as to read it no more.

        The catalog has an older stamp of it, or one too fresh to be trusted, or another reader's.
        """
        for item in waiting:
            if isinstance(item.change, NoteChange) and not item.change.racy:
                self._waiting[item.visit.source.id, item.visit.path] = item.change.stamp

    def _take_kept(self, visit: Visit) -> Prepared | None:
        kept = self._kept
        if kept is None or (kept.visit.source, kept.visit.path) != (visit.source, visit.path):
            return None
        self._kept = None
        assert isinstance(kept.change, NoteChange)
        return replace(kept, visit=visit) if visit.source.stamp(visit.path) == kept.change.stamp else None


def _chunk_rows(visit: Visit, note: Note) -> Iterator[ChunkRow]:
    seen: dict[bytes, int] = {}
    for chunk in note.chunks:
        text_hash = hash_of(chunk.embed_text)
        occurrence = seen.get(text_hash, 0)
        seen[text_hash] = occurrence + 1
        key = chunk_key(visit.source.uid, visit.path, text_hash, occurrence)
        told = meta_hash(visit.source.label, visit.path, note.title, chunk.heading, chunk.lines, hash_of(chunk.text))
        yield ChunkRow(
            key, text_hash, chunk.heading, chunk.lines, chunk.text, meta_hash=told, embed_text=chunk.embed_text
        )


def _with_embed_text(chunk: ChunkRow) -> ChunkRow:
    """With what was embedded of it; "" where its text does not tell, as it does not of a piece of a longer block."""
    for text in (chunk.text, embedded(chunk.text)):
        if hash_of(text) == chunk.text_hash:
            return replace(chunk, embed_text=text)
    return chunk


def _facts(note: Note) -> Facts:
    properties = {name: said(value) for name, value in note.properties.items()}
    text = note.text or "\n\n".join("\n".join([*chunk.heading, chunk.text]) for chunk in note.chunks)
    return Facts(text, note.head, note.tags, properties)


def _reason(note: Note) -> str | None:
    """What is to be known of a note that is indexed; None if nothing is."""
    said = [*(["not_utf8"] if note.lossy else []), *note.remarks]
    # a rule between two sections is wordless too: that is said only of a note that is nothing else
    told = ("machine_text", "wordless") if not note.chunks else ("machine_text",)
    left_out = (left for left in note.left_out if left.reason in told)
    said += (f"{left.reason}: {left.n_lines} lines, {left.n_bytes} bytes left out" for left in left_out)
    return "; ".join(said) or None


def _removal(visit: Visit, seq: int) -> Prepared:
    return Prepared(visit, NoteRemoval(visit.source.id, visit.path, seq))


def _plain_change(
    visit: Visit,
    seq: int,
    known: Known | None,
    state: State,
    reason: str | None,
    *,
    stamp: tuple[int, int, int, int],
    chunks: tuple[ChunkRow, ...] | None,
) -> NoteChange:
    """A change of the note's record; with `chunks=None` what is found stays as it was."""
    return NoteChange(
        source_id=visit.source.id,
        path=visit.path,
        seq=seq,
        stamp=stamp,
        racy=False,
        digest=known.digest if known and chunks is None else None,
        title=known.title if known else "",
        space_id=known.space_id if known and chunks is None else None,
        state=state,
        reason=reason,
        chunks=chunks,
        links=None if chunks is None else (),
        reader=known.reader if known else "",
        closed=_closed(visit, None),
    )


def _closed(visit: Visit, note: Note | None) -> int:
    """Why assistants are not shown the note; of one that is not read nobody knows what it says, if it may say it."""
    of_note = BY_NOTE if note is not None and note.closed else 0
    unread = UNREAD if note is None and may_be_closed(split_name(visit.path)[1]) else 0
    return of_note | unread | BY_RULE * visit.source.closed(visit.path)
