"""
Candidates of one store → its notes in order: everything that was found by anything is scored on every scale.

Candidates are kept in columns: a row a note, and a row a passage. Only what is shown is taken out of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vragd.catalog.lookup import ByWords, Lookup
from vragd.catalog.resolve import Resolved
from vragd.search.across import NEAR_ACROSS
from vragd.search.floor import COVER, nearness, weak
from vragd.search.score import (
    FIRST,
    LONE_WORD,
    MEASURED,
    Calibration,
    OfWords,
    Parts,
    cosines,
    of_words,
    places,
    total,
    worth,
)

PASSAGES_BY_WORDS = 2  # of a note of which none was found by itself; one more of any other
NO_PASSAGE = 0
FEW_WITH_PHRASE = 24
"""Notes with what is written together, which are candidates: the numbers of 10.0.0.1 are no words to find them by."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """
    A note and its passages (by row id), the one that shows best what was asked for first, each with what its score is
    made of; `parts` is the note's own, that of the passage with the best score. `weak`: it is no good match.
    """

    note: int
    passages: list[tuple[int, Parts]]
    parts: Parts
    weak: bool = False


@dataclass(slots=True)
class Candidates:
    """What was found: chunks near the question as (row id, note id), and what words found."""

    near: Sequence[tuple[int, int]] = ()
    by_words: ByWords | None = None
    hidden: Callable[[Collection[int]], Collection[int]] = lambda _: ()
    """Those of some notes that nobody may be shown."""
    others: Sequence[int] = ()
    """Notes that are answers, whether anything found them or not."""
    passages: dict[int, int] = field(default_factory=dict)
    """The chunks that were found one by one, and their notes."""

    def gather(self, now: Lookup) -> list[int]:
        """The notes, each once, in the order they were found."""
        notes: dict[int, None] = {}
        found = self.by_words
        if found is not None:
            notes |= dict.fromkeys([*sorted(found.named), *found.notes])
            quoted = found.quoted or (set(), set())
            notes |= dict.fromkeys(sorted(quoted[1] | found.lone[1]))
            for phrase in found.phrases:
                notes |= dict.fromkeys(sorted(phrase.notes) if len(phrase.notes) <= FEW_WITH_PHRASE else ())
            of_chunks = [*found.chunks, *sorted(quoted[0] | found.lone[0])]
            self.passages |= now.notes_of(list(dict.fromkeys(of_chunks)))
        self.passages |= dict(self.near)
        notes |= dict.fromkeys(self.passages.values())
        notes |= dict.fromkeys(self.others)
        hidden = self.hidden(notes)
        return [note for note in notes if note not in hidden]


@dataclass(frozen=True, slots=True)
class Ranking:
    """
    The columns: by note its id, by passage its id and the place of its note; then what their scores are made of.

    Each note has a passage; NO_PASSAGE is that of a note without text.
    """

    mode: str
    lone: bool
    semantic: bool
    notes: np.ndarray
    ids: np.ndarray
    owner: np.ndarray
    chunk: np.ndarray
    words: np.ndarray
    title: np.ndarray
    note: np.ndarray
    cover: np.ndarray
    ahead: np.ndarray
    having: np.ndarray
    """The passages that have the one word, or what was quoted."""
    foreign: bool = False
    nowhere: float = 0.0
    standing: frozenset[str] = frozenset()
    """The terms of the columns that any of the notes has."""

    def best(
        self, *, chunks: bool, listed: bool = False, across: Callable[[list[int]], np.ndarray] | None = None
    ) -> tuple[list[int], int]:
        """
        The passages with the best score of each note, or with `chunks` all, by place, the best first; and how many of
        them are no good match, which come last. Ties are broken by what came first. With `listed` all are good.
        `across` says which passages, by their ids, are in another language than the question.
        """
        score = self._score()
        shown = np.flatnonzero(np.ones(len(score), dtype=bool) if chunks else places(self.owner, -score) == 0)
        if self.mode == "keyword" and not listed:
            of_note = self.owner[shown]
            shown = shown[(self.cover[of_note] > 0) | (self.ahead[of_note] > 0)]
        is_weak = self._weak()[shown] & (not listed)
        if across is not None and self.mode == "hybrid":
            near = nearness(self.chunk[shown], self.title[shown])
            looked_at = np.flatnonzero(is_weak & (near >= NEAR_ACROSS) & (self.ids[shown] != NO_PASSAGE))
            looked_at = looked_at[np.argsort(-near[looked_at], kind="stable")]
            if len(looked_at):
                is_weak[looked_at] = ~across(self.ids[shown[looked_at]].tolist())
        order = np.lexsort((-score[shown], is_weak))
        return shown[order].tolist(), int(is_weak.sum())

    def all_good(self, chunks: Iterable[int]) -> bool:
        """Whether the passages with these ids, of those that are ranked, are all a good match."""
        return not bool(self._weak()[np.isin(self.ids, list(chunks))].any())

    def at_least(self, passages: Sequence[int], score: float) -> list[int]:
        """Those of the passages, by place, that have this score."""
        scores = self._score()
        return [at for at in passages if scores[at] >= score]

    def _score(self) -> np.ndarray:
        of = self.owner
        parts = (self.chunk, self.title, self.words, self.note[of])
        score: np.ndarray = self.ahead[of] + total(self.mode, *parts, lone=self.lone)
        return score

    def _weak(self) -> np.ndarray:
        of = self.owner
        return weak(
            self.mode, self.chunk, self.title, self.cover[of], self.ahead[of],
            foreign=self.foreign, nowhere=self.nowhere,
        )  # fmt: skip

    def rows(self, passages: Sequence[int], weak: Collection[int], *, chunks: bool) -> Iterator[Ranked]:
        """What stands at these places of `best`, as it is shown; some of them are `weak`."""
        by_worth = worth(self.mode, self.chunk, self.words, lone=self.lone)
        for passage in passages:
            owner = int(self.owner[passage])
            found = [passage]
            if not chunks:
                own = np.flatnonzero(self.owner == owner)
                found = own[np.lexsort((-by_worth[own], ~self.having[own]))].tolist()
            rows = [(int(self.ids[one]), self.parts(one)) for one in found]
            yield Ranked(int(self.notes[owner]), rows, self.parts(passage), passage in weak)

    def parts(self, passage: int) -> Parts:
        """What the score of a passage is made of."""
        of = int(self.owner[passage])
        return Parts(
            float(self.chunk[passage]) if self.semantic else None,
            float(self.title[passage]) if self.semantic else None,
            float(self.words[passage]),
            float(self.note[of]),
            float(self.ahead[of]),
            float(self.cover[of]),
            self.lone,
        )


def rank(
    now: Lookup,
    candidates: Candidates,
    resolved: Resolved,
    space_id: int | None,
    question: np.ndarray | None,
    calibration: Calibration,
    mode: str,
    *,
    lone: bool = False,
    nowhere: float = 0.0,
) -> Ranking:
    """Every note that was found, scored. `nowhere` is the share of the question that stands nowhere."""
    notes = candidates.gather(now)
    found = candidates.by_words
    words = _words(now, found, notes, resolved)
    ids, owner, by_words = _passages(candidates, notes, words, with_text=found is not None)
    chunk = np.full(len(ids), np.nan, dtype=np.float32)
    title = np.full(len(notes), np.nan, dtype=np.float32)
    if question is not None and space_id is not None:
        _fill(chunk, ids, now.vectors(space_id, ids[ids != NO_PASSAGE].tolist()), question, calibration)
        if resolved.columns or mode != "vector":
            _fill(title, np.array(notes), now.title_vectors(space_id, notes), question, calibration)
    # what has no vector is taken for what any text is to any question; a title not embedded yet for its passage
    title = title[owner]
    chunk = np.where(np.isnan(chunk), np.where(np.isnan(title), MEASURED.mean, title), chunk)
    ahead = _ahead(found)
    having = found.lone[0] | (found.quoted[0] if found.quoted else set()) if found else set()
    return Ranking(
        mode,
        lone,
        question is not None,
        np.array(notes, dtype=np.int64),
        ids,
        owner,
        chunk,
        by_words,
        np.where(np.isnan(title), chunk, title),
        words.note,
        _covered(found, notes, words.cover),
        np.array([ahead.get(note, 0.0) for note in notes], dtype=np.float32),
        np.isin(ids, list(having)),
        resolved.foreign,
        nowhere,
        frozenset(
            term for column, has in zip(resolved.columns, words.has, strict=False) if has for term in column.terms
        ),
    )


def _covered(found: ByWords | None, notes: Sequence[int], cover: np.ndarray) -> np.ndarray:
    """The share of what was asked for; what tells a note from nearly all others is enough of it."""
    telling = set[int]().union(*(phrase.notes for phrase in found.phrases if phrase.tells)) if found else set[int]()
    if not telling:
        return cover
    covered: np.ndarray = np.where(np.isin(np.array(notes), list(telling)), np.maximum(cover, COVER), cover)
    return covered


def _fill(
    column: np.ndarray, ids: np.ndarray, rows: tuple[list[int], np.ndarray], question: np.ndarray, by: Calibration
) -> None:
    """Put the cosines of some rows where their ids stand."""
    if not rows[0] or rows[1].shape[1] != len(question):
        return
    order = np.argsort(ids)
    column[order[np.searchsorted(ids[order], rows[0])]] = cosines(rows[1], question, by)


def _passages(
    candidates: Candidates, notes: Sequence[int], words: OfWords, *, with_text: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The passages that are looked at, the places of their notes, and their scores by words."""
    place = {note: at for at, note in enumerate(notes)}
    own = {chunk: place[note] for chunk, note in candidates.passages.items() if note in place}
    most = np.full(len(notes), PASSAGES_BY_WORDS if with_text else 0)
    most[list(own.values())] -= with_text
    looked_at = np.isin(words.ids, list(own)) | (words.place < most[words.owner])
    ids, owner, by_words = words.ids[looked_at], words.owner[looked_at], words.words[looked_at]
    known = set(ids.tolist())
    others = [chunk for chunk in own if chunk not in known]
    owners = [own[chunk] for chunk in others]
    bare = sorted(set(range(len(notes))) - {*owner.tolist(), *owners})
    n_more = len(others) + len(bare)
    return (
        np.concatenate([ids, np.array([*others, *[NO_PASSAGE] * len(bare)], dtype=np.int64)]),
        np.concatenate([owner, np.array([*owners, *bare], dtype=np.int64)]),
        np.concatenate([by_words, np.zeros(n_more, dtype=np.float32)]),
    )


