"""
A store as a running thing: catalog, embedder, backend, sources, and the one place that ties them.

Made by `opening`. Blocking throughout. `prepare`, `apply`, `fill`, `forget_unused`, `sweep_words`, `flush` and `close`
run on the store's writer lane; `scan_source` runs on its scan lane; what a query needs (`reader`, `backend`,
`answering`) may be used from any thread.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from vragd.backends.base import VectorBackend
from vragd.catalog.assistants import AssistantsReader
from vragd.catalog.model import SpaceRow
from vragd.catalog.reader import Reader
from vragd.catalog.sweep import OF_CHUNKS, OF_TITLES, Unused
from vragd.catalog.writer import Catalog
from vragd.config.settings import LimitSettings, StoreSettings
from vragd.embed.base import Embedder
from vragd.errors import BackendUnavailable, CatalogCorrupt, DiskFull, VragdError
from vragd.store.awaited import DOUBTFUL
from vragd.store.collections import Collections
from vragd.store.filling import Filling
from vragd.store.spaces import Answering, Recorded, Spaces
from vragd.sync.calls import Calls
from vragd.sync.embedding import who
from vragd.sync.links import Attached, compare_attachments
from vragd.sync.pace import Pace
from vragd.sync.prepared import Visit
from vragd.sync.proof.proof import Proof
from vragd.sync.readers import Readers
from vragd.sync.round import Report, Syncer
from vragd.sync.withdrawn import No, says_now
from vragd.system.clock import Clock
from vragd.system.failpoints import reach
from vragd.system.files import free_mib
from vragd.vault.scan import Scan
from vragd.vault.source import Source

log = structlog.get_logger()

LOOKED_AT_AGAIN = 1_000
WORDS_SWEPT_WITHIN_S, WORDS_SWEPT_AGAIN_S = 86_400.0, 43_200.0


@dataclass(frozen=True, slots=True)
class Given:
    """What a store is opened with. `embedder` makes the configured one when it is first needed, and keeps it."""

    name: str
    settings: StoreSettings
    folder: Path
    limits: LimitSettings
    embedder: Callable[[], Embedder]
    stop: Callable[[], bool]
    recorded: Recorded
    clock: Clock
    pace: Pace


@dataclass(frozen=True, slots=True)
class Parts:
    """What belongs to one catalog. `catalog`, `collections`, `filling` and `spaces` are the writer lane's."""

    catalog: Catalog
    reader: Reader
    collections: Collections
    filling: Filling
    spaces: Spaces


class Lasting:
    """What outlives a damaged catalog: the backend, the sources, what is proven of them, and what reads them."""

    def __init__(self, backend: VectorBackend, readers: Readers, calls: Calls) -> None:
        self.backend, self.readers, self.calls = backend, readers, calls
        self.sources: dict[int, Source] = {}
        self.proofs: dict[int, Proof] = {}
        """Of each source, by its id: what asks whether a note is gone asks these."""
        self.skipped: dict[int, dict[str, str]] = {}
        self.n_embedded = 0
        self.spared_at: float | None = None  # steady: when a catalog that seemed damaged was found sound

    def close(self) -> None:
        """Close readers, sources and backend. Raises if its last flush failed."""
        self.readers.close()
        for proof in self.proofs.values():
            proof.close()
        self.backend.close()


