"""The answers of several stores as one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vragd.search.question import Answer, Hit
from vragd.terms.names import shown


def merge(answers: Sequence[tuple[str, Answer]], top_k: int, *, chunks: bool = False) -> tuple[Hit, ...]:
    """
    The hits of several stores as one list; each answer comes with its space's fingerprint.

    Scores of one space are compared; scores of different spaces mean nothing to each other, so those
    stores take turns. Templates stay last, and a passage that two stores have is shown once, but where `chunks` are
    asked for.
    """
    if len({space for space, _ in answers}) <= 1:
        hits = sorted((hit for _, answer in answers for hit in answer.hits), key=lambda hit: (hit.template, -hit.score))
    else:
        turns = [(rank, i, hit) for i, (_, answer) in enumerate(answers) for rank, hit in enumerate(answer.hits)]
        hits = [hit for _, _, hit in sorted(turns, key=lambda turn: (turn[2].template, *turn[:2]))]
    return tuple((hits if chunks else once(hits))[:top_k])


def once(hits: Sequence[Hit]) -> list[Hit]:
    """Each passage once, where it comes first; the others are named there."""
    places: dict[str, int] = {}
    found: list[Hit] = []
    for hit in hits:
        at = places.setdefault(hit.text, len(found)) if hit.text else len(found)
        if at == len(found):
            found.append(hit)
        else:
            found[at] = replace(found[at], copies=(*found[at].copies, shown(hit.path), *hit.copies))
    return found
