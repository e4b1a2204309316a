"""The first hits of a store in another order: what somebody says who read them beside the question, blended in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vragd.search.question import Answer, Hit, Question


def can_be(question: Question) -> bool:
    """Whether the order of its hits is of relevance to words."""
    return bool(question.text) and question.sort == "score" and not question.listed


def of(answer: Answer, top: int) -> tuple[Hit, ...]:
    """The hits whose order is in question: the first good ones."""
    first: list[Hit] = []
    for hit in answer.hits[:top]:
        if hit.weak or hit.template:
            break
        first.append(hit)
    return tuple(first)


def reordered(answer: Answer, relevance: Sequence[float], weight: float) -> Answer:
    """
    The answer with its first `len(relevance)` hits ordered by score and relevance, each scaled to what there is of it.

    A place keeps its score, so that answers of several stores stay one list. `parts` get the `relevance`.
    """
    first = answer.hits[: len(relevance)]
    scores, says = _scaled([hit.score for hit in first]), _scaled(relevance)
    blended = [(1 - weight) * score + weight * said for score, said in zip(scores, says, strict=True)]
    order = sorted(range(len(first)), key=lambda at: -blended[at])  # of equals the first stays first
    found = [
        replace(
            first[at],
            score=first[place].score,
            parts=None if (parts := first[at].parts) is None else {**parts, "relevance": round(relevance[at], 4)},
        )
        for place, at in enumerate(order)
    ]
    return replace(answer, hits=(*found, *answer.hits[len(first) :]))


def _scaled(numbers: Sequence[float]) -> list[float]:
    least, span = min(numbers, default=0.0), max(numbers, default=0.0) - min(numbers, default=0.0)
    return [(number - least) / span if span else 0.0 for number in numbers]
