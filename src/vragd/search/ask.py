"""
Query → hits. The other place that knows a whole order: embed, search vectors and words, score, join.

Every hit is joined with the catalog before it is returned, so that a stale vector never becomes an
answer. Runs on a reader lane, and looks for words on a thread beside it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import structlog

from vragd.backends.base import Matches
from vragd.catalog.asked import asked
from vragd.catalog.lookup import ByWords, Lookup, Narrow
from vragd.catalog.reader import Snapshot
from vragd.catalog.resolve import Resolved, phrase_weights, resolve
from vragd.catalog.words import Statistics
from vragd.errors import (
    BackendUnavailable,
    EmbedderRejected,
    EmbedderUnavailable,
    StoreMismatch,
    UnknownCollection,
    UsageError,
    VragdError,
)
from vragd.search.excerpt import Matched
from vragd.search.floor import in_another_language, share_nowhere
from vragd.search.folder import spellings, within
from vragd.search.narrowed import (
    EXACT_CHUNKS,
    MOST_LISTED,
    Narrowed,
    days_of,
    hidden_by,
    lines_found,
    narrowed,
    near_among,
    order_of,
)
from vragd.search.question import (
    Answer,
    Hit,
    Mode,
    Passage,
    Place,
    Question,
    Sort,
    Target,
    check,
)
from vragd.search.rank import Candidates, Ranking, rank
from vragd.search.score import MEASURED, Calibration, calibration_of, pooled
from vragd.search.show import Order, listed_hits, shown_hits
from vragd.system.log import error_fields
from vragd.terms.bounds import MAX_QUERY_CHARS, MAX_TOP_K
from vragd.terms.filter import Filter, every, one_of

__all__ = [
    "MAX_QUERY_CHARS", "MAX_TOP_K", "TRIES", "Answer", "Hit", "Mode", "Passage", "Place", "Question", "Target", "ask",
    "check",
]  # fmt: skip

log = structlog.get_logger()

CANDIDATES, SPARE = 24, 14
"""Of each kind, for a question; with `top_k` hits asked for as many, and SPARE more."""
SORTED = 1_000
"""Of each kind, for a question whose hits are put in another order than the best first."""
WORD_THREADS = 4
TRIES = 3  # a commit between the backend's answer and the catalog's may hide a note: look again

NO_MATCHES = Matches((), "exhausted")

_beside = ThreadPoolExecutor(WORD_THREADS, "words")


def ask(target: Target, question: Question, *, exact_chunks: int = EXACT_CHUNKS, most_sorted: int = SORTED) -> Answer:
    """
    The best hits of one store. Raises only for a wrong question. If filters leave so few chunks, each is compared.
    In another order than the best first are so many candidates of each kind.

    When the query cannot be embedded or the backend cannot be reached, words alone answer and
    `degraded` says so; a query in mode `vector` then has no hits. A store of words alone is whole without
    vectors, and such a query is wrong there. An answer is of one generation, unless commits come quicker
    than it can be found.
    """
    before = target.reader.generation()
    look = _Look(target, question, exact_chunks, most_sorted)
    for _ in range(TRIES):
        answer = look.once()
        if answer.generation == before:
            break
        before = answer.generation
    return replace(answer, unreached=look.unreached, hollow=look.hollow)


class _Look:
    """One question to one store, which may be looked at again. What failed once is not tried again."""

    def __init__(
        self, target: Target, question: Question, exact_chunks: int = EXACT_CHUNKS, most_sorted: int = SORTED
    ) -> None:
        self._target, self._question, self._exact_chunks = target, question, exact_chunks
        self._semantic = True
        self.unreached = False
        """Whether the backend could not be asked."""
        self.hollow = False
        """Whether it was asked for anything near, and has nothing that the catalog says it has."""
        by_score = question.sort == "score" or question.mode == "vector"  # which has no floor: all are near to anything
        self._asks_all = not (target.partial or question.sources or question.folder or question.where)
        self._n = max(CANDIDATES if by_score else most_sorted, question.top_k + SPARE)
        self._where = _filter(target, question)
        self._asked = asked(question.text)
        self._phrases = self._asked.phrases
        self._statistics, self._calibration, self._resolved = Statistics(), MEASURED, Resolved()
        self._early: Future[tuple[int, ByWords]] | None = None
        self._narrowed: Narrowed | None = None
        if question.mode == "hybrid" and question.text and question.where is None:
            # embedding and vectors take another core about as long
            self._early = _beside.submit(self._early_words)
        else:
            self._weigh()
        compared = question.mode != "keyword" and (question.text or question.vector is not None)
        self._vector = self._embedded() if compared else None

    def _embedded(self) -> np.ndarray | None:
        target, question = self._target, self._question
        if target.space is None:
            self._semantic = False
            return None
        if target.words_alone:
            if question.mode == "vector" or question.vector is not None:
                raise UsageError(
                    f"store {target.name!r} keeps words alone: it has no vectors to search",
                    hint="ask it without --mode vector, or name other stores; its embedder: chooses a model",
                )
            return None
        if question.vector is None:
            with self._without_vectors():
                # models do not know letters of full width, and what else folding takes for one with others
                return target.embed_query(unicodedata.normalize("NFKC", self._asked.plain or question.text))
            return None
        vector = np.asarray(question.vector, dtype=np.float32)
        if vector.shape != (target.space.dimension,):
            raise UsageError(
                f"the vector has {len(question.vector)} dimensions, store {target.name!r} has {target.space.dimension}"
            )
        if not vector.any():
            raise UsageError("the vector is zero, and nothing is near to that in direction")
        return vector

    @contextmanager
    def _without_vectors(self) -> Iterator[None]:
        """Go on with words alone when the embedder or the backend fails."""
        try:
            yield
        except (EmbedderUnavailable, EmbedderRejected, BackendUnavailable, UnknownCollection, StoreMismatch) as error:
            log.warning("search.vectors_unavailable", store=self._target.name, **error_fields(error))
            self._semantic = False
            self._vector = None

    # -- words -------------------------------------------------------------------------------------

    def _weigh(self) -> None:
        """Count how rare the words are, over all stores of the machine: the same for the same question in each."""
        space = self._target.space.fingerprint if self._target.space else ""
        statistics, calibrations = Statistics(), list[Calibration]()
        for reader in self._target.peers or (self._target.reader,):
            try:
                counted, said = reader.statistics(None if self._question.mode == "vector" else self._asked, space)
            except VragdError:
                if reader is self._target.reader:
                    raise
                continue  # its own answer says what is wrong with it
            statistics += counted
            calibrations += [calibration_of(said)] if said else []
        self._statistics = statistics
        self._calibration = pooled(calibrations)

    def _early_result(self) -> tuple[int, ByWords] | None:
        try:
            return self._early.result() if self._early else None
        except BackendUnavailable:  # no connection was free in time: one will be looked for again
            self._early = None
            self._weigh()
            return None

    def _early_words(self) -> tuple[int, ByWords]:
        self._weigh()
        with self._target.reader.snapshot() as now:
            return now.generation(), self._words(now.lookup)

    def _words(self, now: Lookup) -> ByWords:
        question = self._question
        resolved = resolve(self._asked, self._statistics, now.forms(self._asked))
        words, nowhere = self._asked.words, resolved.nowhere
        foreign = in_another_language([word.term for word in words], [word.term for word in nowhere])
        resolved = replace(resolved, foreign=foreign)
        exact = question.exact or question.listed
        self._resolved = now.stand_ins(
            self._asked, resolved, self._statistics, exact=exact, is_word=self._target.is_word
        )
        where = Narrow(question.sources, spellings(question.folder) if question.folder else ())
        where = where if self._narrowed is None else Narrow(notes=self._narrowed.notes)
        self._asked = replace(self._asked, phrases=(*self._phrases, *self._resolved.apart))
        return now.find(self._asked, self._resolved.columns, self._n, where)

    # -- the answer --------------------------------------------------------------------------------

    def once(self) -> Answer:
        """The answer as of one instant of the catalog; the backend's matches may be of a moment before."""
        backend = self._target.backend
        most = (backend and backend.traits.max_matches) or 64 * self._n
        depth = min(self._n + 10, most)
        if self._question.where is not None:
            with self._target.reader.snapshot() as now:
                if (near := self._narrow(now)) is not None:
                    return self._answer(now, near, None)
        while True:
            matches = self._matches(depth)
            early = self._early_result()  # before a connection is taken: it needs one
            with self._target.reader.snapshot() as now:
                live = now.lookup.chunks_of([match.key for match in matches.items])
                if not live and matches is not NO_MATCHES and matches.end == "exhausted" and self._asks_all:
                    self.hollow = now.lookup.any_embedded()
                hidden = self._hidden(now.lookup, {note for _, note in live.values()})
                live = {key: one for key, one in live.items() if one[1] not in hidden}
                if self._narrowed is not None:
                    passed = np.isin([note for _, note in live.values()], self._narrowed.notes).tolist()
                    live = {key: one for (key, one), passes in zip(live.items(), passed, strict=True) if passes}
                # Matches that are no longer, or not yet, in the catalog take up places: look further when they do.
                if len(live) >= self._n or matches.end != "more" or depth >= most:
                    near = [live[match.key] for match in matches.items if match.key in live]
                    if len(live) < self._n and matches.end != "exhausted":
                        near = self._compared_all(now, near)
                    return self._answer(now, near[: self._n], early)
            depth = min(4 * depth, most)

    def _compared_all(self, now: Snapshot, near: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """As `near`, where a backend gave no more, though others than the question is about may have come before."""
        if self._narrowed is not None:
            return self._compared(now.lookup, now.lookup.chunks_among(self._narrowed.notes))
        if self._target.assistant and not self._question.sources and not self._question.folder:
            return self._compared(now.lookup, now.lookup.chunks_among(now.selecting.all()))
        return near

    def _narrow(self, now: Snapshot) -> list[tuple[int, int]] | None:
        """Evaluate the filters; what is near the question, where so few notes pass that each was looked at."""
        hidden = partial(self._hidden, now.lookup)
        self._narrowed = narrowed(now, self._target, self._question, hidden, self._exact_chunks)
        if self._narrowed.chunks is None and self._vector is not None:
            return None
        return self._compared(now.lookup, self._narrowed.chunks)

    def _compared(self, now: Lookup, chunks: list[tuple[int, int]] | None) -> list[tuple[int, int]]:
        if self._vector is None or self._target.space is None or not chunks:
            return []
        return near_among(now, self._target.space.id, chunks, self._vector, self._n)

    def _hidden(self, now: Lookup, notes: Collection[int]) -> set[int]:
        return hidden_by(self._target, now, notes)

    def _matches(self, depth: int) -> Matches:
        """Chunks near the question, live or not, best first."""
        backend = self._target.backend
        if self._vector is None or self._target.space is None or backend is None:
            return NO_MATCHES
        with self._without_vectors():
            return backend.query(self._target.space.collection, self._vector, depth, where=self._where)
        self.unreached = True
        return NO_MATCHES

    def _answer(self, now: Snapshot, near: list[tuple[int, int]], early: tuple[int, ByWords] | None) -> Answer:
        target, question, generation = self._target, self._question, now.generation()
        if question.where is not None and not question.text and question.vector is None:
            return self._listed(now)
        by_words: ByWords | None = None
        if early is not None and early[0] == generation:
            by_words = early[1]
        elif question.mode != "vector":
            by_words = self._words(now.lookup)
        mode = question.mode
        if self._vector is None:
            if mode == "vector" and not question.listed:
                return Answer((), self._degraded(), generation, self._semantic)
            mode = "keyword"
        having = [phrase.notes for phrase in by_words.phrases] if by_words else []
        resolved = self._resolved.with_phrases(phrase_weights(self._statistics, having))
        space_id = target.space.id if target.space else None
        found = Candidates(near, by_words, partial(self._hidden, now.lookup), self._others(now))
        lone = self._asked.is_lone and bool(resolved.columns)
        ranking = rank(
            now.lookup, found, resolved, space_id, self._vector, self._calibration, mode,
            lone=lone, nowhere=share_nowhere(self._asked.words, resolved.unseen),
        )  # fmt: skip
        order = self._order(now, ranking.notes)
        shown = shown_hits(now.lookup, target, question, ranking, Matched.of(self._asked, resolved), order)
        # nothing is said of a word that only withheld notes have, or ones not asked for; nor where there are no hits,
        # unless all that was asked for is misspelt
        is_said = shown.hits or all(word.term in resolved.instead for word in self._asked.words if word.about)
        said = resolved.instead.items() if is_said else ()
        standing = ranking.standing
        if resolved.apart and by_words:
            ranked = set(ranking.notes.tolist())
            phrases = zip(self._asked.phrases, by_words.phrases, strict=True)
            standing |= {" ".join(phrase) for phrase, having in phrases if not ranked.isdisjoint(having.notes)}
        instead = {word: other for word, other in said if other in standing}
        unknown = self._narrowed.unknown if self._narrowed else ()
        degraded = self._degraded()
        is_cut = self._is_cut(near, by_words, ranking)
        if question.sort != "score" and is_cut:
            degraded += ("sorted_best",)
        return Answer(
            shown.hits, degraded, generation, self._semantic, shown.n_weak, instead, unknown,
            n_found=shown.n_found, found_all=not is_cut,
        )  # fmt: skip

    def _is_cut(self, near: list[tuple[int, int]], by_words: ByWords | None, ranking: Ranking) -> bool:
        """Whether there may be notes that match beside those that were found."""
        found = len(by_words.chunks if self._question.chunks else by_words.notes) if by_words else 0
        passed = len(self._narrowed.notes) if self._narrowed and self._question.listed else 0
        is_full = len(near) >= self._n and ranking.all_good(chunk for chunk, _ in near)
        return self._question.mode == "vector" or is_full or found >= self._n or passed > MOST_LISTED

    def _listed(self, now: Snapshot) -> Answer:
        """The notes that pass the filters, the last first: there are no words to rank them by."""
        assert self._narrowed is not None
        order = self._order(now, self._narrowed.notes, by="modified")
        passed = sorted(self._narrowed.notes.tolist(), key=order.places.__getitem__)
        lines = lines_found(now, self._question, passed[: self._question.top_k])
        hits = tuple(listed_hits(now.lookup, self._target, self._question, lines, order))
        unknown = self._narrowed.unknown
        return Answer(hits, (), now.generation(), True, unknown=unknown, n_found=len(passed), found_all=True)

    def _others(self, now: Snapshot) -> list[int]:
        """Notes that pass, and are answers for that alone."""
        if self._narrowed is None or not self._question.listed:
            return []
        return now.selecting.latest(self._narrowed.notes, MOST_LISTED)

    def _order(self, now: Snapshot, notes: np.ndarray, by: Sort = "score") -> Order:
        sort = by if self._question.sort == "score" else self._question.sort
        found = order_of(now, self._target, sort, np.unique(notes)) if sort != "score" else Order()
        return replace(found, days=partial(days_of, now, self._target))

    def _degraded(self) -> tuple[str, ...]:
        reasons: list[str] = []
        if not self._semantic:
            reasons.append("semantic_unavailable")
        if self.unreached:
            reasons.append("backend_unavailable")
        return tuple(reasons)


def _filter(target: Target, question: Question) -> Filter | None:
    sources = None
    if question.sources:
        sources = one_of("source", {p.uid for label, p in target.places.items() if label in question.sources})
    elif target.partial or (target.backend is not None and not target.backend.traits.private):
        # what is not asked for, or others feed it with, would take up places and join to nothing
        sources = one_of("source", {place.uid for place in target.places.values()})
    return every(sources, within(question.folder) if question.where is None else None)
