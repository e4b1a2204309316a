"""Read-only views of the catalog, for queries and status. Any thread may call; each call borrows a connection."""

from __future__ import annotations

import queue
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from vragd.catalog import sweep
from vragd.catalog.asked import Asked, asked
from vragd.catalog.link_names import name_key
from vragd.catalog.links import READER
from vragd.catalog.lookup import FOUND, OF_CHUNK, Lookup, Narrow, below, found_from, marks
from vragd.catalog.model import (
    BY_NOTE,
    BY_RULE,
    KNOWN_COLUMNS,
    STATE,
    UNREAD,
    WAITS,
    Counts,
    FileRow,
    Found,
    Known,
    StampRow,
    from_blob,
    known_from,
    to_blob,
)
from vragd.catalog.resolve import resolve
from vragd.catalog.schema import MIGRATIONS
from vragd.catalog.selected import Selected
from vragd.catalog.selecting import Selecting
from vragd.catalog.sources import KnownSource, known_sources
from vragd.catalog.spaces import LEFT
from vragd.catalog.words import Statistics, Words
from vragd.errors import BackendUnavailable, CatalogCorrupt
from vragd.system.sqlite import open_read_only, translated

CLOSED_FOR = [
    tuple(why for bit, why in ((BY_NOTE, "note"), (BY_RULE, "configuration"), (UNREAD, "unread")) if bits & bit)
    for bits in range(8)
]
"""By `note.closed`, in words."""
_EMBEDDINGS = "select count(*) from embedding where space_id in (select id from space where fingerprint not like ?)"
OPTED_OUT = "(state = 'skipped' and reason is 'opted_out')"  # nobody is shown it