class Store:
    """One store, open until `close`."""

    def __init__(self, given: Given, lasting: Lasting, parts: Parts) -> None:
        self.given, self.lasting = given, lasting
        self.name, self.settings, self.folder, self.limits = given.name, given.settings, given.folder, given.limits
        self.backend, self.sources, self.proofs = lasting.backend, lasting.sources, lasting.proofs
        self.skipped, self.calls = lasting.skipped, lasting.calls
        self.catalog, self.reader = parts.catalog, parts.reader
        self.for_assistants = AssistantsReader(parts.reader, parts.catalog.path)
        self.collections, self.filling, self.spaces = parts.collections, parts.filling, parts.spaces
        self._syncer: Syncer | None = None  # of the space that is written; made for the first round in it
        self._shut_for: CatalogCorrupt | None = None
        self._needs_recovery = False

    # -- what queries use --------------------------------------------------------------------------

    @property
    def space(self) -> SpaceRow | None:
        """The space that is written; None before the embedder was first asked."""
        return self.spaces.current

    def reader_for(self, *, assistant: bool) -> Reader:
        """What reads the catalog; for an assistant all but what is closed."""
        return self.for_assistants if assistant else self.reader

    @property
    def answering(self) -> Answering | None:
        """What questions are put to: the space, or while another is being built the one before."""
        return self.spaces.answering

    @property
    def rebuilding(self) -> bool:
        """Whether there is an old space besides."""
        return self.spaces.rebuilding

    @property
    def embedder(self) -> Embedder:
        """The configured embedder, loaded when it is first needed."""
        return self.given.embedder()

    @property
    def n_embedded(self) -> int:
        """Texts embedded since the store was opened."""
        return self.lasting.n_embedded

    @property
    def damage(self) -> CatalogCorrupt | None:
        """That the catalog is damaged, whoever found that out: it is to be replaced. From any thread."""
        return self._shut_for or self.catalog.damage or self.reader.damage

    # -- lifecycle ---------------------------------------------------------------------------------

    def attach(self) -> None:
        """As `Spaces.attach`."""
        self.spaces.attach()

    def prepare(self) -> None:
        """Make sure that backend and embedder answer, in the embedder's space. Raises as `who` and `Spaces.choose`."""
        before = self.space
        try:
            self.spaces.choose(who(self.calls, self.embedder, yields=True))
        finally:
            if before is None or self.space is None or self.space.id != before.id:
                self._syncer = None  # it writes into the space before
        if self.rebuilding:
            self._switch()

    def read_again(self, *, embed: bool = False) -> int:
        """
        Have every note read from the vault again as scans find it, what was indexed before answering until then; how
        many are known. With `embed` every text is embedded again, too: raises as `prepare`, and nothing is begun then.
        """
        if embed:
            try:
                self.spaces.again(who(self.calls, self.embedder, yields=True))
            finally:
                self._syncer = None
        n = self.catalog.doubt_notes()
        reach("notes.doubted")
        return n

    def _switch(self) -> None:
        """As `Spaces.drop_old`. A source that was not looked at yet is not away."""
        self.spaces.drop_old([source.id for source in self.sources.values() if source.state not in ("new", "ok")])

    # -- work --------------------------------------------------------------------------------------

    def connect(self, source: Source) -> bool:
        """Open the source's root if it can be trusted, and remember by what it is recognised. See `Proof`."""
        proof = self.proofs[source.id]
        root = proof.find()
        if root is not None:
            proof.take(root)
        return root is not None

    def scan_source(self, source: Source, folder: str = "") -> tuple[list[str], Scan]:
        """
        The dirty paths of a source or folder, and the scan. Opens no file.

        What is missing is among them if the source's proof says that it is gone.
        """
        root, proof = source.root, self.proofs[source.id]
        if root is None or not source.rules_known:  # what is found now may be what nobody is to see
            return [], Scan(folder, stopped=True)
        mark = proof.mark()
        found = source.scan(folder, self.given.stop, proven=root is proof.state.proven)
        space_id = self.space.id if self.space else None
        known = self.reader.stamps(
            source.id, folder, space_id, self.limits.max_file_bytes, self.lasting.readers.versions
        )
        difference, is_gone = proof.judge(root, found, known, mark)
        dirty = difference.dirty
        if is_gone:
            dirty += difference.missing
        elif difference.missing:
            log.warning("source.deletes_held", store=self.name, source=source.uid, n_missing=len(difference.missing))
        found.believed = is_gone
        found.withdrawn = difference.withdrawn(dirty, found, source.rules)
        found.changed = [path for path in dirty if path in known and found.notes.get(path) != known[path][:4]]
        if not folder:
            self.skipped[source.id] = found.skipped
        return dirty, found

    def closed_since(self, source: Source, paths: Sequence[str]) -> dict[str, No]:
        """Which of these notes, that have changed, say by now to whom they are closed. Reads; as `scan_source`."""
        return {path: said for path in paths if (said := says_now(source, path)) is not None}

    def withhold(self, places: Sequence[tuple[int, str]]) -> None:
        """Show these notes to no assistant until they were read."""
        self.catalog.withhold(places)

    def attached(self, source: Source, found: Scan) -> Attached:
        """
        What a scan says of the files that are no notes, for `note_attached`. As `scan_source`.

        The scan is of a moment before, and events may have told more since: what it says of a few is looked at again.
        """
        if found.stopped or source.root is None:
            return Attached()
        attached = compare_attachments(found, self.reader.attachments(source.id, found.folder), source.rules)
        attached.gone = [p for p in attached.gone if not source.is_attachment(p) or source.is_there(p) is False]
        if len(attached.come) <= LOOKED_AT_AGAIN:
            attached.come = [path for path in attached.come if source.is_there(path)]
        return attached

    def note_attached(self, source: Source, attached: Attached) -> None:
        """Remember what `attached` says."""
        if attached:
            closed = set(filter(source.closed, attached.come))
            self.catalog.note_attachments(source.id, attached.come, attached.gone, closed)

    def look_at(self, source: Source, paths: Sequence[str]) -> tuple[list[str], list[str]]:
        """Which of these paths are attachments nobody knows yet, which known ones are none now. On the scan lane."""
        known = self.reader.attachments_among(source.id, paths)
        there = {path: source.is_there(path) if source.is_attachment(path) else False for path in paths}
        come = [path for path, is_there in there.items() if is_there and path not in known]
        return come, [path for path, is_there in there.items() if is_there is False and path in known]

    def note_seen(self, source: Source, come: Sequence[str], missing: Sequence[str]) -> None:
        """Remember what `look_at` saw; what is missing only as far as the source's proof says that it is gone."""
        gone = self.proofs[source.id].gone(missing, notes=False) if missing else ()
        self.note_attached(source, Attached(list(come), sorted(gone)))

    def apply(self, visits: list[Visit], *, embed: bool = True) -> Report:
        """
        One round of work. Raises what `Syncer.apply` raises, and DiskFull below the floor of free space.

        What needs no embedder is done without one, without `embed` before it ever said what its space is; what makes
        room also below the floor.
        """
        if self._syncer is not None:
            self._syncer.report = Report()
        if self.space is None and embed:
            self.prepare()
        elif self.space is None:
            self.spaces.stand_in()
        self.attach()
        assert self.space is not None
        if self._syncer is None:
            self._syncer = Syncer(
                self.catalog,
                self.backend,
                lambda: self.embedder,
                self.space,
                self.proofs,
                self.lasting.readers,
                self.given.stop,
                self.given.pace,
                calls=self.calls,
                stands_in=self.spaces.stands_in,
            )
        is_full = free_mib(self.folder) < self.limits.min_free_mib
        embedded_before = self._syncer.n_embedded
        with self._doubting():
            try:
                report = self._syncer.apply(visits, only_freeing=is_full, embed=embed)
            finally:
                self.lasting.n_embedded += self._syncer.n_embedded - embedded_before
            if self._needs_recovery:
                # what an interrupted round had put is put again or, now that it is past, forgotten
                self.spaces.recover(self.space)
                self._needs_recovery = False
        if self.rebuilding:
            self._switch()
        if is_full and report.deferred:
            raise DiskFull(
                f"less than {self.limits.min_free_mib} MiB are free where the catalog lives",
                hint="free some space, or lower limits.min_free_mib",
            )
        return report

    @property
    def report(self) -> Report:
        """Of the last `apply`, also when it raised. Between two of them only."""
        return self._syncer.report if self._syncer else Report()

    @property
    def behind(self) -> bool:
        """Whether the backend lacks vectors that the catalog has: `fill` puts them."""
        return self.filling.n_left is not None

    def fill(self) -> None:
        """Put a slice of what a backend new to the store lacks."""
        self.attach()
        assert self.space is not None
        with self._doubting():
            self.filling.go_on(self.space)
        if not self.behind and not self.backend.traits.private:
            shutil.rmtree(self.folder / "index", ignore_errors=True)  # of a local backend, before the store moved

    def sweep(self) -> None:
        """Forget what the backend has from before it was filled, if it may have anything. See `order.sweep`."""
        if self.space is not None and self.filling.unswept:
            with self._doubting():
                self.filling.sweep(self.space)

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        """Remember what a failure puts in doubt: the intents, and whether the collection is there at all."""
        try:
            yield
        except DOUBTFUL:
            self._needs_recovery = True
            self.spaces.doubt()
            raise
        except (BackendUnavailable, DiskFull):
            self._needs_recovery = True
            raise

    def find_unused(self) -> list[tuple[int, Unused]]:
        """What nobody has used for long, a slice at a time, and the generation that is true in. Any thread; slow."""
        keep_s = self.limits.keep_embeddings_days * 86_400.0
        slices: list[tuple[int, Unused]] = []
        for table in (OF_CHUNKS, OF_TITLES):
            generation, found = self.reader.find_unused(self.given.clock.wall(), keep_s, table)
            slices += [(generation, some) for some in found.slices()]
        return slices

    def forget_unused(self, generation: int, found: Unused) -> None:
        """Do what was found; nothing is forgotten if there was a commit since, which may use it again."""
        if found.forgotten and self.reader.generation() != generation:
            return
        if n := self.catalog.forget_unused(found, self.given.clock.wall()):
            log.info("catalog.embeddings_swept", store=self.name, n_swept=n)

    def sweep_words(self, every_s: float = WORDS_SWEPT_AGAIN_S) -> None:
        """Forget the words of notes that are gone, unless that was done in the last `every_s` seconds."""
        self.catalog.sweep_words(self.given.clock.wall(), every_s)

    def due_for_retry(self) -> Iterator[tuple[int, str]]:
        """(source id, path) of failed notes whose time has come; not those that wait for the embedder."""
        yield from self.catalog.due_for_retry(self.given.clock.wall())

    def forget(self) -> None:
        """Delete what the backend holds for us, before the store's files go. Can be done again, or undone by `fill`."""
        self.filling.put_off()
        for space in self.catalog.spaces():
            if space.target:
                self.collections.leave(space.collection)

    def flush(self) -> None:
        """Let the backend write its cache, if it finds that worthwhile."""
        if self.space is not None and self.space.has_vectors:
            self.backend.tend(self.space.collection)

    def shut(self, error: CatalogCorrupt) -> None:
        """Close the damaged catalog, and nothing else: whoever reads meanwhile is told that it is busy."""
        self._shut_for = error
        # the last to close tidies up beside the file, by its name
        for opened in (self.for_assistants, self.reader, self.catalog):
            with suppress(VragdError):
                opened.close()

    def close(self) -> None:
        """Flush and close everything. Raises if the last flush failed, after closing the rest."""
        try:
            self.lasting.close()
        finally:
            self.for_assistants.close()
            self.reader.close()
            self.catalog.close()
