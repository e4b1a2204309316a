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
from typing import Any

import numpy as np

from vragd.catalog.profile import NAMES, OTHER, Counts

TITLE, WORDS, NOTE = 0.2, 0.4, 0.8
FIRST, LONE_WORD = 1.0, 0.5
CHOICE = 1.2  # of a note's passages the one is shown that is best by `chunk + CHOICE·words`: words point at the place
NEAR_LONE = 0.5  # what is near counts half for one word that stands somewhere: what has it is wanted
MISSING = 0.5  # the share at which a word that is nowhere counts: one that is left of five is no answer to all five
K1 = 1.5
# Where a text is neither long nor short: the same everywhere, so that a score does not depend on the store.
CHUNK_LENGTH, CHUNK_B = 120.0, 0.5
NOTE_LENGTH, NOTE_B = 400.0, 0.75
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
    What words say of some notes: `ids` of their passages and `owner`, the place of each passage's note; `words` of each
    passage and `note` of each note, in [0, 1]; `cover`, the share of all that was asked for, what is nowhere included,
    that one passage of a note has, with what belongs to the note as a whole; or a short note as a whole. `place` is how
    many of its note's passages have the words better. `has` is, of each column, whether any of the notes has it.
    """

    ids: np.ndarray
    owner: np.ndarray
    words: np.ndarray
    place: np.ndarray
    note: np.ndarray
    cover: np.ndarray
    has: np.ndarray


def of_words(
    n_notes: int,
    counts: Counts,
    weights: np.ndarray,
    whole: np.ndarray,
    missing: float,
    flags: tuple[np.ndarray, np.ndarray, np.ndarray],
    phrase_weights: np.ndarray,
) -> OfWords:
    """
    Scores by words of the notes whose profiles were counted. `weights` are those of the columns, of which
    `whole` are no extra, `missing` is that of all words that are nowhere. `flags` are 1 where a note, where a group of
    `counts`, and where a note's names have a phrase: shape (notes, phrases), (groups, phrases) and (notes, phrases).
    """
    all_weights = np.concatenate([weights, phrase_weights]).astype(np.float32)
    most = (float(all_weights.sum()) + MISSING * missing) * (K1 + 1)
    is_chunk = (counts.ids != NAMES) & (counts.ids != OTHER)
    of_note = np.where(is_chunk, 1.0, np.where(counts.ids == NAMES, NAME_COUNTS, OTHER_COUNTS)).astype(np.float32)
    # every note has groups, one behind the other
    starts = np.searchsorted(counts.notes, np.arange(n_notes))
    tf_names = _reduced(np.add, counts.tf * (of_note * ~is_chunk)[:, None], starts)
    tf_note = _reduced(np.add, counts.tf * of_note[:, None], starts)
    length = _reduced(np.add, (counts.lengths * is_chunk)[:, None], starts)[:, 0]
    owner = counts.notes[is_chunk]
    in_note, in_group, in_names = flags
    in_text = _reduced(np.maximum, in_group, starts)
    tf_chunk = np.hstack([counts.tf[is_chunk] + tf_names[owner], in_group[is_chunk] + NAME_COUNTS * in_names[owner]])
    tf_note = np.hstack([tf_note, np.where(in_names > 0, NAME_COUNTS + in_text, in_note)])
    in_group = in_group + (in_note * (in_text == 0))[counts.notes]  # names and properties belong to each passage
    words = _bm25(tf_chunk, counts.lengths[is_chunk], CHUNK_LENGTH, CHUNK_B, all_weights, most)
    by_word = all_weights * np.concatenate([whole, np.ones(len(phrase_weights), dtype=bool)])
    asked_for, zeros = float(by_word.sum()) + missing, np.zeros(n_notes, dtype=np.float32)
    return OfWords(
        counts.ids[is_chunk],
        owner,
        words,
        places(owner, -words),
        _bm25(tf_note, length, NOTE_LENGTH, NOTE_B, all_weights, most),
        _cover(counts, starts, in_group, tf_note, by_word / asked_for, length) if asked_for else zeros,
        (counts.tf > 0).sum(axis=0) > 0,
    )


def _cover(
    counts: Counts,
    starts: np.ndarray,
    flags: np.ndarray,
    tf_note: np.ndarray,
    shares: np.ndarray,
    length: np.ndarray,
) -> np.ndarray:
    """By note, as in OfWords; `shares` are those of the words. Somewhere in a long note there is everything."""
    having = counts.tf > 0
    of_whole = np.zeros((len(starts), having.shape[1]), dtype=bool)
    for beside in (NAMES, OTHER):  # of each note one at most
        rows = np.flatnonzero(counts.ids == beside)
        of_whole[counts.notes[rows]] |= having[rows]
    having |= of_whole[counts.notes]
    in_passage = np.hstack([having, flags]) @ shares
    in_note = (tf_note > 0) @ shares * np.minimum(1, NOTE_LENGTH / np.maximum(length, 1))
    found: np.ndarray = np.maximum(np.maximum.reduceat(in_passage, starts), in_note)
    return found


def _reduced(by: np.ufunc, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The rows that belong together as one."""
    if not len(rows):
        return np.zeros((len(starts), rows.shape[1]), dtype=rows.dtype)
    found: np.ndarray = by.reduceat(rows, starts, axis=0)
    return found


def places(owner: np.ndarray, *by: np.ndarray) -> np.ndarray:
    """How many rows of its owner come before each row, least first by each of `by`, the first of these first."""
    order = np.lexsort((*reversed(by), owner))
    begins = np.searchsorted(owner[order], owner[order])
    found = np.empty(len(owner), dtype=np.int64)
    found[order] = np.arange(len(owner)) - begins
    return found


def _bm25(
    tf: np.ndarray, length: np.ndarray, usual: float, b: float, weights: np.ndarray, most: float
) -> np.ndarray:  # fmt: skip
    if not most:
        return np.zeros(len(tf), dtype=np.float32)
    norm = K1 * (1 - b + b * length / usual)
    score: np.ndarray = (tf * (K1 + 1) / (tf + norm[:, None])) @ weights / most
    return score


def cosines(rows: np.ndarray, question: np.ndarray, calibration: Calibration) -> np.ndarray:
    """The calibrated cosine of each row with the question."""
    wide = question.astype(np.float64)  # anybody's vector: its square may be more than a float32 holds, or nothing
    unit = (wide / (float(np.linalg.norm(wide)) or 1.0)).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1)
    return calibration.scaled(rows @ unit / np.where(lengths > 0, lengths, 1))


def total(mode: str, chunk: Any, title: Any, words: Any, note: Any, *, lone: bool) -> Any:
    """The score, but for what comes first, of numbers or of columns of them."""
    near = chunk + TITLE * title
    if mode == "vector":
        return near / (1 + TITLE)
    if mode == "keyword":
        return (WORDS * words + NOTE * note) / (WORDS + NOTE)
    return ((NEAR_LONE if lone else 1.0) * near + WORDS * words + NOTE * note) / (1 + TITLE + WORDS + NOTE)


def worth(mode: str, chunk: Any, words: Any, *, lone: bool) -> Any:
    """By which the passages of one note are ordered."""
    if mode == "vector":
        return chunk
    return words if mode == "keyword" else (NEAR_LONE if lone else 1.0) * chunk + CHOICE * words


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
        numbers = (self.chunk or 0.0, self.title or 0.0, self.words or 0.0, self.note or 0.0)
        return float(total(mode, *numbers, lone=self.lone)) + self.ahead

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