class Snapshot:
    """
    The catalog at one instant, whatever is committed meanwhile. `lookup` is for words, `selecting` for filters,
    `selected` keeps what those found.

    See `Reader.snapshot`.
    """

    def __init__(self, db: apsw.Connection, words: Words, selected: Selected | None = None) -> None:
        self.db, self.lookup, self.selecting, self.selected = db, Lookup(db, words), Selecting(db), selected

    def generation(self) -> int:
        """How many commits changed an answer, ever. Grows by each."""
        ((value,),) = self.db.execute("select generation from store")
        return int(value)

    def live(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that are there. A key that is not must not become a hit."""
        rows = self.db.execute(f"select key from chunk where key in ({marks(keys)})", tuple(keys))
        return {key for (key,) in rows}

    def join(self, keys: Sequence[str]) -> dict[str, Found]:
        """The live chunks among `keys`, in full: several times the cost of `live`."""
        rows = self.db.execute(
            f"select {FOUND} from chunk c {OF_CHUNK} where c.key in ({marks(keys)})",
            tuple(keys),
        )
        return {row[0]: found_from(row) for row in rows}

    def keyword(
        self, text: str, limit: int, sources: Collection[str] = (), folders: Collection[str] = ()
    ) -> list[Found]:  # fmt: skip
        """
        What full text alone finds for the words of `text`, in full: chunks, the best first, then those of notes that
        have them in their names or spread over them. An answer is scored by more than that; see `search`.

        `sources` (labels) and `folders` narrow the search to any of each; empty means everywhere.
        """
        question = asked(text)
        columns = resolve(question, self.lookup.statistics(question), self.lookup.forms(question)).columns
        found = self.lookup.find(question, columns, limit, Narrow(sources, folders))
        phrases = [chunk for phrase in found.phrases for chunk in sorted(phrase.chunks)]
        wanted = list(dict.fromkeys([*found.chunks, *phrases]))
        if len(wanted) < limit:
            wanted = list(dict.fromkeys([*wanted, *self.lookup.chunks_in([*found.named, *found.notes])]))
        chunks = self.lookup.passages(wanted[:limit])
        return [chunks[chunk] for chunk in wanted[:limit]]


class Reader:
    """A pool of read-only connections to one catalog."""

    def __init__(  # four questions take two each; a scan and a status
        self, path: Path, size: int = 10, words: Words | None = None
    ) -> None:
        self.damage: CatalogCorrupt | None = None
        """What a read last said of a damaged file."""
        self._closed = False
        self.words = words or Words()
        self._selected = Selected()
        self._counted = dict[apsw.Connection, tuple[int, Counts]]()  # as of which change by others
        self._connections = [open_read_only(path) for _ in range(size)]
        self._free: queue.LifoQueue[apsw.Connection] = queue.LifoQueue()
        for connection in self._connections:
            self._free.put(connection)

    def close(self) -> None:
        """Wait for the queries that run, then close every connection. Later calls raise BackendUnavailable."""
        if self._closed:
            return
        self._closed = True
        for _ in self._connections:
            try:
                connection = self._free.get(timeout=5)
            except queue.Empty:
                return  # its query outlives us; the process is ending
            connection.close()

    @contextmanager
    def _borrow(self) -> Iterator[apsw.Connection]:
        try:
            connection = self._free.get(timeout=0 if self._closed else 10)
        except queue.Empty:
            raise BackendUnavailable("the catalog is busy", hint="try again in a moment") from None
        try:
            with translated("the catalog"):
                yield connection
        except CatalogCorrupt as error:
            self.damage = error
            raise
        finally:
            self._free.put(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One instant of the catalog for several reads. Keep it short: it holds up the folding of the log."""
        with self._borrow() as db:
            db.execute("begin")
            try:
                yield Snapshot(db, self.words, self._selected)
            finally:
                if db.in_transaction:
                    db.execute("rollback")

    def generation(self) -> int:
        """As `Snapshot.generation`, now."""
        with self.snapshot() as now:
            return now.generation()

    def join(self, keys: Sequence[str]) -> dict[str, Found]:
        """As `Snapshot.join`, now."""
        with self.snapshot() as now:
            return now.join(keys)

    def statistics(self, question: Asked | None, fingerprint: str = "") -> tuple[Statistics, str | None]:
        """How rare the words of a question are here, if there is one, and what was measured of a space, if it was."""
        with self.snapshot() as now:
            counted = Statistics() if question is None else now.lookup.statistics(question)
            return counted, now.lookup.calibration(fingerprint)

    def keyword(
        self, text: str, limit: int, sources: Collection[str] = (), folders: Collection[str] = ()
    ) -> list[Found]:  # fmt: skip
        """As `Snapshot.keyword`, now."""
        with self.snapshot() as now:
            return now.keyword(text, limit, sources, folders)

    def files(self, states: Collection[str] = ()) -> list[FileRow]:
        """Every note with its state, or those in `states`, by source and path. What lacks vectors yet is `pending`."""
        where = f"where {STATE} in ({','.join('?' * len(states))})" if states else ""
        sql = (
            f"select s.label, n.path, {STATE}, n.reason, (select count(*) from chunk c where c.note_id = n.id),"
            " n.size, n.changed_at, n.retry_at, n.closed from note n join source s on s.id = n.source_id"
            f" {where} order by s.label, n.path"
        )
        with self._borrow() as db:
            rows = list(db.execute(sql, tuple(states)))
        return [
            FileRow(label, from_blob(path), state, reason, n_chunks, size, changed, retry, CLOSED_FOR[closed])
            for label, path, state, reason, n_chunks, size, changed, retry, closed in rows
        ]

    def counts(self) -> Counts:
        """How much there is."""
        with self._borrow() as db:
            ((as_of,),) = db.execute("pragma data_version")  # to count, every note is read
            if (kept := self._counted.get(db)) is not None and kept[0] == as_of:
                return kept[1]
            states = dict(db.execute(f"select {STATE} as told, count(*) from note group by told"))
            ((chunks,),) = db.execute("select count(*) from chunk")
            ((embeddings,),) = db.execute(_EMBEDDINGS, (f"{LEFT}%",))
            ((closed,),) = db.execute(
                f"select count(*) from note where closed != 0 and closed & {BY_NOTE | BY_RULE} and not {OPTED_OUT}"
            )
            counts = Counts(sum(states.values()), chunks, embeddings, states, closed)
            self._counted[db] = as_of, counts
        return counts

    def embedder(self) -> str:
        """The settings (JSON) of the embedder whose space is written; "" where there is none yet."""
        with self._borrow() as db:
            rows = list(db.execute("select embedder from space where id = (select space_id from store)"))
        return str(rows[0][0]) if rows else ""

    def amount(self) -> tuple[int, int]:
        """How many different texts the chunks have, and of how many bytes as UTF-8. Slow: reads every chunk."""
        with self._borrow() as db:
            size = "select max(length(cast(text as blob))) as size from chunk group by text_hash"
            ((texts, n_bytes),) = db.execute(f"select count(*), coalesce(sum(size), 0) from ({size})")
        return int(texts), int(n_bytes)

    def sample(self, most: int) -> list[str]:
        """How so many notes begin, from all over the store; as many steps through an index, however large it is."""
        with self._borrow() as db:
            ((first, last),) = db.execute("select coalesce(min(id), 0), coalesce(max(id), -1) from note")
            found = dict[int, list[str]]()
            at = "(select min(note_id) from chunk where note_id >= ?)"
            for least in {first + (last - first + 1) * n // most for n in range(most)}:
                rows = db.execute(
                    f"select note_id, text from chunk where note_id = {at} order by ordinal limit 3", (least,)
                )
                texts = list(rows)
                found |= {note: [text for _, text in texts] for note, _ in texts[:1]}
        return ["\n".join(texts) for texts in found.values()]

    def find_unused(self, now: float, keep_s: float, table: str = sweep.OF_CHUNKS) -> tuple[int, sweep.Unused]:
        """The generation, and in it the embeddings to be marked or forgotten. Slow: reads every chunk."""
        with self.snapshot() as snapshot:
            return snapshot.generation(), sweep.find_unused(snapshot.db, now, keep_s, table)

    def migrations_ahead(self) -> int:
        """How many migrations the file is ahead of this program, below 0 behind it: only with 0 it is to be read."""
        with self._borrow() as db:
            ((version,),) = db.execute("pragma user_version")
        return int(version) - len(MIGRATIONS)

    def sources(self) -> list[KnownSource]:
        """Every source, with what it excluded when it was last looked at."""
        with self._borrow() as db:
            return known_sources(db)

    def stamps(
        self, source_id: int, folder: str, space_id: int | None, max_file_bytes: int, readers: Collection[str]
    ) -> dict[str, StampRow]:  # fmt: skip
        """
        What a scan of a source, or of a folder of it, is compared with; by path.

        Doubted are stamps that are `racy`, those of notes that wait for the embedder, those of notes of another space
        than `space_id`, those of what was read by none of these `readers`, those of notes whose links another reader
        read, and those of notes that `max_file_bytes` lets in or keeps out other than before: only what was never read
        has no digest, and "unread" readers open nothing.
        """
        sql = (
            f"select inode, size, mtime_ns, ctime_ns, racy or {WAITS} or space_id <> ?"
            f" or reader not in ({marks(readers)})"
            " or case when state = 'skipped' and digest is null then size <= ? and reader not like 'unread %'"
            " else size > ? end or (links_read <> ? and state <> 'failed'), path from note where source_id = ?"
        )
        bound: tuple[int | str | bytes | None, ...] = (
            space_id, *readers, max_file_bytes, max_file_bytes, READER, source_id,
        )  # fmt: skip
        if folder:
            sql += " and path >= ? and path < ?"
            bound += below(folder)
        with self._borrow() as db:
            rows = list(db.execute(sql, bound))
        return {from_blob(row[5]): row for row in rows}

    def attachments(self, source_id: int, folder: str = "") -> set[str]:
        """The files of a source, or of a folder of it, that are known and no notes."""
        sql = "select path from attachment where source_id = ?"
        bound: tuple[int | bytes, ...] = (source_id,)
        if folder:
            sql += " and path >= ? and path < ?"
            bound += below(folder)
        with self._borrow() as db:
            return {from_blob(path) for (path,) in db.execute(sql, bound)}

    def attachments_among(self, source_id: int, paths: Sequence[str]) -> set[str]:
        """Those of `paths` that are known, and no notes."""
        found = set[str]()
        with self._borrow() as db:
            for path in paths:
                sql = "select 1 from attachment where source_id = ? and name = ? and path = ?"
                if list(db.execute(sql, (source_id, name_key(path), to_blob(path)))):
                    found.add(path)
        return found

    def known(self, source_id: int) -> dict[str, Known]:
        """What is remembered of each note of a source; by path."""
        sql = f"select {KNOWN_COLUMNS}, path from note where source_id = ?"
        with self._borrow() as db:
            return {from_blob(row[-1]): known_from(row[:-1]) for row in db.execute(sql, (source_id,))}

    def has_below(self, source_id: int, folder: str) -> bool:
        """Whether a note of a source is known below a folder of it."""
        sql = "select exists (select 1 from note where source_id = ? and path >= ? and path < ?)"
        with self._borrow() as db:
            return bool(db.execute(sql, (source_id, *below(folder))).get)
