"""
Query → hits. The other place that knows a whole order: embed, search vectors and words, fuse, join.

Every hit is joined with the catalog before it is returned, so that a stale vector never becomes an
answer. Runs on a reader lane, and looks for words on a thread beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import structlog

from vragd.backends.base import Matches, VectorBackend
from vragd.catalog.model import Found, Ranked, SpaceRow
from vragd.catalog.reader import Reader, Snapshot
from vragd.errors import (
    BackendUnavailable,
    EmbedderRejected,
    EmbedderUnavailable,
    StoreMismatch,
    UnknownCollection,
    UsageError,
)
from vragd.search.folder import spellings, within
from vragd.system.log import error_fields
from vragd.terms.bounds import MAX_QUERY_CHARS, MAX_TOP_K
from vragd.terms.filter import Filter, every, one_of
from vragd.terms.names import link

log = structlog.get_logger()

Mode = Literal["hybrid", "vector", "keyword"]
CANDIDATES = 100
# A blend of normalised scores is steadier across collections than reciprocal ranks; vectors are usually
# the better list. Measured on four collections, see docs/architecture.md, "Ranking".
VECTOR_SHARE = 0.7
WORD_THREADS = 4
TRIES = 3  # a commit between the backend's answer and the catalog's may hide a note: look again

NO_MATCHES = Matches((), "exhausted")

_beside = ThreadPoolExecutor(WORD_THREADS, "words")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `sources` are labels, `folder` is relative to a source; empty means everywhere."""

    text: str = ""
    vector: tuple[float, ...] | None = None
    top_k: int = 5
    mode: Mode = "hybrid"
    sources: frozenset[str] = frozenset()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A source as links and filters need it."""

    uid: str
    root: Path
    in_obsidian: bool
    withheld: Callable[[str], bool] | None = None
    """Which of its notes nobody may be shown, though they are indexed; None where that is none."""


@dataclass(frozen=True, slots=True)
class Target:
    """A store as a query sees it at one moment."""

    name: str
    reader: Reader
    backend: VectorBackend
    space: SpaceRow | None
    embed_query: Callable[[str], np.ndarray]
    places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. `score` is higher for better hits; what it measures depends on the mode."""

    store: str
    source: str
    path: str
    title: str
    heading: tuple[str, ...]
    lines: tuple[int, int]
    score: float
    text: str
    uri: str


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The hits of one store, best first, and why they may be fewer or worse than they should be.

    `generation` is that of the catalog they were joined with; `semantic` is whether vectors could be asked, where they
    were to be.
    """

    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] = ()
    generation: int = 0
    semantic: bool = True


def check(question: Question) -> None:
    """Raise UsageError for a question that cannot be asked."""
    if not 1 <= question.top_k <= MAX_TOP_K:
        raise UsageError(f"top_k is {question.top_k}, expected 1 to {MAX_TOP_K}")
    if question.vector is None and not question.text.strip():
        raise UsageError("the query is empty", hint='vragd query "a few words"')
    if len(question.text) > MAX_QUERY_CHARS:
        raise UsageError(f"the query has {len(question.text)} characters, the limit is {MAX_QUERY_CHARS}")
    if question.vector is not None and question.mode != "vector":
        raise UsageError("a query by vector needs mode 'vector'")


def ask(target: Target, question: Question) -> Answer:
    """
    The best hits of one store. Raises only for a wrong question.

    When the query cannot be embedded or the backend cannot be reached, words alone answer and
    `degraded` says so; a query in mode `vector` then has no hits. An answer is of one generation, unless
    commits come quicker than it can be found.
    """
    before = target.reader.generation()
    look = _Look(target, question)
    for _ in range(TRIES):
        answer = look.once()
        if answer.generation == before:
            break
        before = answer.generation
    return answer


class _Look:
    """One question to one store, which may be looked at again. What failed once is not tried again."""

    def __init__(self, target: Target, question: Question) -> None:
        self._target, self._question = target, question
        self._semantic = True
        self._where = _filter(target, question)
        self._early: Future[tuple[int, list[Ranked]]] | None = None
        if question.mode == "hybrid" and question.text:  # embedding and vectors take another core about as long
            self._early = _beside.submit(self._early_words)
        self._vector = self._embedded() if question.mode != "keyword" else None

    def _embedded(self) -> np.ndarray | None:
        target, question = self._target, self._question
        if target.space is None:
            self._semantic = False
            return None
        if question.vector is None:
            with self._without_vectors():
                return target.embed_query(question.text)
            return None
        vector = np.asarray(question.vector, dtype=np.float32)
        if vector.shape != (target.space.dimension,):
            raise UsageError(
                f"the vector has {len(question.vector)} dimensions, store {target.name!r} has {target.space.dimension}"
            )
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

    def _early_result(self) -> tuple[int, list[Ranked]] | None:
        try:
            return self._early.result() if self._early else None
        except BackendUnavailable:  # no connection was free in time: one will be looked for again
            return None

    def _early_words(self) -> tuple[int, list[Ranked]]:
        with self._target.reader.snapshot() as now:
            return now.generation(), self._words(now)

    def _words(self, now: Snapshot) -> list[Ranked]:
        question = self._question
        limit = CANDIDATES if question.mode == "hybrid" or self._withholds else question.top_k
        folders = spellings(question.folder) if question.folder else ()
        return now.keyword(question.text, limit, question.sources, folders)

    def once(self) -> Answer:
        """The answer as of one instant of the catalog; the backend's matches may be of a moment before."""
        wanted = self._question.top_k if self._question.mode == "vector" else CANDIDATES
        most = self._target.backend.traits.max_matches or 64 * wanted
        depth = min(wanted + 10, most)
        while True:
            matches = self._matches(depth)
            early = self._early_result()  # before a connection is taken: it needs one
            with self._target.reader.snapshot() as now:
                live = self._shown(now, now.live([match.key for match in matches.items]))
                # Matches that are no longer, or not yet, in the catalog take up places: look further when they do.
                if len(live) >= wanted or matches.end != "more" or depth >= most:
                    by_vector = [Ranked(match.key, match.score) for match in matches.items if match.key in live]
                    return self._answer(now, by_vector[:wanted], early)
            depth = min(4 * depth, most)

    @property
    def _withholds(self) -> bool:
        return any(place.withheld for place in self._target.places.values())

    def _shown(self, now: Snapshot, keys: set[str]) -> set[str]:
        """Those of the live `keys` whose notes are not withheld."""
        if not self._withholds:
            return keys
        places = self._target.places

        def is_shown(found: Found) -> bool:
            place = places.get(found.source)
            return place is None or place.withheld is None or not place.withheld(found.path)

        return {key for key, found in now.join(sorted(keys)).items() if is_shown(found)}

    def _matches(self, depth: int) -> Matches:
        """Chunks near the question, live or not, best first."""
        if self._vector is None or self._target.space is None:
            return NO_MATCHES
        with self._without_vectors():
            return self._target.backend.query(self._target.space.collection, self._vector, depth, where=self._where)
        return NO_MATCHES

    def _answer(self, now: Snapshot, by_vector: list[Ranked], early: tuple[int, list[Ranked]] | None) -> Answer:
        question, generation = self._question, now.generation()
        by_words: list[Ranked] = []
        if early is not None and early[0] == generation:
            by_words = early[1]
        elif question.mode != "vector":
            by_words = self._words(now)
        if by_words and self._withholds:
            shown = self._shown(now, {one.key for one in by_words})
            by_words = [one for one in by_words if one.key in shown]
        ranked = fuse(by_vector, by_words) if question.mode == "hybrid" else by_vector or by_words
        best = ranked[: question.top_k]
        chunks = now.join([one.key for one in best])
        hits = tuple(_hit(self._target, chunks[one.key], one.score) for one in best)
        degraded = []
        if not self._semantic:
            degraded.append("semantic_unavailable")
        return Answer(hits, tuple(degraded), generation, self._semantic)


