"""Ranked notes → the hits that are shown: the floor, equal texts once, templates last, each with what matched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from itertools import islice
from typing import NamedTuple

from vragd.catalog.lookup import Lookup
from vragd.catalog.model import Found
from vragd.search.across import across
from vragd.search.excerpt import Cut, Matched, excerpt
from vragd.search.merge import once
from vragd.search.question import Hit, Passage, Question, Target
from vragd.search.rank import NO_PASSAGE, Ranked, Ranking
from vragd.search.score import FIRST, Parts
from vragd.system.filenames import shown
from vragd.terms.names import has_marks, link


@dataclass(frozen=True, slots=True)
class Order:
    """
    By note: its place, where that is not the best first; when it was `created`, where that decides. `days` looks up of
    some notes which day each says it is of.
    """

    places: Mapping[int, int] = field(default_factory=dict)
    created: Mapping[int, float] = field(default_factory=dict)
    days: Callable[[Sequence[int]], Mapping[int, date]] = lambda _: {}


class Shown(NamedTuple):
    """`n_weak` were left out as no good match; `n_found` others were found, those that are shown among them."""

    hits: tuple[Hit, ...]
    n_weak: int
    n_found: int


MORE_PASSAGES = 2  # of a note, beside its best
NOTHING = Parts(None, None, None, None)
IN_NO_PASSAGE = (0, 0)  # the lines of what a note has beside its passages
SPARE = 2  # for equal texts: excerpts are made of what is shown, and little else


def shown_hits(
    now: Lookup, target: Target, question: Question, ranking: Ranking, matched: Matched, order: Order
) -> Shown:  # fmt: skip
    """The best `top_k` hits, or the first by their `order`, of those that were found."""
    speaks = target.multilingual and ranking.semantic
    other = partial(across, now, question.text, target.is_word) if speaks else None
    places, n_weak = ranking.best(chunks=question.chunks, listed=question.listed, across=other)
    weak = set(places[len(places) - n_weak :])
    n_left_out = 0 if question.weak else n_weak
    places = places[: len(places) - n_left_out]
    good = ranking.at_least(places, question.min_score) if question.min_score else places
    if order.places:
        places = good
        places.sort(key=lambda at: order.places[int(ranking.notes[ranking.owner[at]])])
    rows = ranking.rows(places, weak, chunks=question.chunks)
    found: list[Hit] = []
    templates: list[Hit] = []
    wanted = question.top_k
    while len(found) < wanted and (batch := list(islice(rows, wanted - len(found) + SPARE))):
        for hit in _hits(now, target, batch, ranking.mode, order, explain=question.explain):
            (templates if hit.template else found).append(hit)
        found = found if question.chunks else once(found)
    hits = [*found, *templates]
    shown = (hits if question.chunks else once(hits))[:wanted]
    return Shown(tuple(_with_excerpts(now, hit, matched) for hit in shown), n_left_out, len(good))


def listed_hits(
    now: Lookup, target: Target, question: Question, notes: Mapping[int, int | None], order: Order
) -> list[Hit]:
    """
    These notes in this order, each with the passage that has the line, or else its first: nothing was asked that could
    rank them.
    """
    chunks = now.chunks_at(notes)
    rows = [Ranked(note, [(chunks.get(note, NO_PASSAGE), NOTHING)], NOTHING) for note in notes]
    hits = _hits(now, target, rows, question.mode, order, explain=False)
    return [_from_line(hit, line) for hit, line in zip(hits, notes.values(), strict=True)]


def _from_line(hit: Hit, line: int | None) -> Hit:
    """With an excerpt that begins at that line, where its text is the file's lines."""
    lines, (begins, ends) = hit.text.split("\n"), hit.lines
    first = line - begins if line and begins <= line <= ends and len(lines) == ends - begins + 1 else 0
    cut = excerpt("\n".join(lines[first:]), (begins + first, ends), Matched(), marks=has_marks(hit.path))
    return replace(hit, excerpt=cut.text, spans=cut.spans, excerpt_lines=cut.lines)


def _hits(now: Lookup, target: Target, rows: Sequence[Ranked], mode: str, order: Order, *, explain: bool) -> list[Hit]:
    texts = now.passages([chunk for row in rows for chunk, _ in row.passages[: 1 + MORE_PASSAGES]])
    bare = now.notes([row.note for row in rows if row.passages[0][0] not in texts])
    days = order.days([row.note for row in rows])
    hits = []
    for row in rows:
        found = texts.get(row.passages[0][0])
        if found is None and row.note in bare:  # a note without text, found by its name
            label, path, title, modified = bare[row.note]
            found = Found("", label, path, title, (), (1, 1), "", modified)
        if found is not None:
            others = row.passages[1 : 1 + MORE_PASSAGES]
            more = [texts[chunk] for chunk, parts in others if chunk in texts and parts.words]
            hit = _hit(target, found, row, mode, more)
            day = days.get(row.note)
            hit = replace(hit, created=order.created.get(row.note), date=day.isoformat() if day else None)
            hits.append(replace(hit, parts=row.parts.explained()) if explain else hit)
    return hits


def _hit(target: Target, found: Found, row: Ranked, mode: str, more: Sequence[Found]) -> Hit:
    parts = row.parts
    place = target.places.get(found.source)
    uri = ""
    if place:
        uri = link(place.root, found.path, in_obsidian=place.in_obsidian, heading=found.heading, line=found.lines[0])
    folders = place.templates if place and parts.ahead < FIRST else ()
    return Hit(
        target.name, found.source, found.path, found.title, found.heading, found.lines, parts.score(mode), found.text,
        uri,
        passages=tuple(Passage(one.heading, one.lines, one.text, id=one.id) for one in more),
        weak=row.weak,
        template=any(_is_below(found.path, folder) for folder in folders),
        modified=found.modified_ns / 1e9,
        id=found.id,
        file=shown(f"{place.root}/{found.path}") if place else "",
    )  # fmt: skip


def _with_excerpts(now: Lookup, hit: Hit, matched: Matched) -> Hit:
    """The hit with what matched, of its passages, too: until now they are there in full."""
    marks = has_marks(hit.path)
    cut = excerpt(hit.text, hit.lines, matched, marks=marks)
    if not cut.spans and (matched.terms or matched.runs):
        beside = excerpt(now.words_beside(hit.source, hit.path), IN_NO_PASSAGE, matched)
        cut = replace(beside, lines=IN_NO_PASSAGE) if beside.spans else cut
    more = tuple(_cut(one, excerpt(one.excerpt, one.lines, matched, marks=marks)) for one in hit.passages)
    return replace(hit, excerpt=cut.text, spans=cut.spans, excerpt_lines=cut.lines, passages=more)


def _cut(passage: Passage, cut: Cut) -> Passage:
    return replace(passage, excerpt=cut.text, spans=cut.spans, excerpt_lines=cut.lines)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.strip("/") + "/")
