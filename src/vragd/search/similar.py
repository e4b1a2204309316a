"""
Notes that are related to one, or to a text: by what they are about and by the words they share.

    score = (mean - CROWD·crowd + WORDS·words + TITLE·title) / (1 + WORDS + TITLE)

`mean` is the cosine of the means of their passages' vectors, in which a passage that stands in many places counts so
many times less; `crowd` how near a note is to those around it; `words` the cosine of their words (`catalog.alike`);
`title` that of each one's title with the other's mean. Where a note has no passage its title stands for it. What recurs
in the notes that are nearest is left out of the one that is asked for (`search.likened`). Runs on a reader lane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import structlog

from vragd.backends.base import VectorBackend
from vragd.catalog.alike import Known, cosines, known
from vragd.catalog.graph import File, Graph
from vragd.catalog.model import Found
from vragd.catalog.passages import Passages
from vragd.catalog.reader import Snapshot
from vragd.errors import NotFound, VragdError
from vragd.search.grammar.tree import And
from vragd.search.likened import Likened, likened_note, likened_text, without_recurring
from vragd.search.links import FileRef, graph_of, refs_of
from vragd.search.narrowed import days_of, hidden_by, linked_of, narrowed
from vragd.search.question import Place, Question, Target, Unknown
from vragd.system.filenames import shown
from vragd.system.log import error_fields
from vragd.terms.names import link

log = structlog.get_logger()

WORDS, TITLE, CROWD = 1.5, 0.3, 0.2
NEIGHBOURS = 30
COMPARED = 300
"""Notes that are compared by their vectors, where a store has more passages than EXACT_CHUNKS: those with the most of
the words, and those with a passage that is near."""
EXACT_CHUNKS = 10_000
ASKED_FOR, NEAR = 8, 40  # passages of the note that a backend is asked for, and matches of each
DEEPEST = 64 * NEAR
AT_ONCE = 2_000

Direction = Literal["out", "back"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: related to the note `file`, or else to `text`. `unlinked`: no note that a link joins with it."""

    question: Question
    file: File | None = None
    text: str = ""
    unlinked: bool = False


