"""Ranked notes → the hits that are shown: the floor, equal texts once, templates last, each with what matched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from vragd.catalog.asked import Asked
from vragd.catalog.lookup import Lookup
from vragd.catalog.model import Found
from vragd.catalog.resolve import Resolved
from vragd.search.excerpt import Matched, excerpt
from vragd.search.floor import is_weak
from vragd.search.merge import once
from vragd.search.question import Hit, Passage, Question, Target
from vragd.search.rank import Ranked
from vragd.search.score import FIRST, Parts
from vragd.terms.names import link

MORE_PASSAGES = 2  # of a note, beside its best
SPARE = 2  # for equal texts: excerpts are made of what is shown, and little else


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes a hit: a note with its passages, or with `chunks` one of them."""

    note: int
    passages: list[tuple[int, Parts]]
    parts: Parts
    weak: bool = False


def shown_hits(
    now: Lookup,
    target: Target,
    question: Question,
    ranked: Sequence[Ranked],
    asked: Asked,
    resolved: Resolved,
    mode: str,
) -> tuple[tuple[Hit, ...], int]:
    """The best `top_k` hits, and how many were left out as no good match."""
    rows = [Row(one.note, one.passages, one.parts) for one in ranked]
    if question.chunks:
        rows = [Row(one.note, [passage], passage[1]) for one in ranked for passage in one.passages]
        rows.sort(key=lambda row: -row.parts.score(mode))
    nowhere = len(resolved.nowhere) / max(1, len(asked.words))
    strong = [replace(row, weak=is_weak(row.parts, mode, foreign=resolved.foreign, nowhere=nowhere)) for row in rows]
    chosen = [row for row in strong if question.weak or not row.weak]
    matched = Matched.of(asked, resolved)
    found: list[Hit] = []
    templates: list[Hit] = []
    wanted = question.top_k
    waiting = iter(chosen)
    while len(found) < wanted and (batch := list(islice(waiting, wanted - len(found) + SPARE))):
        for hit in _hits(now, target, batch, matched, mode, explain=question.explain):
            (templates if hit.template else found).append(hit)
        found = once(found)
    return tuple(once([*found, *templates])[:wanted]), len(rows) - len(chosen)


def _hits(
    now: Lookup, target: Target, rows: Sequence[Row], matched: Matched, mode: str, *, explain: bool
) -> list[Hit]:  # fmt: skip
    texts = now.passages([chunk for row in rows for chunk, _ in row.passages[: 1 + MORE_PASSAGES]])
    bare = now.notes([row.note for row in rows if row.passages[0][0] not in texts])
    hits = []
    for row in rows:
        found = texts.get(row.passages[0][0])
        if found is None and row.note in bare:  # a note without text, found by its name
            label, path, title = bare[row.note]
            found = Found("", label, path, title, (), (1, 1), "")
        if found is not None:
            others = row.passages[1 : 1 + MORE_PASSAGES]
            more = [texts[chunk] for chunk, parts in others if chunk in texts and parts.words]
            hit = _hit(target, found, row, mode, more, matched)
            hits.append(replace(hit, parts=row.parts.explained()) if explain else hit)
    return hits


def _hit(target: Target, found: Found, row: Row, mode: str, more: Sequence[Found], matched: Matched) -> Hit:
    parts = row.parts
    place = target.places.get(found.source)
    uri = ""
    if place:
        uri = link(place.root, found.path, in_obsidian=place.in_obsidian, heading=found.heading)
    folders = place.templates if place and parts.ahead < FIRST else ()
    is_template = any(_is_below(found.path, folder) for folder in folders)
    cut = excerpt(found.text, found.lines[0], matched)
    return Hit(
        target.name, found.source, found.path, found.title, found.heading, found.lines, parts.score(mode), found.text,
        uri,
        cut.text, cut.spans, cut.lines, tuple(_passage(one, matched) for one in more),
        weak=row.weak, template=is_template,
    )  # fmt: skip


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.strip("/") + "/")


def _passage(found: Found, matched: Matched) -> Passage:
    cut = excerpt(found.text, found.lines[0], matched)
    return Passage(found.heading, found.lines, cut.text, cut.spans, cut.lines)