def _filter(target: Target, question: Question) -> Filter | None:
    sources = None
    if question.sources:
        sources = one_of("source", {p.uid for label, p in target.places.items() if label in question.sources})
    elif not target.backend.traits.private:  # others may feed it too: theirs would take up places and join to nothing
        sources = one_of("source", {place.uid for place in target.places.values()})
    return every(sources, within(question.folder))


def fuse(by_vector: Sequence[Ranked], by_words: Sequence[Ranked]) -> list[Ranked]:
    """
    Both lists as one, best first, scores in [0, 1]: a blend of the lists' own scores, each scaled to [0, 1].

    A chunk missing from a list counts 0 there. With one list empty the other stands alone.
    """
    shares = (VECTOR_SHARE, 1 - VECTOR_SHARE) if by_vector and by_words else (1.0, 1.0)
    scores: dict[str, float] = {}
    for found, share in zip((by_vector, by_words), shares, strict=True):
        low = min((one.score for one in found), default=0.0)
        span = max((one.score for one in found), default=0.0) - low
        for key, score in found:
            scaled = (score - low) / span if span > 0 else 1.0
            scores[key] = scores.get(key, 0.0) + share * scaled
    return [Ranked(key, -cost) for cost, key in sorted((-score, key) for key, score in scores.items())]


def merge(answers: Sequence[tuple[str, Answer]], top_k: int) -> tuple[Hit, ...]:
    """
    The hits of several stores as one list; each answer comes with its space's fingerprint.

    Scores of one space are compared; scores of different spaces mean nothing to each other, so those
    stores take turns.
    """
    if len({space for space, _ in answers}) <= 1:
        hits = [hit for _, answer in answers for hit in answer.hits]
        return tuple(sorted(hits, key=lambda hit: -hit.score)[:top_k])
    turns = [(rank, i, hit) for i, (_, answer) in enumerate(answers) for rank, hit in enumerate(answer.hits)]
    return tuple(hit for _, _, hit in sorted(turns, key=lambda turn: turn[:2])[:top_k])


def _hit(target: Target, found: Found, score: float) -> Hit:
    place = target.places.get(found.source)
    uri = link(place.root, found.path, in_obsidian=place.in_obsidian) if place else ""
    return Hit(target.name, found.source, found.path, found.title, found.heading, found.lines, score, found.text, uri)
