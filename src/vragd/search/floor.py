"""
The floor: under it a hit is no good match, and shown only if that is asked for.

No absolute cosine separates nonsense from a question; a shared word does, but a question in another language shares
none. So a note passes if a passage of it, with its names, has nearly all of what was asked for, or if it is near enough
in meaning: less will do where it has more of the words, and much less where the question is in a language the vault is
not; more is needed where words of the question are nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vragd.catalog.asked import Word
from vragd.search.tongue import ASKED_BY_ENGLISH, ASKED_BY_OTHERS, RARE_IN_ENGLISH

COVER = 0.9  # of the weight of the question's words, those that are nowhere included
NEAR, NEAR_IN_ANOTHER_LANGUAGE = 0.40, 0.19
NEAR_BY_COVER, NEAR_BY_NOWHERE = 0.4, 0.1
NEAR_BY_TITLE = 0.6  # a title says less than a passage, and is near to more


def in_another_language(spelt: Sequence[str], nowhere: Sequence[str]) -> bool:
    """Whether many words of a question are nowhere, and it looks like a language: by its script or function words."""
    if not nowhere or 3 * len(nowhere) < len(spelt):
        return False
    if any(ord(character) > 0x36F for word in nowhere for character in word):  # neither Latin nor its marks
        return True
    n_told = sum(word in ASKED_BY_OTHERS or (word in RARE_IN_ENGLISH and len(spelt) > 2) for word in spelt)
    n_english = sum(word in ASKED_BY_ENGLISH for word in spelt)
    return n_told > n_english and n_told >= (1 if 2 * len(nowhere) >= len(spelt) else 2)


def share_nowhere(asked: Sequence[Word], nowhere: Sequence[Word]) -> float:
    """How much of what a question is about stands nowhere, in [0, 1]."""
    n_about = sum(word.about for word in asked)
    return sum(word.about for word in nowhere) / n_about if n_about else 0.0


def nearness(chunk: np.ndarray, title: np.ndarray) -> np.ndarray:
    """How near passages are to a question, by the cosines of their own and of their titles."""
    near: np.ndarray = np.maximum(chunk, NEAR_BY_TITLE * title)
    return near


def weak(
    mode: str,
    chunk: np.ndarray,
    title: np.ndarray,
    cover: np.ndarray,
    ahead: np.ndarray,
    *,
    foreign: bool = False,
    nowhere: float = 0.0,
) -> np.ndarray:
    """
    Which passages are no good match, by what their scores are made of. By words alone, or by vectors alone, none is.

    `nowhere` is the share of the question that stands nowhere: a model finds something near for any letters.
    """
    if mode != "hybrid":
        return np.zeros(len(chunk), dtype=bool)
    near = np.maximum(chunk, title) if foreign else nearness(chunk, title)
    least = NEAR_IN_ANOTHER_LANGUAGE if foreign else NEAR + NEAR_BY_NOWHERE * nowhere
    found: np.ndarray = (near + NEAR_BY_COVER * cover < least) & (cover < COVER) & (ahead <= 0)
    return found
