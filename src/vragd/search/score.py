"""
How well a note and its passages answer a question: four numbers, each on a scale of its own, none of which depends on
what else was found.

    score = (chunk + TITLE·title + WORDS·words + NOTE·note) / (1 + TITLE + WORDS + NOTE)

`chunk` and `title` are cosines with the question, calibrated per space (`Calibration`). `words` and `note` are BM25 of
the passage and of the whole note, divided by the most that BM25 can give for the question's words, of which those that
are nowhere count half: in [0, 1], how much of what is asked for is there. A note that is called what was asked, or has
what was quoted, comes first: 1 is added; 0.5 is to the few that have the one rare word that was asked for.
docs/architecture.md, "Ranking", has the measurements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vragd.catalog.profile import NAMES, OTHER, Counts

TITLE, WORDS, NOTE = 0.3, 0.4, 0.9
FIRST, LONE_WORD = 1.0, 0.5
CHOICE = 1.2  # of a note's passages the one is shown that is best by `chunk + CHOICE·words`: words point at the place
NEAR_LONE = 0.5  # what is near counts half for one word that stands somewhere: what has it is wanted
MISSING = 0.5  # the share at which a word that is nowhere counts: one that is left of five is no answer to all five
K1 = 1.5
# Where a text is neither long nor short: the same everywhere, so that a score does not depend on the store.
CHUNK_LENGTH, CHUNK_B = 120.0, 0.5
NOTE_LENGTH, NOTE_B = 400.0, 0.75
BEST = 3  # passages of a note that are looked at for their words
NAME_COUNTS, OTHER_COUNTS = 4.0, 1.0  # a name says what the whole note is about


@dataclass(frozen=True, slots=True)
class Calibration:
    """The mean and the deviation of cosines of titles with any chunk, in one space; `n` pairs were looked at."""

    mean: float
    deviation: float
    n: int = 0

    def scaled(self, cosines: np.ndarray) -> np.ndarray:
        """What the cosines would be in the space the weights were measured in."""
        scaled: np.ndarray = MEASURED.mean + MEASURED.deviation * (cosines - self.mean) / self.deviation
        clipped: np.ndarray = np.clip(scaled, -1.0, 1.0)
        return clipped


MEASURED = Calibration(0.08, 0.10)  # all-MiniLM-L6-v2, two vaults


@dataclass(frozen=True, slots=True)
class OfWords:
    """
    By row id: `words` of each chunk and `note` of each note, in [0, 1]; `cover`, the share of all that was asked for,
    what is nowhere included, that a note has.
    """

    words: dict[int, float]
    note: dict[int, float]
    cover: dict[int, float]
    chunks: dict[int, list[int]]
    """The BEST chunks of each note by words, the best first."""


def of_words(
    notes: Sequence[int],
    counts: Counts,
    weights: np.ndarray,
    whole: np.ndarray,
    missing: float,
    phrases: Sequence[tuple[set[int], set[int]]],
    phrase_weights: np.ndarray,
) -> OfWords:
    """
    Scores by words of the notes whose profiles were counted. `weights` are those of the columns, of which
    `whole` are no extra, `missing` is that of all words that are nowhere; phrases come with the chunks and notes that
    have them.
    """
    all_weights = np.concatenate([weights, phrase_weights]).astype(np.float32)
    most = (float(all_weights.sum()) + MISSING * missing) * (K1 + 1)
    n_notes = len(notes)
    is_chunk = (counts.ids != NAMES) & (counts.ids != OTHER)
    own = np.where(counts.ids == NAMES, NAME_COUNTS, OTHER_COUNTS)[:, None] * counts.tf * ~is_chunk[:, None]
    if not n_notes:
        return OfWords({}, {}, {}, {})
    starts = np.searchsorted(counts.notes, np.arange(n_notes))  # every note has groups, one behind the other
    tf_names = np.add.reduceat(own, starts, axis=0)
    tf_note = tf_names + np.add.reduceat(counts.tf * is_chunk[:, None], starts, axis=0)
    length = np.add.reduceat(counts.lengths * is_chunk, starts)
    ids, owner = counts.ids[is_chunk], counts.notes[is_chunk]
    tf_chunk = counts.tf[is_chunk] + tf_names[owner]
    tf_note = np.hstack([tf_note, _flags(notes, [having for _, having in phrases])])
    tf_chunk = np.hstack([tf_chunk, _flags(ids.tolist(), [having for having, _ in phrases])])
    note = _bm25(tf_note, length, NOTE_LENGTH, NOTE_B, all_weights, most)
    words = _bm25(tf_chunk, counts.lengths[is_chunk], CHUNK_LENGTH, CHUNK_B, all_weights, most)
    by_word = all_weights * np.concatenate([whole, np.ones(len(phrases), dtype=bool)])
    asked_for = float(by_word.sum()) + missing
    cover = (tf_note > 0) @ by_word / asked_for if asked_for else np.zeros(n_notes)
    order = np.lexsort((-words, owner))
    begins = np.searchsorted(owner[order], np.arange(n_notes))
    ends = np.append(begins[1:], len(order))
    ordered = ids[order].tolist()
    chunks = {
        note: ordered[begin : min(end, begin + BEST)]
        for note, begin, end in zip(notes, begins.tolist(), ends.tolist(), strict=True)
    }
    return OfWords(
        dict(zip(ids.tolist(), words.tolist(), strict=True)),
        dict(zip(notes, note.tolist(), strict=True)),
        dict(zip(notes, cover.tolist(), strict=True)),
        chunks,
    )


def _flags(ids: Sequence[int], sets: Sequence[set[int]]) -> np.ndarray:
    """1 where an id is in a set, shape (ids, sets): twice said is not twice as good for what is long."""
    having = [np.isin(np.asarray(ids, dtype=np.int64), list(one)) for one in sets]
    return np.array(having, dtype=np.float32).reshape(len(sets), len(ids)).T


def _bm25(
    tf: np.ndarray, length: np.ndarray, usual: float, b: float, weights: np.ndarray, most: float
) -> np.ndarray:  # fmt: skip
    if not most:
        return np.zeros(len(tf), dtype=np.float32)
    norm = K1 * (1 - b + b * length / usual)
    score: np.ndarray = (tf * (K1 + 1) / (tf + norm[:, None])) @ weights / most
    return score


def cosines(vectors: tuple[list[int], np.ndarray], question: np.ndarray, calibration: Calibration) -> dict[int, float]:
    """The calibrated cosine of each row with the question, by row id."""
    ids, rows = vectors
    if not ids or rows.shape[1] != len(question):
        return {}
    lengths = np.linalg.norm(rows, axis=1) * (float(np.linalg.norm(question)) or 1.0)
    found = rows @ question / np.where(lengths > 0, lengths, 1)
    return dict(zip(ids, calibration.scaled(found).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a score is made of. None where it could not be had: no vector, no words."""

    chunk: float | None
    title: float | None
    words: float | None
    note: float | None
    ahead: float = 0.0
    cover: float = 0.0
    lone: bool = False

    def score(self, mode: str) -> float:
        """By which hits are ordered: at most 1, or 2 for what comes first."""
        if mode == "vector":
            total, most = (self.chunk or 0.0) + TITLE * (self.title or 0.0), 1 + TITLE
        elif mode == "keyword":
            total, most = WORDS * (self.words or 0.0) + NOTE * (self.note or 0.0), WORDS + NOTE
        else:
            near = (self.chunk or 0.0) + TITLE * (self.title or 0.0)
            total = (NEAR_LONE if self.lone else 1.0) * near + WORDS * (self.words or 0.0) + NOTE * (self.note or 0.0)
            most = 1 + TITLE + WORDS + NOTE
        return total / most + self.ahead

    def worth(self, mode: str) -> float:
        """By which the passages of one note are ordered."""
        if mode == "vector" or self.chunk is None:
            return self.chunk or self.words or 0.0
        return (NEAR_LONE if self.lone else 1.0) * self.chunk + CHOICE * (self.words or 0.0)

    def explained(self) -> Mapping[str, float | None]:
        """For people and programs, to four digits."""
        numbers = {
            "chunk": self.chunk,
            "title": self.title,
            "words": self.words,
            "note": self.note,
            "cover": self.cover,
        }
        return {"ahead": self.ahead} | {name: None if n is None else round(n, 4) for name, n in numbers.items()}


def pooled(calibrations: Sequence[Calibration]) -> Calibration:
    """Of several stores of a space: their means, by how many pairs each saw."""
    n = sum(one.n for one in calibrations)
    if not n:
        return MEASURED
    mean = sum(one.mean * one.n for one in calibrations) / n
    return Calibration(mean, sum(one.deviation * one.n for one in calibrations) / n, n)


def calibration_of(said: str) -> Calibration:
    """As it is kept in the catalog."""
    return Calibration(**json.loads(said))
