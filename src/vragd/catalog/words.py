"""
Which words of a question full text is asked for, and how rare each is.

Full text ranks every row that holds any of the words asked for: with the words that nearly every row holds it would
look at the whole store, each time. BM25 gives such a word next to no weight, so candidates are found by a question's
rarest words, as many of them as together are in a budget of rows. What is found is scored by all of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import apsw

from vragd.catalog.asked import any_of

# of heading, text and parts; of names and terms
WEIGHTS: Mapping[str, Sequence[float]] = {"chunk_text": (2.0, 1.0, 1.0), "note_text": (1.0, 1.0)}
CHUNKS_RANKED, NOTES_RANKED = 1_200, 500
"""Rows, for one question. About 2 µs each."""
ENOUGH = 10  # rows: with fewer another word is asked for, if that one is in the budget alone
_CHUNK_WEIGHTS = ", ".join(map(str, WEIGHTS["chunk_text"]))
COUNTED_FOR_S = 600.0
MAX_COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many notes there are, and in how many of them each term stands. Of one store, or of several together."""

    n_notes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    def weight(self, count: int) -> float:
        """What a term that stands in `count` notes says: BM25's, which is never below zero."""
        return math.log(1 + (max(self.n_notes, count) - count + 0.5) / (count + 0.5))

    def __add__(self, other: Statistics) -> Statistics:
        counts = {
            term: self.counts.get(term, 0) + other.counts.get(term, 0) for term in {**self.counts, **other.counts}
        }
        return Statistics(self.n_notes + other.n_notes, counts)


class Words:
    """Counts of notes with a term, for a while. Any thread: a lost race counts once more."""

    def __init__(self, chunks_ranked: int = CHUNKS_RANKED, notes_ranked: int = NOTES_RANKED) -> None:
        self.budgets = {"chunk_text": chunks_ranked, "note_text": notes_ranked}
        self._counted: dict[str, tuple[float, int]] = {}

    def statistics(self, db: apsw.Connection, terms: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Statistics:
        """
        Of this store: of each term and, by its name, of each group of terms of which a note has any.

        A count is of some time in the last COUNTED_FOR_S, but that something is nowhere is of now.
        """
        n_notes = self._remembered(db, "", "select count(*) from note_words", ())
        counts = {term: self.count(db, term, [term]) for term in terms}
        return Statistics(n_notes, counts | {name: self.count(db, name, group) for name, group in groups.items()})

    def count(self, db: apsw.Connection, name: str, terms: Sequence[str]) -> int:
        """In how many notes any of the terms stands; `name` is what that is remembered by."""
        match = any_of(terms)
        return self._remembered(db, name, f"select count(*) from {self.rows('note_text')}", (match,))

    def at_most(self, db: apsw.Connection, table: str, match: str, most: int) -> int:
        """How many rows of full text match; `most` + 1 for more."""
        sql = f"select count(*) from (select 1 from {self.rows(table)} limit {most + 1})"
        return self._remembered(db, f"{table} {match}", sql, (match,))

    def rows(self, table: str) -> str:
        """FROM and WHERE of full text: the rows that match what is bound to them."""
        return f"main.{table} where {table} match ?"

    def order(self, db: apsw.Connection, table: str, terms: Sequence[str]) -> str:
        """ORDER BY of rows that match any of the terms, in this order: those that BM25 finds best first."""
        return "order by rank" if table == "note_text" else f"order by bm25({table}, {_CHUNK_WEIGHTS})"

    def stands(self, db: apsw.Connection, word: str) -> bool:
        """Whether a word of the vocabulary may be told of; those of notes that are gone stay there for a while."""
        return True

    def most(self, n: int) -> int:
        """The limit of a statement, where `n` of its rows are wanted, of those that `stands` is true of."""
        return n

    def calibration(self, db: apsw.Connection, fingerprint: str) -> str | None:
        """What was measured of a space's cosines, as `titles.calibrate` wrote it."""
        rows = list(db.execute("select calibration from space where fingerprint = ?", (fingerprint,)))
        return rows[0][0] if rows else None

    def _remembered(self, db: apsw.Connection, key: str, sql: str, bound: tuple[str, ...]) -> int:
        now = time.monotonic()
        known = self._counted.get(key)
        if known is not None and known[0] > now and known[1]:
            return known[1]
        ((count,),) = db.execute(sql, bound)
        if len(self._counted) >= MAX_COUNTED:
            self._counted.clear()
        self._counted[key] = (now + COUNTED_FOR_S, int(count))
        return int(count)


def group_of(stem: str) -> str:
    """The name of the group of the forms of a word: no term has it, terms have no blanks."""
    return f"{stem} *"


def chosen(counts: Sequence[int], budget: int) -> list[int]:
    """Which of the groups of terms are worth asking for: one at least, if there are any that stand somewhere."""
    found: list[int] = []
    total = 0
    for at in sorted((at for at, count in enumerate(counts) if count), key=counts.__getitem__):
        if found and total + counts[at] > budget and (total >= ENOUGH or counts[at] > budget):
            break
        found.append(at)
        total += counts[at]
    return found
