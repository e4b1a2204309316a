"""Candidates of one store → its notes in order: everything that was found by anything is scored on every scale."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vragd.catalog.lookup import ByWords, Lookup
from vragd.catalog.resolve import Resolved
from vragd.search.score import FIRST, LONE_WORD, MEASURED, Calibration, OfWords, Parts, cosines, of_words

PASSAGES_BY_WORDS = 2  # of a note, besides those that were found one by one


@dataclass(frozen=True, slots=True)
class Ranked:
    """
    A note and its passages (by row id), the one that shows best what was asked for first, each with what its score is
    made of; `parts` is the note's own, that of the passage with the best score.
    """

    note: int
    passages: list[tuple[int, Parts]]
    parts: Parts


@dataclass(slots=True)
class Candidates:
    """What was found: chunks near the question as (row id, note id), and what words found."""

    near: Sequence[tuple[int, int]] = ()
    by_words: ByWords | None = None
    hidden: Callable[[Collection[int]], Collection[int]] = lambda _: ()
    """Those of some notes that nobody may be shown."""
    chunks: dict[int, list[int]] = field(default_factory=dict)
    """By note, the passages that are looked at."""

    def gather(self, now: Lookup) -> list[int]:
        """The notes."""
        notes: dict[int, None] = {}
        found = self.by_words
        if found is not None:
            notes |= dict.fromkeys([*sorted(found.named), *found.notes])
            quoted = found.quoted or (set(), set())
            notes |= dict.fromkeys(sorted(quoted[1] | found.lone[1]))
            for chunk, note in now.notes_of([*found.chunks, *sorted(quoted[0] | found.lone[0])]).items():
                self.chunks.setdefault(note, []).append(chunk)
        for chunk, note in self.near:
            self.chunks.setdefault(note, []).append(chunk)
        notes |= dict.fromkeys(self.chunks)
        hidden = self.hidden(notes)
        return [note for note in notes if note not in hidden]


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
) -> list[Ranked]:
    """Every note that was found, the best first; its passages likewise. Ties are broken by what came first."""
    notes = candidates.gather(now)
    words = _words(now, candidates, notes, resolved)
    with_text = mode != "vector" and candidates.by_words is not None
    looked_at = {note: _looked_at(note, candidates, words if with_text else None) for note in notes}
    near: Mapping[int, float] = {}
    titles: Mapping[int, float] = {}
    if question is not None and space_id is not None:
        chunks = [chunk for some in looked_at.values() for chunk in some]
        near = cosines(now.vectors(space_id, chunks), question, calibration)
        if resolved.columns or mode != "vector":
            titles = cosines(now.title_vectors(space_id, notes), question, calibration)
    found = candidates.by_words
    ahead = _ahead(found)
    having = found.lone[0] | (found.quoted[0] if found.quoted else set()) if found else set()
    ranked = []
    for note in notes:
        common = (titles.get(note), words.note.get(note, 0.0), words.cover.get(note, 0.0), ahead.get(note, 0.0), lone)
        passages = [
            (chunk, _parts(near.get(chunk), words.words.get(chunk, 0.0), *common, question))
            for chunk in looked_at[note]
        ]
        if not passages:
            passages = [(0, _parts(None, 0.0, *common, question))]
        best = max(passages, key=lambda one: one[1].score(mode))
        passages.sort(key=lambda one: (one[0] not in having, -one[1].worth(mode)))
        ranked.append(Ranked(note, passages, best[1]))
    if mode == "keyword":
        ranked = [one for one in ranked if one.parts.cover > 0 or one.note in ahead]
    ranked.sort(key=lambda one: -one.parts.score(mode))
    return ranked


def _parts(
    near: float | None,
    words: float,
    title: float | None,
    note: float,
    cover: float,
    ahead: float,
    lone: bool,
    question: np.ndarray | None,
) -> Parts:
    if question is None:
        return Parts(None, None, words, note, ahead, cover, lone)
    # what has no vector is taken for what any text is to any question; a title not embedded yet for its passage
    chunk = near if near is not None else title if title is not None else MEASURED.mean
    return Parts(chunk, title if title is not None else chunk, words, note, ahead, cover, lone)


def _looked_at(note: int, candidates: Candidates, words: OfWords | None) -> list[int]:
    own = list(dict.fromkeys(candidates.chunks.get(note, ())))
    if words is None:
        return own
    best = words.chunks.get(note, [])[: PASSAGES_BY_WORDS if own else max(PASSAGES_BY_WORDS, 1)]
    return list(dict.fromkeys([*own, *best]))


def _words(now: Lookup, candidates: Candidates, notes: Sequence[int], resolved: Resolved) -> OfWords:
    found = candidates.by_words
    if found is None:
        return OfWords({}, {}, {}, {})
    known, counts = now.profiles(notes, resolved.columns)
    pairs = [pair for pair in zip(found.phrases, resolved.phrase_weights, strict=True) if pair[1]]
    return of_words(
        known,
        counts,
        np.array([column.weight for column in resolved.columns], dtype=np.float32),
        np.array([not column.extra for column in resolved.columns], dtype=bool),
        resolved.missing,
        [having for having, _ in pairs],
        np.array([weight for _, weight in pairs], dtype=np.float32),
    )


def _ahead(found: ByWords | None) -> dict[int, float]:
    """By note, how far it is ahead: called what was asked, having what was quoted, or the one rare word asked for."""
    if found is None:
        return {}
    quoted = found.quoted[1] if found.quoted else set()
    return dict.fromkeys(found.lone[1], LONE_WORD) | dict.fromkeys(found.named | quoted, FIRST)
