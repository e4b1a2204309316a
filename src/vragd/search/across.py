"""
Across languages: a passage in another language than the question has none of its words, and is a good match by less.

Only where the model is not one of English alone. Which language a text is in is told by its script, by function words,
and of a question also by whether its words are English ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

import numpy as np

from vragd.catalog.lookup import Lookup
from vragd.search.tongue import ASKED_BY_ENGLISH, OF_ENGLISH, OF_OTHERS, OF_OTHERS_ALONE, WORD, of_other_scripts

NEAR_ACROSS = 0.24
"""
Near enough for it, as `floor` counts nearness. Found by hand: multilingual-e5-small in 16 of 19 questions about ten
notes in six other languages, and in none of 25 about something else, which come to 0.22; of one's own language to 0.42.
"""
LOOKED_AT = 20
LEAST_LETTERS, LEAST_WORDS, LEAST_FREQUENT = 8, 12, 2


class Tongue(Enum):
    """What a text is in: `OTHER` is a language in Latin letters that is not English."""

    ENGLISH, OTHER, OTHER_SCRIPT, UNTOLD = range(4)


def of_passage(text: str) -> Tongue:
    """By its script or its function words; UNTOLD of few words, of code, and of two languages at once."""
    words = WORD.findall(text.lower())
    if _is_of_other_script(words):
        return Tongue.OTHER_SCRIPT
    fewer, more = sorted((english := _of(OF_ENGLISH, words), _of(OF_OTHERS, words)))
    if len(words) < LEAST_WORDS or more < LEAST_FREQUENT or more < 2 * fewer:
        return Tongue.UNTOLD
    return Tongue.ENGLISH if english == more else Tongue.OTHER


def of_question(text: str, is_word: Callable[[str], bool]) -> Tongue:
    """As of a passage, of however few words; `is_word`: which words are English ones."""
    words = WORD.findall(text.lower())
    if _is_of_other_script(words):
        return Tongue.OTHER_SCRIPT
    english, other = _of(ASKED_BY_ENGLISH, words), _of(OF_OTHERS_ALONE, words)
    if english != other:
        return Tongue.ENGLISH if english > other else Tongue.OTHER
    n_known = sum(map(is_word, words))
    return Tongue.ENGLISH if words and 2 * n_known > len(words) else Tongue.UNTOLD


def is_across(question: Tongue, passage: Tongue) -> bool:
    """Whether the two are surely in different languages."""
    if passage is Tongue.UNTOLD or question is passage:
        return False
    return question is not Tongue.UNTOLD or passage is Tongue.OTHER_SCRIPT


def across(now: Lookup, text: str, is_word: Callable[[str], bool], chunks: Sequence[int]) -> np.ndarray:
    """Which of the passages with these ids, shape (len(chunks),), are in another language than what was asked."""
    asked, found = of_question(text, is_word), now.passages(chunks[:LOOKED_AT])
    told = (chunk in found and is_across(asked, of_passage(found[chunk].text)) for chunk in chunks)
    return np.fromiter(told, dtype=bool, count=len(chunks))


def _of(known: frozenset[str], words: Sequence[str]) -> int:
    return sum(word in known for word in words)


def _is_of_other_script(words: Sequence[str]) -> bool:
    letters, other = sum(map(len, words)), of_other_scripts(words)
    return letters > 0 and other > letters / 2 and (other >= LEAST_LETTERS or other == letters)