def _words(now: Lookup, found: ByWords | None, notes: Sequence[int], resolved: Resolved) -> OfWords:
    nothing = np.empty(0, dtype=np.int64)
    if found is None or not notes:
        zeros = np.zeros(len(notes), dtype=np.float32)
        return OfWords(nothing, nothing, np.empty(0, dtype=np.float32), nothing, zeros, zeros, nothing)
    counts = now.profiles(notes, resolved.columns)
    said = zip(found.phrases, resolved.phrase_weights, strict=True)
    phrases = [(phrase, weight) for phrase, weight in said if weight]
    ids = np.array(notes)
    return of_words(
        len(notes),
        counts,
        np.array([column.weight for column in resolved.columns], dtype=np.float32),
        np.array([not column.extra for column in resolved.columns], dtype=bool),
        resolved.missing,
        (
            _flags(ids, [phrase.notes for phrase, _ in phrases]),
            _flags(counts.ids, [phrase.chunks for phrase, _ in phrases]),
            _flags(ids, [phrase.in_names for phrase, _ in phrases]),
        ),
        np.array([weight for _, weight in phrases], dtype=np.float32),
    )


def _flags(ids: np.ndarray, sets: Sequence[set[int]]) -> np.ndarray:
    """1 where an id is in a set, shape (ids, sets): twice said is not twice as good for what is long."""
    having = [np.isin(ids, list(one)) for one in sets]
    return np.array(having, dtype=np.float32).reshape(len(sets), len(ids)).T


def _ahead(found: ByWords | None) -> dict[int, float]:
    """By note, how far it is ahead: called what was asked, having what was quoted, or the one rare word asked for."""
    if found is None:
        return {}
    quoted = found.quoted[1] if found.quoted else set()
    return dict.fromkeys(found.lone[1], LONE_WORD) | dict.fromkeys(found.named | quoted, FIRST)
