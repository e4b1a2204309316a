"""The words of a question → the terms it is scored by, once it is known how rare each is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vragd.catalog.asked import Asked, Word
from vragd.catalog.words import Statistics, group_of

FRAME_WORD = 0.5  # how much a word counts that a question is made of and not about: how, what, my
VERY_WORD = 0.25  # how much it counts among others that it is the very word; alone, as much as all its forms


@dataclass(frozen=True, slots=True)
class Column:
    """
    Terms that count as one, and how much; in how many notes of the store any of them stands.

    `extra`: on top of another column, for being the very word that was asked for. `about`: of a word that says what the
    question is about.
    """

    terms: tuple[str, ...]
    weight: float
    count: int
    extra: bool = False
    about: bool = True


@dataclass(frozen=True, slots=True)
class Resolved:
    """
    `missing` is the weight of the words that are nowhere, which are `nowhere`, and of what is not met of others;
    `unseen` are these words and those for which something stands in.

    `phrase_weights` are those of the question's phrases, 0 for one that is nowhere; set when they were looked for.
    `instead` names, by the word, what was looked for in its place; `apart` are more phrases, of words written together.
    """

    columns: tuple[Column, ...] = ()
    missing: float = 0.0
    nowhere: tuple[Word, ...] = ()
    phrase_weights: tuple[float, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)
    unseen: tuple[Word, ...] = ()
    apart: tuple[tuple[str, ...], ...] = ()
    foreign: bool = False
    """Whether the question is in a language the vault is not; for whoever can tell to set."""

    @property
    def terms(self) -> list[str]:
        """Every term that may match."""
        return list(dict.fromkeys(term for column in self.columns for term in column.terms))

    @property
    def telling(self) -> list[str]:
        """Those that say what the question is about; every one, where none does."""
        found = dict.fromkeys(term for column in self.columns if column.about for term in column.terms)
        return list(found) or self.terms

    def with_phrases(self, weights: Sequence[float]) -> Resolved:
        """With the weights of the phrases."""
        return replace(self, phrase_weights=tuple(weights))


def resolve(question: Asked, statistics: Statistics, forms: Mapping[str, Sequence[str]]) -> Resolved:
    """By the words that stand somewhere, in whatever form (`forms`, by stem), or else the parts they are written of."""
    columns: dict[tuple[str, ...], Column] = {}
    nowhere, in_part = list[Word](), list[Word]()
    counts = statistics.counts
    for word in question.words:
        share = share_of(word)
        own = counts.get(word.term, 0)
        group = max(own, counts.get(group_of(word.stem), 0)) if word.stem else own
        if group:
            weight = share * statistics.weight(group)
            terms = tuple(dict.fromkeys([word.term, *forms.get(word.stem, ())])) if word.stem else (word.term,)
            columns.setdefault(("group", word.stem or word.term), Column(terms, weight, group, about=word.about))
            rarer = share * statistics.weight(own) - weight
            if own and rarer > 0:
                extra = statistics.weight(own) if question.is_lone else VERY_WORD * rarer
                columns.setdefault((word.term,), Column((word.term,), extra, own, extra=True, about=word.about))
            continue
        known = [part for part in word.parts if counts.get(part)]
        for part in known:
            columns.setdefault((part,), Column((part,), statistics.weight(counts[part]), counts[part]))
        if not known:
            nowhere.append(word)
        elif len(known) < len(word.parts):
            in_part.append(word)
    unseen = (*nowhere, *in_part)
    return Resolved(tuple(columns.values()), missing(statistics, unseen), tuple(nowhere), unseen=unseen)


def share_of(word: Word) -> float:
    """How much a word counts, beside how rare it is."""
    return 1.0 if word.about else FRAME_WORD


def missing(statistics: Statistics, nowhere: Sequence[Word]) -> float:
    """The weight of words that are nowhere."""
    return statistics.weight(0) * sum(map(share_of, nowhere))


def phrase_weights(statistics: Statistics, having: Iterable[Collection[int]]) -> tuple[float, ...]:
    """Of each phrase, by the notes that have it; 0 where none does."""
    return tuple(statistics.weight(len(notes)) if notes else 0.0 for notes in having)
