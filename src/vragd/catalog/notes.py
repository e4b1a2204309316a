"""Notes and their chunks: what is remembered of each, and the commit that changes them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence

from vragd.catalog import sweep
from vragd.catalog.connection import batched
from vragd.catalog.facts import swap_facts
from vragd.catalog.intents import Intents
from vragd.catalog.links import swap_links
from vragd.catalog.model import (
    BY_NOTE,
    KNOWN_COLUMNS,
    WAITS,
    ChunkRow,
    Committed,
    Known,
    NoteChange,
    NoteRemoval,
    SpaceRow,
    from_blob,
    known_from,
    to_blob,
)
from vragd.catalog.passages import name_passages
from vragd.catalog.swap import remove, swap_chunks, upsert
from vragd.system.failpoints import reach

Told = tuple[tuple[str, ...], tuple[int, int], str]
"""Heading path, first and last line, and text of a chunk."""


class Notes(Intents):
    """Swapped whole: a reader sees the old note or the new one."""

    def _begin(self) -> None:
        self._seq = self._one("select coalesce(max(seq), 0) from note")
        self._none_fails: tuple[int, int] | None = None  # as of then no note had to be tried again

    def next_seq(self) -> int:
        """A number above every earlier one, to be taken when a note's bytes are read."""
        self._seq += 1
        return self._seq

    def known_note(self, source_id: int, path: str) -> Known | None:
        """What is remembered of one note."""
        rows = self._read(
            f"select {KNOWN_COLUMNS} from note where source_id = ? and path = ?", source_id, to_blob(path)
        )
        return known_from(rows[0]) if rows else None

    def embedded_chunks(self, note_id: int) -> dict[str, Told]:
        """A note's chunks that have a vector, as they are told: (heading path, (first, last line), text) by key."""
        sql = "select key, heading, line_from, line_to, text from chunk where note_id = ? and embedded"
        rows = self._read(sql, note_id)
        return {key: (tuple(json.loads(heading)), (first, last), text) for key, heading, first, last, text in rows}

    def kept_note(self, note_id: int) -> tuple[list[str], str, list[ChunkRow]]:
        """A note's further names, its words of no passage, and its chunks in order, as it was read last."""
        ((names, words),) = self._read("select names, words from note where id = ?", note_id)
        rows = self._read(
            "select key, text_hash, heading, line_from, line_to, text, embedded, meta_hash from chunk"
            " where note_id = ? order by ordinal",
            note_id,
        )
        chunks = [
            ChunkRow(key, text_hash, tuple(json.loads(heading)), (first, last), text, bool(embedded), told)
            for key, text_hash, heading, first, last, text, embedded, told in rows
        ]
        return json.loads(names), words, chunks

    def due_for_retry(self, now: float) -> list[tuple[int, str]]:
        """(source id, path) of failed notes whose time has come, or was put down by a clock that was wrong."""
        return self.retries(now)[0]

    def retries(self, now: float) -> tuple[list[tuple[int, str]], float | None]:
        """
        As `due_for_retry`, and when the time of the next will have come, or `now` if there are any, in seconds since
        1970; None where no note fails.
        """
        # put down later than now: the clock was set back since, and be it by less than an hour
        is_due = "retry_at <= ?1 or retry_at > ?2 or (retry_at and changed_at > ?1)"
        if (as_of := self.as_of()) == self._none_fails:
            return [], None
        sql = f"select source_id, path, {is_due}, retry_at from note where retry_at is not null and not {WAITS}"
        rows = self._read(sql, now, now + sweep.AHEAD_S)
        if not rows:
            self._none_fails = as_of
        due = [(source, from_blob(path)) for source, path, is_due, _ in rows if is_due]
        return due, now if due else min((at for *_, at in rows), default=None)

    def commit(self, target: int, changes: Sequence[NoteChange | NoteRemoval]) -> Committed:
        """
        Swap each note's chunks for the new ones, all or nothing; keys that die by it become intents of the target.

        A change whose `seq` is not above the stored one is dropped: somebody read the note later.
        """
        dead: set[str] = set()
        n_stale, answers_change, now = 0, False, self.clock.wall()
        with self._transaction():
            before, written = self._one("select generation from store"), self._one("select written from store") + 1
            self._db.execute("update store set written = ?", (written,))
            for change in changes:
                known = self._db.execute(
                    "select id, seq, space_id from note where source_id = ? and path = ?",
                    (change.source_id, to_blob(change.path)),
                ).fetchone()
                if known and known[1] >= change.seq:
                    n_stale += 1
                elif isinstance(change, NoteRemoval):
                    if known:
                        dead |= remove(self._db, known[0], now)
                        answers_change = True
                else:
                    note_id = upsert(self._db, change, written, now)
                    if change.chunks is not None:
                        dead |= swap_chunks(self._db, note_id, change, known and known[2], before + 1, now)
                        dead.difference_update(chunk.key for chunk in change.chunks)
                        answers_change = True
                    if change.links is not None:
                        swap_links(self._db, note_id, change)
                        swap_facts(self._db, note_id, change.facts)
                        answers_change = True
            if answers_change:
                name_passages(self._db, now)
            if target:  # without a collection nothing was put anywhere
                self._intend(target, dead)
            if answers_change:
                self._bury(dead, changes, before + 1)
                self._db.execute("update store set generation = generation + 1")
        return Committed(before + answers_change, tuple(dead), n_stale)

    def withhold(self, places: Collection[tuple[int, str]]) -> None:
        """
        Close notes (source id, path) to assistants that say so by now, before what else they say is committed.

        They are to be read once more, whatever they say then.
        """
        sql = f"select id from note where source_id = ? and path = ? and closed & {BY_NOTE} = 0"
        found = [row for source, path in places for row in self._read(sql, source, to_blob(path))]
        if found:
            with self._transaction():
                self._db.executemany(f"update note set closed = closed | {BY_NOTE}, links_read = 0 where id = ?", found)
                self._db.execute("update store set generation = generation + 1")
            reach("notes.withheld")

    def doubt_notes(self) -> int:
        """What is known of every note is to be read again, whatever its file looks like; how many there are."""
        with self._transaction():
            self._db.execute("update note set reader = ''")
        return int(self._one("select count(*) from note"))

    def set_aside(self, space: SpaceRow, keys: Collection[str], why: str, retry_s: float) -> None:
        """
        Live chunks that a backend refuses are found by their words only from now on; their notes say `why`, and
        are tried again after so many seconds.

        Their keys become intents of the target: as they were before they may be there.
        """
        refused, now = Counter[int](), self.clock.wall()
        with self._transaction():
            generation = self._one("select generation from store") + 1
            for some in batched(sorted(keys)):
                rows = self._read(
                    "select c.id, n.id from chunk c join note n on n.id = c.note_id"
                    f" where n.space_id = ? and c.embedded and c.key in ({','.join('?' * len(some))})",
                    space.id,
                    *some,
                )
                changed = [(generation, chunk_id) for chunk_id, _ in rows]
                self._db.executemany("update chunk set embedded = 0, changed = ? where id = ?", changed)
                refused.update(note_id for _, note_id in rows)
            for note_id, n in refused.items():
                n_all = self._one("select count(*) from chunk where note_id = ?", note_id)
                self._db.execute(  # one that failed besides says why that was, and is tried again as well
                    "update note set state = 'partial', reason = ?, attempts = attempts + 1, retry_at = ?,"
                    " changed_at = ?"
                    " where id = ? and state != 'failed'",
                    (f"the backend refuses {n} of {n_all} chunks ({why})", now + retry_s, now, note_id),
                )
            self._intend(space.target, keys)
            self._db.execute("update store set generation = ?", (generation,))

    def _bury(self, dead: set[str], changes: Sequence[NoteChange | NoteRemoval], generation: int) -> None:
        """Replicas that are behind look for what died since. Where there are none, nobody would ever forget it."""
        if not self._one("select exists (select 1 from target where role = 'replica' and space_id is not null)"):
            return
        live = (chunk.key for change in changes if isinstance(change, NoteChange) for chunk in change.chunks or ())
        self._db.executemany("delete from tombstone where key = ?", ((key,) for key in live))
        self._db.executemany("insert or replace into tombstone values (?, ?)", ((key, generation) for key in dead))
