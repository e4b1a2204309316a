"""What full text and profiles say about a question, at one instant of the catalog. Any thread, one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import apsw
import numpy as np

from vragd.catalog.asked import Asked, any_of, expression, has, whole_terms
from vragd.catalog.fold import fold, is_unspaced
from vragd.catalog.model import Found, from_blob, to_blob
from vragd.catalog.profile import NOTHING, Counts, counted
from vragd.catalog.resolve import Column, Resolved
from vragd.catalog.standins import no_word, with_stand_ins
from vragd.catalog.words import ENOUGH, Statistics, Words, chosen, group_of
from vragd.system import packed

OF_CHUNK = "join note n on n.id = c.note_id join source s on s.id = n.source_id"
FOUND = "c.key, s.label, n.path, n.title, c.heading, c.line_from, c.line_to, c.text, n.mtime_ns, c.passage"
MOST_PAIRS = 200  # that begin with a character
FEW = 10  # notes with a word: it is a rare one
FEW_NOTES = 300  # of which each is scored, whatever words it has
MOST_FORMS = 24  # of one word
MOST_BESIDE = 20_000  # characters
MOST_OF_A_PHRASE = 300  # places that are looked at


class Phrase(NamedTuple):
    """The chunks and the notes that have it. Of one of numbers also the notes whose names have it."""

    chunks: set[int]
    notes: set[int]
    in_names: set[int]
    tells: bool
    """Whether it is an address, a version or a day that few notes have: they are meant, whatever else was said."""


@dataclass(frozen=True, slots=True)
class ByWords:
    """
    What words found: chunks and notes by row id, the best first; of each phrase what has it.

    `named` are the notes that are called what was asked, `quoted` the chunks and notes that have all that was quoted,
    `lone` those that have the one word that was asked for, if they are few.
    """

    chunks: list[int]
    notes: list[int]
    phrases: list[Phrase]
    quoted: tuple[set[int], set[int]] | None
    named: set[int]
    lone: tuple[set[int], set[int]]


@dataclass(frozen=True, slots=True)
class Narrow:
    """
    Where to look: labels of sources, and folders, any of each, empty means everywhere; notes by id, None means all.
    """

    sources: Collection[str] = ()
    folders: Collection[str] = ()
    notes: np.ndarray | None = None

    def __bool__(self) -> bool:
        return bool(self.sources or self.folders or self.notes is not None)

    @property
    def listed(self) -> list[int]:
        return [] if self.notes is None else self.notes.tolist()

    @property
    def is_few(self) -> bool:
        """Whether there are so few notes that each is scored."""
        return self.notes is not None and len(self.notes) <= FEW_NOTES

    def sql(self) -> tuple[str, tuple[str | bytes, ...]]:
        """A condition on `n` and `s`, and what is bound to it; "" for everywhere."""
        parts: list[str] = []
        bound: tuple[str | bytes, ...] = ()
        if self.sources:
            parts.append(f"s.label in ({','.join('?' * len(self.sources))})")
            bound += tuple(self.sources)
        if self.folders:
            parts.append("(" + " or ".join(["(n.path >= ? and n.path < ?)"] * len(self.folders)) + ")")
            bound += tuple(edge for folder in self.folders for edge in below(folder))
        if self.notes is not None:
            parts.append("n.id in (select value from json_each(?))")
            bound += (json.dumps(self.notes.tolist()),)
        return " and ".join(parts), bound


def below(folder: str) -> tuple[bytes, bytes]:
    """Every path below a folder is at least the first and less than the second."""
    prefix = to_blob(folder.strip("/"))
    return prefix + b"/", prefix + b"0"  # '0' follows '/'


class Lookup:
    """Reads of one connection inside a transaction."""

    def __init__(self, db: apsw.Connection, words: Words) -> None:
        self._db, self.words = db, words

    def statistics(self, question: Asked) -> Statistics:
        """How rare the words of a question are in this store, and those they may stand for."""
        terms = {term for word in question.words for term in (word.term, *word.parts)}
        groups = {group_of(stem): (stem, *forms) for stem, forms in self.forms(question).items()}
        found = self.words.statistics(self._db, sorted(terms), groups)
        typed = {word.term for word in question.words}
        halves = {part for word in question.words if word.is_cut and not found.counts[word.term] for part in word.parts}
        strange = {part: 0 for part in halves - typed if not self._stands_alone(part)}
        return replace(found, counts={**found.counts, **strange})

    def _stands_alone(self, part: str) -> bool:
        """Whether some text has it as a word: `week` of week3, and not as a piece of another alone: `mp` of mp4."""
        return bool(self.words.at_most(self._db, "chunk_text", f"{{heading text}} : {expression([part])}", 0))

    def forms(self, question: Asked) -> dict[str, list[str]]:
        """By stem, the forms of the words of a question that stand somewhere, their stem among them."""
        stems = {word.stem for word in question.words if word.stem}
        rows = self._db.execute(f"select stem, word from main.word_form where stem in ({marks(stems)})", tuple(stems))
        known = partial(self.words.stands, self._db)
        found = {stem: [stem] for stem in stems}
        for one in filter(is_unspaced, stems):  # a single character: in whatever pair
            beginning = "select word from main.word_form where stem > ? and stem < ? limit ?"
            bound = (one, one + chr(0x10FFFF), self.words.most(MOST_PAIRS))
            pairs = (term for (term,) in self._db.execute(beginning, bound))
            found[one] += islice(filter(known, pairs), MOST_PAIRS)
        for stem, word in rows:
            if len(found[stem]) < MOST_FORMS and known(word):
                found[stem].append(word)
        return found

    def stand_ins(
        self, question: Asked, resolved: Resolved, statistics: Statistics, *, exact: bool,
        is_word: Callable[[str], bool] = no_word,
    ) -> Resolved:  # fmt: skip
        """As `with_stand_ins`."""
        n_words = len(question.words)
        return with_stand_ins(self._db, self.words, resolved, statistics, n_words, exact=exact, is_word=is_word)

    def find(self, question: Asked, columns: Sequence[Column], limit: int, where: Narrow) -> ByWords:
        """The best `limit` chunks and notes by the rarer of the words, and what has the phrases; all of few notes."""
        whole = [column for column in columns if not column.extra]
        chunks = [] if where.is_few else self._ranked("chunk_text", whole, limit, where)
        notes = where.listed if where.is_few else self._ranked("note_text", whole, limit, where)
        phrases = [self._phrase(phrase, where) for phrase in question.phrases]
        quoted = [self._having(phrase, where) for phrase in question.quoted]
        both = (
            (set.intersection(*(q[0] for q in quoted)), set.intersection(*(q[1] for q in quoted))) if quoted else None
        )
        lone: tuple[set[int], set[int]] = (set(), set())
        if terms := whole_terms(question):
            among_best = question.has_blanks and chunks
            having = self._standing(terms, chunks) if among_best else self._having(terms, where)
            if len(terms) > 1 and all(map(str.isdecimal, terms)):
                having = self._as_written(question.plain, *having)
            lone = having if len(having[1]) <= FEW else lone
        named = self._named(question.names, where)
        for path in () if named else question.paths:
            named = named or self._named([path], where)
        return ByWords(chunks, notes, phrases, both, named, lone)

    def _ranked(self, table: str, columns: Sequence[Column], limit: int, where: Narrow) -> list[int]:
        """The best rows by the rarest of what may match; by all of it where that finds next to nothing there."""
        budget = self.words.budgets[table]
        matches = [any_of(column.terms) for column in columns]
        rare = chosen([self.words.at_most(self._db, table, match, budget) for match in matches], budget)
        if len(rare) > 2 and not where:
            having = [(self._all(table, matches[at]), columns[at].weight) for at in rare]
            if (best := most_of(having, limit)) is not None:
                return best
        found = self._best(table, [columns[at] for at in rare], limit, where) if rare else []
        if where and len(found) < min(limit, ENOUGH) and len(rare) < len(matches):
            found = self._best(table, columns, limit, where)
        return found

    def _best(self, table: str, columns: Sequence[Column], limit: int, where: Narrow) -> list[int]:
        """The best rows by all of these."""
        terms = [term for column in columns for term in column.terms]
        return self._rows(table, any_of(terms), self.words.order(self._db, table, terms), limit, where)

    def _all(self, table: str, match: str) -> np.ndarray:
        sql = f"select group_concat(rowid) from (select rowid from {self.words.rows(table)})"
        ((rows,),) = self._db.execute(sql, (match,))
        return np.fromstring(rows or "", dtype=np.int64, sep=",")

    def _having(self, terms: Sequence[str], where: Narrow) -> tuple[set[int], set[int]]:
        match = expression(terms)
        chunks = set(self._rows("chunk_text", match, "", MOST_OF_A_PHRASE, where))
        # of the text of a note each term is there once, next to any other
        named = f"names : {match}" if len(terms) > 1 else match
        notes = set(self._rows("note_text", named, "", MOST_OF_A_PHRASE, where))
        rows = self._db.execute(f"select note_id from chunk where id in ({marks(chunks)})", tuple(chunks))
        return chunks, notes | {note for (note,) in rows}

    def _standing(self, terms: Sequence[str], chunks: Sequence[int]) -> tuple[set[int], set[int]]:
        """
        Of the best chunks those with the terms in a row, and their notes: the one that a line was pasted from is there,
        and full text would read every place of words that are everywhere.
        """
        sql = f"select id, note_id, heading || char(10) || text from chunk where id in ({marks(chunks)})"
        found: dict[int, int] = {}
        for chunk, note, text in self._db.execute(sql, tuple(chunks)):
            folded = text.lower() if text.isascii() else fold(text)
            if all(term in folded for term in terms) and has(folded, terms):
                found[chunk] = note
        return set(found), set(found.values())

    def _as_written(self, number: str, chunks: set[int], notes: set[int]) -> tuple[set[int], set[int]]:
        """
        Of the chunks and notes with the numbers of 1.9 next to each other, those with 1.9 and not 1, 9 or 1.9.0, and
        those with it beside their text; all, if no text has it.
        """
        sql = f"select id, note_id, text from chunk where id in ({marks(chunks)})"
        rows = list(self._db.execute(sql, tuple(chunks)))
        very = re.compile(rf"(?<!\d)(?<!\d[.,:/-]){re.escape(number)}(?!\d|[.,:/-]\d)")
        found = {chunk: note for chunk, note, text in rows if very.search(text)}
        others = {note for _, note, _ in rows}.difference(found.values())
        return (set(found), notes - others) if found else (chunks, notes)

    def _phrase(self, terms: Sequence[str], where: Narrow) -> Phrase:
        chunks, notes = self._having(terms, where)
        if not all(map(str.isdecimal, terms)):  # of others each word is in names and texts for itself
            return Phrase(chunks, notes, set(), False)
        sql = f"select note_id, name from note_name where note_id in ({marks(notes)})"
        names = self._db.execute(sql, tuple(notes))
        in_names = {note for note, name in names if "/" not in name and has(name, terms)}
        return Phrase(chunks, notes, in_names, len(terms) > 2 and len(notes) <= FEW)

    def _rows(self, table: str, match: str, order: str, limit: int, where: Narrow) -> list[int]:
        condition, bound = where.sql()
        if not condition:
            sql = f"select rowid from {self.words.rows(table)} {order} limit ?"
            return [rowid for (rowid,) in self._db.execute(sql, (match, limit))]
        of_note = "hit.rowid" if table == "note_text" else "(select note_id from chunk c where c.id = hit.rowid)"
        sql = (
            f"with hit as (select rowid from {self.words.rows(table)} {order} limit -1)"
            f" select hit.rowid from hit join note n on n.id = {of_note} join source s on s.id = n.source_id"
            f" where {condition} limit ?"
        )
        return [rowid for (rowid,) in self._db.execute(sql, (match, *bound, limit))]

    def _named(self, names: Sequence[str], where: Narrow) -> set[int]:
        condition, bound = where.sql()
        narrowed = f"and {condition}" if condition else ""
        rows = self._db.execute(
            "select x.note_id from note_name x join note n on n.id = x.note_id join source s on s.id = n.source_id"
            f" where x.name in ({marks(names)}) {narrowed} limit {MOST_OF_A_PHRASE}",
            (*names, *bound),
        )
        return {note for (note,) in rows}

    # -- facts about candidates ----------------------------------------------------------------------

    def profiles(self, notes: Sequence[int], columns: Sequence[Column]) -> Counts:
        """How often the terms of each column stand in the groups of some notes, at least one."""
        sql = f"select note_id, profile from note_words where note_id in ({marks(notes)})"
        rows = dict(self._db.execute(sql, tuple(notes)))
        return counted([rows.get(note, NOTHING) for note in notes], [column.terms for column in columns])

    def chunks_of(self, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
        """(row id, note id) of those of `keys` that are live."""
        rows = self._db.execute(f"select key, id, note_id from chunk where key in ({marks(keys)})", tuple(keys))
        return {key: (rowid, note) for key, rowid, note in rows}

    def any_embedded(self) -> bool:
        """Whether any chunk has a vector."""
        ((found,),) = self._db.execute("select exists (select 1 from chunk where embedded)")
        return bool(found)

    def notes_of(self, chunks: Sequence[int]) -> dict[int, int]:
        """The note of each chunk, by row id."""
        return dict(self._db.execute(f"select id, note_id from chunk where id in ({marks(chunks)})", tuple(chunks)))

    def chunks_in(self, notes: Sequence[int]) -> list[int]:
        """Every chunk of these notes, in order."""
        sql = f"select id from chunk where note_id in ({marks(notes)}) order by note_id, ordinal"
        return [chunk for (chunk,) in self._db.execute(sql, tuple(notes))]

    def vectors(self, space_id: int, chunks: Sequence[int]) -> tuple[list[int], np.ndarray]:
        """The chunks that have an embedding in the space, and these: float32, shape (n, dimension)."""
        # `cross`: these rows first, whatever SQLite takes the tables to be like
        return self._unpacked(
            "select c.id, e.vector from chunk c cross join embedding e on e.space_id = ? and e.text_hash = c.text_hash"
            f" where c.embedded and c.id in ({marks(chunks)})",
            (space_id, *chunks),
        )

    def title_vectors(self, space_id: int, notes: Sequence[int]) -> tuple[list[int], np.ndarray]:
        """The notes whose title has a vector in the space, and these: float32, shape (n, dimension)."""
        return self._unpacked(
            "select w.note_id, e.vector from note_words w cross join title_embedding e"
            f" on e.space_id = ? and e.text_hash = w.title_hash where w.note_id in ({marks(notes)})",
            (space_id, *notes),
        )

    def _unpacked(self, sql: str, bound: tuple[int, ...]) -> tuple[list[int], np.ndarray]:
        rows: list[tuple[int, bytes]] = list(self._db.execute(sql, bound))
        longest = max((len(vector) for _, vector in rows), default=0)
        # of a damaged row nothing is said, nor of a title that the embedder refused: its vector is empty
        rows = [row for row in rows if longest and len(row[1]) == longest]
        if not rows:
            return [], np.empty((0, 0), dtype=np.float32)
        dimension = (len(rows[0][1]) - packed.bytes_of(0)) // 2
        values = np.frombuffer(b"".join(vector for _, vector in rows), dtype=packed.kind(dimension))
        return [row for row, _ in rows], packed.unpack(values)

    def passages(self, chunks: Sequence[int]) -> dict[int, Found]:
        """Chunks in full, by row id."""
        rows = self._db.execute(
            f"select c.id, {FOUND} from chunk c {OF_CHUNK} where c.id in ({marks(chunks)})",
            tuple(chunks),
        )
        return {row[0]: found_from(row[1:]) for row in rows}

    def notes(self, notes: Sequence[int]) -> dict[int, tuple[str, str, str, int]]:
        """(label of the source, path, title, when its file was modified) of notes, by row id."""
        rows = self._db.execute(
            "select n.id, s.label, n.path, n.title, n.mtime_ns from note n join source s on s.id = n.source_id"
            " where n.id in (select value from json_each(?))",
            (json.dumps(list(notes)),),
        )
        return {note: (label, from_blob(path), title, modified) for note, label, path, title, modified in rows}

    def chunks_at(self, lines: Mapping[int, int | None]) -> dict[int, int]:
        """By note, its last chunk that begins no later than the line, or else its first; of notes that have any."""
        found: dict[int, int] = {}
        rows = self._db.execute(
            "select note_id, id, line_from from chunk where note_id in (select value from json_each(?))"
            " order by note_id, ordinal",
            (json.dumps(list(lines)),),
        )
        for note, chunk, begins in rows:
            if note not in found or begins <= (lines[note] or 0):
                found[note] = chunk
        return found

    def chunks_among(self, notes: np.ndarray, most: int = -1) -> list[tuple[int, int]]:
        """(chunk, note) of every chunk of these notes that has an embedding, by id; of some, if there are `most`."""
        rows: list[tuple[int, int]] = list(
            self._db.execute(
                "select id, note_id from chunk where embedded and note_id in (select value from json_each(?)) limit ?",
                (json.dumps(notes.tolist()), most),
            )
        )
        return sorted(rows)

    def words_beside(self, source: str, path: str) -> str:
        """The beginning of what is found of a note beside its chunks: the values of its properties, its comments."""
        rows = self._db.execute(
            f"select substr(n.words, 1, {MOST_BESIDE}) from note n join source s on s.id = n.source_id"
            " where s.label = ? and n.path = ?",
            (source, to_blob(path)),
        )
        return next((words for (words,) in rows), "")

    def calibration(self, fingerprint: str) -> str | None:
        """What was measured of a space's cosines, as `calibrate` wrote it."""
        return self.words.calibration(self._db, fingerprint)


def marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))


def found_from(row: Sequence[Any]) -> Found:
    """A row of FOUND."""
    key, label, path, title, heading, line_from, line_to, text, modified, name = row
    lines = (line_from, line_to)
    return Found(key, label, from_blob(path), title, tuple(json.loads(heading)), lines, text, modified, name)


def most_of(having: Sequence[tuple[np.ndarray, float]], limit: int) -> list[int] | None:
    """
    The rows that have most of what was asked for, by weight; each part comes with all the rows that have it.

    None where that does not tell which are best: ranking by BM25 does, and costs twice as much.
    """
    rows, places = np.unique(np.concatenate([rows for rows, _ in having]), return_inverse=True)
    weights = np.concatenate([np.full(len(rows), weight) for rows, weight in having])
    score = np.bincount(places, weights)
    order = np.argsort(-score, kind="stable")
    if len(order) > limit and (score >= score[order[limit]]).sum() > 1.5 * limit:
        return None
    found: list[int] = rows[order[:limit]].tolist()
    return found
