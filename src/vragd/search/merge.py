"""The answers of several stores as one list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from vragd.catalog.fold import fold
from vragd.search.question import Answer, Copy, Hit, Sort


def merge(
    answers: Sequence[tuple[str, Answer]], top_k: int, *, chunks: bool = False, sort: Sort = "score"
) -> tuple[Hit, ...]:
    """
    The hits of several stores as one list; each answer comes with its space's fingerprint.

    Scores of one space are compared; scores of different spaces mean nothing to each other, so those
    stores take turns. Templates stay last, and a passage that two stores have is shown once, but where `chunks` are
    asked for. What is sorted by something else than its score is one list by that.
    """
    if sort != "score":
        return tuple(sorted((hit for _, answer in answers for hit in answer.hits), key=_BY[sort])[:top_k])
    if len({space for space, _ in answers}) <= 1:
        hits = sorted((hit for _, answer in answers for hit in answer.hits), key=_by_score)
    else:
        turns = [(rank, i, hit) for i, (_, answer) in enumerate(answers) for rank, hit in enumerate(answer.hits)]
        hits = [hit for _, _, hit in sorted(turns, key=lambda turn: (turn[2].template, *turn[:2]))]
    return tuple((hits if chunks else once(hits))[:top_k])


def best_of(answers: Sequence[Answer], *, chunks: bool) -> Answer:
    """
    The answers of one store to several texts or vectors as one: a note, or with `chunks` a passage, is there once, as
    the answer has it that gives it the best score.
    """
    if len(answers) == 1:
        return answers[0]
    found: dict[tuple[Any, ...], Hit] = {}
    for hit in sorted((hit for answer in answers for hit in answer.hits), key=_by_score):
        found.setdefault((hit.source, hit.path, *((hit.lines, hit.id) if chunks else ())), hit)
    return Answer(
        tuple(found.values()),
        tuple(reason for answer in answers for reason in answer.degraded),
        max(answer.generation for answer in answers),
        all(answer.semantic for answer in answers),
        sum(answer.n_weak for answer in answers),
        {word: other for answer in answers for word, other in answer.instead.items()},
        tuple(dict.fromkeys(one for answer in answers for one in answer.unknown)),
        n_found=max(len(found), *(answer.n_found for answer in answers)),  # how many are in several nobody knows
    )


def _by_score(hit: Hit) -> tuple[bool, float]:
    # the last digits of a cosine differ with what it was computed beside: of equal notes the first store's comes first
    return hit.template, -round(hit.score, 5)


_BY: Mapping[Sort, Callable[[Hit], Any]] = {
    "modified": lambda hit: (-hit.modified, hit.path),
    "created": lambda hit: (-(hit.created or 0.0), hit.path),
    "name": lambda hit: (fold(hit.path.rpartition("/")[2]), hit.path),
}


def once(hits: Sequence[Hit]) -> list[Hit]:
    """Each passage once, where it comes first; the others are named there."""
    places: dict[str, int] = {}
    found: list[Hit] = []
    for hit in hits:
        at = places.setdefault(hit.text, len(found)) if hit.text else len(found)
        if at == len(found):
            found.append(hit)
        else:
            copy = Copy(hit.store, hit.source, hit.path)
            found[at] = replace(found[at], copies=(*found[at].copies, copy, *hit.copies))
    return found
