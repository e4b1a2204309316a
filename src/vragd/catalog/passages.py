"""
Short ids of passages: what a hit is called, so that it can be read back.

An id is made of a passage's text and of how many had that text before, and of no path: it stays over a restart, a
rename and an edit elsewhere, and the same notes indexed anew have the same ids. An id whose passage is gone is
remembered without its text, until it is forgotten; a passage with that text takes it up again. Where its note is gone
as well, it is remembered with the note that has what that one had: a renamed note is another one here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import apsw
import numpy as np
import xxhash

from vragd.system import packed

KEPT_S = 90 * 86_400.0
"""How long an id is known after its passage is gone."""
N_CHARS = 8
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # none that is taken for another
_ID = re.compile(f"[{_ALPHABET}]{{{N_CHARS}}}")
_MOST_ALIKE = 100  # passages of one text that are looked through
ALIKE = 0.85
"""The cosine of a passage that is gone with one of a note read since, from which on it is the other, edited."""

_TABLES = """
alter table chunk add column passage text;      -- its short id; null only within a commit
create unique index chunk_passage on chunk(passage) where passage is not null;
create index chunk_unnamed on chunk(note_id, ordinal) where passage is null;
create index chunk_text_hash on chunk(text_hash);

-- ids of passages that are no more. No text: it is not to outlive its note
create table passage_gone (
    id text primary key,
    text_hash blob not null,
    note_id integer references note(id),        -- where it was; null if that is gone as well
    line integer not null,                      -- where it began
    gone real not null                          -- since when, seconds since 1970
) strict, without rowid;
create index passage_gone_text on passage_gone(text_hash);
create index passage_gone_note on passage_gone(note_id);
create index passage_gone_since on passage_gone(gone);
"""


@dataclass(frozen=True, slots=True)
class Gone:
    """
    What is remembered of a passage that is no more; `note` is the row it was in, or that of the note which has what
    that one had, None if there is none; `since`: seconds since 1970.
    """

    text_hash: bytes
    note: int | None
    line: int
    since: float


def m011_passages(db: apsw.Connection) -> None:
    """Every passage gets its id, of what is known of it; nothing is read or embedded for it."""
    db.execute(_TABLES)
    texts: dict[bytes, _Text] = {}
    for chunk, text_hash in list(db.execute("select id, text_hash from chunk order by note_id, ordinal")):
        db.execute("update chunk set passage = ? where id = ?", (_of(texts, db, text_hash).new(), chunk))


def m014_departed(db: apsw.Connection) -> None:
    """What is remembered of the passages of a note that is gone stays together, until another note has what it had."""
    db.execute("alter table passage_gone add column departed integer")
    db.execute("create index passage_gone_departed on passage_gone(departed) where departed is not null")


def is_id(text: str) -> bool:
    """Whether it may be an id: it may be a name all the same."""
    return _ID.fullmatch(text) is not None


def name_passages(db: apsw.Connection, now: float) -> None:
    """
    Give an id to each passage that has none: within a commit, when all that dies by it is gone.

    One that just died, or is remembered, goes on: a renamed note's passages are new ones with the old texts.
    """
    rows = db.execute("select id, text_hash, note_id from chunk where passage is null order by note_id, ordinal")
    departed = {number for (number,) in db.execute("select departed from passage_gone where gone = ?", (now,))}
    heirs: dict[int, list[tuple[bytes, float, int]]] = {number: [] for number in departed if number is not None}
    texts: dict[bytes, _Text] = {}  # a note may be one text, thousands of times
    for chunk, text_hash, note in list(rows):
        text = _of(texts, db, text_hash)
        kept = text.kept(note)
        if kept is not None:
            db.execute("delete from passage_gone where id = ?", (kept.name,))
            if kept.departed is not None:
                heirs.setdefault(kept.departed, []).append((text_hash, kept.gone, note))
        db.execute("update chunk set passage = ? where id = ?", (kept.name if kept else text.new(), chunk))
    for number, taken in heirs.items():
        _inherit(db, number, taken)
    db.execute("delete from passage_gone where gone < ?", (now - KEPT_S,))


def _inherit(db: apsw.Connection, number: int, taken: Sequence[tuple[bytes, float, int]]) -> None:
    """
    Look for the note that has what a departed one had, to which belongs then what else is remembered of that: the
    texts it had in the end, more than half of them or one that stands nowhere else. `taken` are (text's hash, since
    when it was gone, note) of those that were taken up just now.
    """
    left = [(text, gone) for text, gone in db.execute(
        "select text_hash, gone from passage_gone where departed = ?", (number,)
    )]  # fmt: skip
    if not left:
        return
    last = max(gone for _, gone in (*left, *((text, gone) for text, gone, _ in taken)))
    texts = {text for text, gone in left if gone == last} | {text for text, gone, _ in taken if gone == last}
    shared: dict[int, int] = {}
    sole = set[int]()
    for text in texts:
        sql = "select distinct note_id from chunk where text_hash = ? limit ?"
        notes = [note for (note,) in db.execute(sql, (text, _MOST_ALIKE))]
        sole |= set(notes) if len(notes) == 1 else set()
        shared |= {note: shared.get(note, 0) + 1 for note in notes}
    took = {note for _, _, note in taken}
    may = [note for note, n in shared.items() if 2 * n > len(texts) or note in sole]
    heir = max(may, key=lambda note: (shared[note], note in took, -note), default=None)
    if heir is not None:
        db.execute("update passage_gone set note_id = ?, departed = null where departed = ?", (heir, number))


def bury_passage(db: apsw.Connection, chunk: int, now: float) -> None:
    """Remember the id of a passage that is about to be deleted."""
    db.execute(
        "insert or replace into passage_gone(id, text_hash, note_id, line, gone, closed)"
        " select passage, text_hash, note_id, line_from, ?,"
        " (select closed != 0 from note where note.id = note_id) from chunk where id = ? and passage is not null",
        (now, chunk),
    )


def leave_note(db: apsw.Connection, note: int) -> None:
    """What is remembered of its passages was in no note any more: its row is about to be another's."""
    db.execute(
        "update passage_gone set note_id = null, closed = closed or (select closed != 0 from note where id = ?1),"
        " departed = (select coalesce(max(departed), 0) + 1 from passage_gone) where note_id = ?1",
        (note,),
    )