@dataclass(frozen=True, slots=True)
class Related:
    """
    A related note with its passage that is nearest, `id` '' where it has none. `linked`: whether it is, and how.
    `copies`: other notes of the same passages, which are related as well and no hits of their own.
    """

    note: FileRef
    score: float
    linked: tuple[Direction, ...]
    id: str = ""
    heading: tuple[str, ...] = ()
    lines: tuple[int, int] = (1, 1)
    modified: float = 0.0
    date: str | None = None
    uri: str = ""
    file: str = ""
    copies: tuple[FileRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """
    Of one store, best first, `texts` what each consists of: hashes of its passages. `semantic`: whether vectors could
    be compared, where there are any. `unknown`: what its filters name and no note has.
    """

    hits: tuple[Related, ...] = ()
    texts: tuple[frozenset[bytes], ...] = ()
    note: FileRef | None = None
    semantic: bool = True
    generation: int = 0
    unknown: tuple[Unknown, ...] = ()


def similar(target: Target, wanted: Wanted, *, exact_chunks: int = EXACT_CHUNKS) -> Answer:
    """
    The notes of one store that are related: never the note itself, a copy of it, or a template.

    Raises UsageError for filters that are none, and for a text that is no note.
    """
    asked = likened_text(target, wanted.text) if wanted.file is None else Likened()
    linked = linked_of(target)
    with target.reader.snapshot() as now:
        graph, store = graph_of(linked, now.db), known(now.db)
        note: FileRef | None = None
        joined: dict[int, tuple[Direction, ...]] = {}
        if wanted.file is not None:
            file = graph.at(wanted.file.source, wanted.file.path)
            if file is None or not file.note:
                raise NotFound("that note is gone, or is none", hint="vragd files lists what is there")
            asked, joined = likened_note(now, target, store, file.note), _joined(graph, file)
            (note,) = refs_of(linked, graph, [file])
        among, unknown = _among(now, target, wanted.question, asked)
        if wanted.unlinked:
            among = np.array([one for one in among.tolist() if one not in joined], dtype=np.int64)
        scored = _scored(now, target, store, asked, among, exact_chunks)
        near = np.array(sorted(row for row, _ in scored[:COMPARED]), dtype=np.int64)
        bare = without_recurring(target, asked, (text for _, text in now.selecting.texts(near)))
        if bare is not asked:
            scored = _scored(now, target, store, bare, among, exact_chunks)
        best = _once(store, scored, among)[: wanted.question.top_k]
        texts = Passages(now.db).texts_of([one.row for one in best])
        hits = [(hit, texts.get(row, frozenset())) for row, hit in _shown(now, target, bare, best, joined)]
        found = tuple(hit for hit, _ in hits), tuple(of for _, of in hits)
        return Answer(*found, note, bare.semantic, now.generation(), unknown)


def _weights(store: Known, chunks: Sequence[int]) -> np.ndarray:
    return np.array([1.0 / store.repeated.get(chunk, 1) for chunk in chunks])


def _among(
    now: Snapshot, target: Target, question: Question, asked: Likened
) -> tuple[np.ndarray, tuple[Unknown, ...]]:  # fmt: skip
    """The notes that may be answers, sorted; and what the filters name and no note has."""
    where = question if question.where is not None else replace(question, where=And(()))
    passed = narrowed(now, target, where, lambda rows: hidden_by(target, now.lookup, rows), 0)
    notes = passed.notes
    entries = now.lookup.notes(notes.tolist())
    folders = {label: tuple(f"{one.strip('/')}/" for one in p.templates) for label, p in target.places.items()}
    copies = Passages(now.db).with_texts(asked.texts)
    left_out = {asked.row} | copies
    left_out |= {row for row, (label, path, *_) in entries.items() if path.startswith(folders.get(label, ()))}
    some = [row for row in notes.tolist() if row not in left_out and row in entries]
    return np.array(some, dtype=np.int64), passed.unknown


def _joined(graph: Graph, file: File) -> dict[int, tuple[Direction, ...]]:
    """By row, the notes that a link joins with it."""
    out = {edge.to.note for edge in graph.links_of(file) if edge.to is not None and edge.to != file}
    back = {edge.of.note for edge in graph.links_to(file)}
    ways: dict[int, tuple[Direction, ...]] = dict.fromkeys(out - {0}, ("out",))
    return ways | {row: (*ways.get(row, ()), "back") for row in back}


def _scored(
    now: Snapshot, target: Target, store: Known, asked: Likened, among: np.ndarray, exact_chunks: int
) -> list[tuple[int, float]]:  # fmt: skip
    """(note, score), the best first."""
    every = dict(zip(store.notes.tolist(), cosines(store, asked.profile).tolist(), strict=True))
    words = np.array([every.get(row, 0.0) for row in among.tolist()])
    mean = _mean(asked.vectors, asked.weights, asked.title)
    if mean is None or target.space is None or not len(among):
        score = WORDS * words / (1 + WORDS + TITLE)
    else:
        chosen = _compared(now, target, asked, among, words, exact_chunks)
        among, words = among[chosen], words[chosen]
        means, titles = _vectors(now, target.space.id, store, among, len(mean))
        with_title = titles @ mean
        if asked.title is not None:
            with_title = (with_title + means @ _unit(asked.title)) / 2
        near = means @ mean
        best = np.argsort(-(near + WORDS * words + TITLE * with_title), kind="stable")[:COMPARED]
        among = among[best]
        near = near[best] - CROWD * _crowd(means[best])
        score = (near + WORDS * words[best] + TITLE * with_title[best]) / (1 + WORDS + TITLE)
    order = np.lexsort((among, -np.round(score, 6)))
    return [(int(among[at]), float(score[at])) for at in order if score[at] > 0]


def _crowd(means: np.ndarray) -> np.ndarray:
    """How near each is to those around it: notes that are made alike are near to each other for that alone."""
    cosines = means @ means.T
    np.fill_diagonal(cosines, 0.0)
    n = min(NEIGHBOURS, max(1, len(means) - 1))
    made: np.ndarray = np.partition(cosines, -n, axis=1)[:, -n:].mean(axis=1)
    return made


def _compared(
    now: Snapshot, target: Target, asked: Likened, among: np.ndarray, words: np.ndarray, exact_chunks: int
) -> np.ndarray:  # fmt: skip
    """Which of the notes are compared by vectors, as places in `among`."""
    assert target.space is not None and target.backend is not None
    if len(now.lookup.chunks_among(among)) <= exact_chunks:
        return np.arange(len(among))
    best = among[np.argsort(-words, kind="stable")[:COMPARED]].tolist()
    heaviest = np.argsort(-asked.weights, kind="stable")[:ASKED_FOR]
    try:
        for vector in asked.vectors[heaviest]:
            best += _near(now, target.backend, target.space.collection, vector, deeper=target.assistant)
    except VragdError as error:  # those with the same words are compared all the same
        log.warning("search.vectors_unavailable", store=target.name, **error_fields(error))
    return np.flatnonzero(np.isin(among, best))


def _near(
    now: Snapshot, backend: VectorBackend, collection: str, vector: np.ndarray, *, deeper: bool
) -> list[int]:  # fmt: skip
    """The notes of the passages that are nearest to a vector. To an assistant what is closed takes up places."""
    depth = NEAR
    while True:
        matches = backend.query(collection, vector, depth)
        live = now.lookup.chunks_of([match.key for match in matches.items])
        if len(live) >= NEAR or not deeper or matches.end != "more" or depth >= DEEPEST:
            return [live[match.key][1] for match in matches.items if match.key in live][:NEAR]
        depth = 4 * depth


def _vectors(
    now: Snapshot, space_id: int, store: Known, notes: np.ndarray, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of notes' means and titles, a row each; where a note has no passage its title stands for it."""
    at = {row: i for i, row in enumerate(notes.tolist())}
    means, titles = np.zeros((len(at), dimension)), np.zeros((len(at), dimension))
    for start in range(0, len(notes), AT_ONCE):
        rows, vectors = now.lookup.title_vectors(space_id, notes[start : start + AT_ONCE].tolist())
        if rows and vectors.shape[1] == dimension:
            titles[[at[row] for row in rows]] = vectors
    owner = dict(now.lookup.chunks_among(notes))
    chunks = list(owner)
    for start in range(0, len(chunks), AT_ONCE):
        found, vectors = now.lookup.vectors(space_id, chunks[start : start + AT_ONCE])
        if found and vectors.shape[1] == dimension:
            np.add.at(means, [at[owner[chunk]] for chunk in found], vectors * _weights(store, found)[:, None])
    bare = ~means.any(axis=1)
    means[bare] = titles[bare]
    return _unit(means), _unit(titles)


def _mean(vectors: np.ndarray, weights: np.ndarray, title: np.ndarray | None) -> np.ndarray | None:
    if len(vectors):
        return _unit(weights @ vectors)
    return None if title is None else _unit(title)


def _unit(rows: np.ndarray) -> np.ndarray:
    made: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return made


@dataclass(frozen=True, slots=True)
class _Once:
    """A note, and the others that consist of the same texts."""

    row: int
    score: float
    copies: Sequence[int]


def _once(store: Known, scored: Sequence[tuple[int, float]], among: np.ndarray) -> list[_Once]:
    """Notes of the same texts once, where the best of them comes: what is no passage, as properties, is left aside."""
    found, seen, may = list[_Once](), set[int](), set(among.tolist())
    for row, score in scored:
        if row not in seen:
            same = [other for other in store.copies.get(row, (row,)) if other in may]
            seen.update(same)
            found.append(_Once(row, score, [other for other in same if other != row]))
    return found


def _shown(
    now: Snapshot, target: Target, asked: Likened, best: Sequence[_Once],
    joined: Mapping[int, tuple[Direction, ...]],
) -> list[tuple[int, Related]]:  # fmt: skip
    """As they are answered, by row, each with its passage that is nearest to any of the note's."""
    linked = linked_of(target)
    graph = graph_of(linked, now.db)
    rows = [row for one in best for row in (one.row, *one.copies)]
    files = {row: graph.at(label, path) for row, (label, path, *_) in now.lookup.notes(rows).items()}
    there = {row: file for row, file in files.items() if file is not None}
    refs = dict(zip(there, refs_of(linked, graph, list(there.values())), strict=True))
    days = days_of(now, target, [one.row for one in best])
    modified = {row: entry[3] for row, entry in now.lookup.notes([one.row for one in best]).items()}
    made = list[tuple[int, Related]]()
    for one in best:
        if one.row not in there:
            continue
        file, of = there[one.row], _nearest(now, target, asked, one.row)
        hit = Related(
            refs[one.row], round(one.score, 4), joined.get(one.row, ()), modified=modified[one.row] / 1e9,
            date=days[one.row].isoformat() if one.row in days else None,
            copies=tuple(refs[row] for row in one.copies if row in refs),
        )  # fmt: skip
        if of is not None:
            hit = replace(hit, id=of.id, heading=of.heading, lines=of.lines)
        made.append((one.row, _opened(hit, target.places.get(file.source), file.path)))
    return made


def _opened(one: Related, place: Place | None, path: str) -> Related:
    """With what opens it."""
    if place is None:
        return one
    uri = link(place.root, path, in_obsidian=place.in_obsidian, heading=one.heading, line=one.lines[0])
    return replace(one, uri=uri, file=shown(f"{place.root}/{path}"))


def _nearest(now: Snapshot, target: Target, asked: Likened, note: int) -> Found | None:
    """The passage of the note that is nearest to any of those asked for; None where it has none."""
    chunks = [chunk for chunk, *_ in Passages(now.db).of_note(note)]
    if target.space is not None and len(asked.vectors) and chunks:
        found, vectors = now.lookup.vectors(target.space.id, chunks)
        if found:
            chunks = [found[int(np.argmax((vectors @ asked.vectors.T).max(axis=1)))]]
    return now.lookup.passages(chunks[:1]).get(chunks[0]) if chunks else None
