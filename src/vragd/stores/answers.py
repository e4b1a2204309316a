"""What becomes of the answers of several stores: one. With and without a daemon; knows neither loop nor stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from typing import Any

from vragd.errors import UsageError, one_of
from vragd.search.asking import named_in, unknown_everywhere
from vragd.search.grammar.tree import Source, Store
from vragd.search.merge import merge
from vragd.search.question import Answer, Question


def check_named(questions: Sequence[Question], labels: Set[str], store: Callable[[str], object]) -> None:
    """Whether there are the sources and stores that questions name; `store` raises for one that there is not."""
    named = [name for question in questions for name in named_in(question.where)]
    if unknown := (questions[0].sources | {one.label for one in named if isinstance(one, Source)}) - labels:
        name = min(unknown)
        raise UsageError(f"there is no source {name!r}", hint=one_of(name, sorted(labels), "one of: none yet"))
    for one in named:
        if isinstance(one, Store):
            store(one.name)


def told(
    found: Sequence[tuple[str, Answer]], question: Question, *, offset: int, min_score: float, pending: int,
    degraded: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The answers of some stores, each with the fingerprint of its space, as one."""
    answers = [answer for _, answer in found]
    if min_score:
        found = [(space, replace(one, hits=tuple(h for h in one.hits if h.score >= min_score))) for space, one in found]
    by = question.sort if question.text or question.vector is not None or question.sort != "score" else "modified"
    return {
        "hits": merge(found, question.top_k, chunks=question.chunks, sort=by)[offset:],
        "n_weak": sum(answer.n_weak for answer in answers),
        "n_found": sum(answer.n_found for answer in answers),
        "found_all": all(answer.found_all for answer in answers),
        "unknown": unknown_everywhere([answer.unknown for answer in answers]),
        "instead": {word: other for answer in answers for word, other in answer.instead.items()},
        "generation": sum(answer.generation for answer in answers),
        "pending": pending,
        "degraded": list(dict.fromkeys(degraded)),
    }