@dataclass(frozen=True, slots=True)
class _Remembered:
    """An id whose passage is gone: of which note, since when, and with which others where that note is gone as well."""

    name: str
    note: int | None
    gone: float
    departed: int | None


class _Text:
    """The ids of one text within a commit: what is counted and looked for of it is so once."""

    def __init__(self, db: apsw.Connection, text_hash: bytes) -> None:
        self._db, self._hash = db, text_hash
        self._gone: dict[str, _Remembered] | None = None
        self._of_note: dict[int | None, list[_Remembered]] = {}
        self._count: int | None = None

    def kept(self, note: int) -> _Remembered | None:
        """One that is remembered, of this note if there is, and is so no longer."""
        if self._gone is None:
            sql = "select id, note_id, gone, departed from passage_gone where text_hash = ? order by gone desc, line"
            self._gone = {row[0]: _Remembered(*row) for row in self._db.execute(sql, (self._hash,))}
            for one in reversed(self._gone.values()):
                self._of_note.setdefault(one.note, []).append(one)
        if not self._gone:
            return None
        own = self._of_note.get(note) or self._of_note[next(iter(self._gone.values())).note]
        kept = own.pop()  # the first of all, or of this note: both have one order
        del self._gone[kept.name]
        return kept

    def new(self) -> str:
        """One that nobody has or had: of the text and the count of those that have it already."""
        if self._count is None:
            sql = "select count(*) from chunk where text_hash = ? and passage is not null"
            ((self._count,),) = self._db.execute(sql, (self._hash,))
        taken = (
            "select exists (select 1 from chunk where passage = ?1)"
            " or exists (select 1 from passage_gone where id = ?1)"
        )
        while True:
            made = id_of(self._hash, self._count)
            self._count += 1
            if not self._db.execute(taken, (made,)).get:
                return made


def _of(texts: dict[bytes, _Text], db: apsw.Connection, text_hash: bytes) -> _Text:
    if (text := texts.get(text_hash)) is None:
        text = texts[text_hash] = _Text(db, text_hash)
    return text


def id_of(text_hash: bytes, count: int) -> str:
    """The id of a passage with that text, where so many have it already."""
    number = xxhash.xxh3_64_intdigest(text_hash + str(count).encode())
    return "".join(_ALPHABET[number >> (5 * i) & 31] for i in range(N_CHARS))


