"""The words of a question → the terms it is scored by, once it is known how rare each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vragd.catalog.asked import Asked, Word
from vragd.catalog.words import Statistics


@dataclass(frozen=True, slots=True)
class Resolved:
    """
    `terms` and their `weights`; `missing` is the weight of the words that are nowhere, which are `nowhere`.

    `phrase_weights` are those of the question's phrases, 0 for one that is nowhere; set when they were looked for.
    `instead` names, by the word, a term that is another word.
    """

    terms: tuple[str, ...]
    weights: tuple[float, ...]
    missing: float
    nowhere: tuple[Word, ...] = ()
    phrase_weights: tuple[float, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)

    def with_phrases(self, weights: Sequence[float]) -> Resolved:
        """With the weights of the phrases."""
        return replace(self, phrase_weights=tuple(weights))


def resolve(question: Asked, statistics: Statistics) -> Resolved:
    """By the words that stand somewhere, and the parts of those that do not but were written together."""
    terms: dict[str, None] = {}
    nowhere: list[Word] = []
    for word in question.words:
        if statistics.counts.get(word.term):
            terms.setdefault(word.term)
            continue
        known = [part for part in word.parts if statistics.counts.get(part)]
        terms |= dict.fromkeys(known)
        if not known:
            nowhere.append(word)
    weights = tuple(statistics.weight(statistics.counts[term]) for term in terms)
    missing = statistics.weight(0) * len(nowhere)
    return Resolved(tuple(terms), weights, missing, tuple(nowhere))


def phrase_weights(statistics: Statistics, phrases: Sequence[tuple[set[int], set[int]]]) -> tuple[float, ...]:
    """Of each phrase, by how many notes have it; 0 where none does."""
    return tuple(statistics.weight(len(notes)) if notes else 0.0 for _, notes in phrases)
