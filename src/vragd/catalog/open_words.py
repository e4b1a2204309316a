"""
Full text as of a catalog without the closed notes: what is found, how often, and in which order.

SQLite's own BM25 counts every row of an index. This one is the same formula over the rows that are in sight, from
numbers that are counted once a generation.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import apsw

from vragd.catalog.asked import any_of, expression
from vragd.catalog.titles import calibration_in_sight
from vragd.catalog.words import COUNTED_FOR_S, MAX_COUNTED, WEIGHTS, Words

_K1, _B, _LEAST = 1.2, 0.75, 1e-6  # as in SQLite's fts5_aux.c
_CLOSED = {
    "chunk_text": "select c.id from main.chunk c join main.note n on n.id = c.note_id where n.closed != 0",
    "note_text": "select id from main.note where closed != 0",
}
_IN_SIGHT = {"chunk_text": "chunk", "note_text": "note"}
_EVERY = {"chunk_text": "select count(*) from chunk", "note_text": "select count(*) from note_words"}


@dataclass(slots=True)
class Kept:
    """What all snapshots of a catalog share. Any thread: a lost race counts once more."""

    counted: dict[str, tuple[float, int]] = field(default_factory=dict)
    calibrations: dict[str, tuple[float, str | None]] = field(default_factory=dict)


class OpenWords(Words):
    """For one snapshot of a connection that has the views of `closed`."""

    def __init__(self, of: Words, generation: int, kept: Kept) -> None:
        super().__init__(of.budgets["chunk_text"], of.budgets["note_text"])
        self._generation, self._counted, self._calibrations = generation, kept.counted, kept.calibrations

    def rows(self, table: str) -> str:
        seen = f"exists (select 1 from {_IN_SIGHT[table]} seen where seen.id = {table}.rowid)"
        return f"main.{table} where {table} match ? and {seen}"

    def order(self, db: apsw.Connection, table: str, terms: Sequence[str]) -> str:
        n_rows = self._remembered(db, f"every {table}", _EVERY[table], ())
        having = [self._having(db, table, term) for term in terms]
        rarities = [math.log((n_rows - n + 0.5) / (n + 0.5)) for n in having]
        length = self._length(db, table, terms) / max(n_rows, 1)
        told = json.dumps([length or 1.0, [one if one > 0 else _LEAST for one in rarities], WEIGHTS[table]])
        return f"order by open_bm25({table}, '{told}')"

    def stands(self, db: apsw.Connection, word: str) -> bool:
        sql = f"select count(*) from (select 1 from {self.rows('note_text')} limit 1)"
        return bool(self._remembered(db, f"stands {word}", sql, (expression([word]),)))

    def most(self, n: int) -> int:
        return -1

    def calibration(self, db: apsw.Connection, fingerprint: str) -> str | None:
        """Of some time in the last COUNTED_FOR_S."""
        known, now = self._calibrations.get(fingerprint), time.monotonic()
        if known is None or known[0] < now:
            known = self._calibrations[fingerprint] = now + COUNTED_FOR_S, calibration_in_sight(db, fingerprint)
        return known[1]

    def _having(self, db: apsw.Connection, table: str, term: str) -> int:
        return self._remembered(
            db, f"in {table} {term}", f"select count(*) from {self.rows(table)}", (expression([term]),)
        )

    def _length(self, db: apsw.Connection, table: str, terms: Sequence[str]) -> int:
        """Of all rows in sight together, in terms."""
        sql = f"select open_length({table}) from main.{table} where {table} match ? limit 1"
        whole = next((int(length) for (length,) in db.execute(sql, (any_of(terms),))), 0)
        key = f"{self._generation} closed {table}"
        if (known := self._counted.get(key)) is None:
            sizes = db.execute(f"select sz from main.{table}_docsize where id in ({_CLOSED[table]})")
            known = self._counted[key] = (0.0, sum(_total(size) for (size,) in sizes))
        return whole - known[1]

    def _remembered(self, db: apsw.Connection, key: str, sql: str, bound: tuple[str, ...]) -> int:
        key = f"{self._generation} {key}"
        if (known := self._counted.get(key)) is not None:
            return known[1]
        ((count,),) = db.execute(sql, bound)
        if len(self._counted) >= MAX_COUNTED:
            self._counted.clear()
        self._counted[key] = (0.0, int(count))
        return int(count)


def teach(db: apsw.Connection) -> None:
    """What `OpenWords.order` asks of a connection."""
    db.register_fts5_function("open_bm25", _bm25)
    db.register_fts5_function("open_length", _length)


def _length(row: apsw.FTS5ExtensionApi, *_: apsw.SQLiteValue) -> int:
    return row.column_total_size(-1)


def _bm25(row: apsw.FTS5ExtensionApi, *told: apsw.SQLiteValue) -> float:
    average, rarities, weights = _understood(str(told[0]))
    norm = _K1 * (1 - _B + _B * row.column_size(-1) / average)
    score = 0.0
    for phrase, rarity in enumerate(rarities):
        places = row.phrase_locations(phrase)
        often = sum(weight * len(at) for weight, at in zip(weights, places, strict=True))
        score += rarity * (often * (_K1 + 1) / (often + norm))
    return -score


@lru_cache(64)
def _understood(told: str) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    average, rarities, weights = json.loads(told)
    return average, tuple(rarities), tuple(weights)


def _total(size: bytes) -> int:
    """The numbers in a row of FTS5's `docsize`, one a column, together: seven bits a byte, the first highest."""
    total = value = 0
    for byte in size:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            total, value = total + value, 0
    return total