class Passages:
    """Passages by their ids, of one connection inside a transaction. Row ids of chunks, nothing of who may see them."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def gone(self, name: str) -> Gone | None:
        """What is remembered of an id whose passage is no more."""
        rows = self._db.execute("select text_hash, note_id, line, gone from passage_gone where id = ?", (name,))
        return next((Gone(*row) for row in rows), None)

    def alike(self, name: str) -> list[int]:
        """The passage with this id first, then those with the text that it has or had, in whatever note."""
        # by the table as it is: what a view makes of ids is in no index
        sql = (
            "select id, passage is ?1 from chunk where text_hash = coalesce("
            "(select text_hash from main.chunk where passage = ?1),"
            " (select text_hash from main.passage_gone where id = ?1)) order by passage is not ?1, id limit ?2"
        )
        found: list[tuple[int, int]] = list(self._db.execute(sql, (name, _MOST_ALIKE)))
        is_known = any(is_it for _, is_it in found) or self.gone(name) is not None
        return [chunk for chunk, _ in found] if is_known else []

    def of_note(self, note: int) -> list[tuple[int, str, tuple[int, int]]]:
        """(row, id, first and last line) of a note's passages, in order."""
        sql = "select id, passage, line_from, line_to from chunk where note_id = ? order by ordinal"
        return [(chunk, name, (first, last)) for chunk, name, first, last in self._db.execute(sql, (note,))]

    def texts_of(self, notes: Sequence[int]) -> dict[int, frozenset[bytes]]:
        """By note, the hashes of its passages' texts."""
        found: dict[int, set[bytes]] = {}
        sql = "select note_id, text_hash from chunk where note_id in (select value from json_each(?))"
        for note, text_hash in self._db.execute(sql, (json.dumps(list(notes)),)):
            found.setdefault(note, set()).add(text_hash)
        return {note: frozenset(texts) for note, texts in found.items()}

    def times(self, texts: Sequence[bytes]) -> dict[bytes, int]:
        """In how many places each of the texts stands, by its hash."""
        sql = "select count(*) from chunk where text_hash = ?"
        return {text: self._db.execute(sql, (text,)).get for text in texts}

    def with_texts(self, texts: frozenset[bytes]) -> set[int]:
        """The notes that consist of these very texts; none of no texts."""
        if not texts:
            return set()
        rows = self._db.execute("select distinct note_id from chunk where text_hash = ?", (min(texts),))
        return {note for note, there in self.texts_of([note for (note,) in rows]).items() if there == texts}

    def nearest(self, gone: Gone) -> list[int]:
        """
        The passages that one which is gone may have become, the nearest first. Of its note: in meaning, as long as its
        vector is kept, else by its place. Where that is gone, of all notes that were read since, such as are ALIKE.
        """
        if gone.note is None:
            near = self._cosines(gone, "changed_at >= ?", gone.since)
            alike = (chunk for chunk in near if near[chunk] >= ALIKE)
            return sorted(alike, key=lambda chunk: (-near[chunk], chunk))[:_MOST_ALIKE]
        passages = self.of_note(gone.note)
        by_place = {chunk: min(abs(line - gone.line) for line in lines) for chunk, _, lines in passages}
        near = self._cosines(gone, "id = ?", gone.note) if by_place else {}
        return sorted(by_place, key=lambda chunk: (-round(near.get(chunk, -1.0), 3), by_place[chunk]))[:1]

    def _cosines(self, gone: Gone, which: str, value: float) -> dict[int, float]:
        """Of the passages of such notes, by row of a chunk, in the space its note is in."""
        sql = (
            "select c.id, mine.vector, s.dimension, old.vector from chunk c join note n on n.id = c.note_id"
            " join embedding mine on mine.space_id = n.space_id and mine.text_hash = c.text_hash"
            " join embedding old on old.space_id = n.space_id and old.text_hash = ?"
            f" join space s on s.id = n.space_id where n.{which}"
        )
        found = {}
        for chunk, mine, dimension, old in self._db.execute(sql, (gone.text_hash, value)):
            one, other = packed.unpack(np.frombuffer(mine + old, dtype=packed.kind(dimension)))
            found[chunk] = float(one @ other)
        return found
