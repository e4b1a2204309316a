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

COVER = 0.9  # of the weight of the question's words, those that are nowhere included
NEAR, NEAR_IN_ANOTHER_LANGUAGE = 0.40, 0.19
NEAR_BY_COVER, NEAR_BY_NOWHERE = 0.4, 0.1
NEAR_BY_TITLE = 0.6  # a title says less than a passage, and is near to more

# What nearly every question in these languages has one of, and no English one has.
_TOLD_BY = """
der und ist wie wer wann warum welche ich nicht ein eine einen dem den mit für fur zum zur auf von im
les du et est une pour quel quelle comment pourquoi quand que qui dans sur avec mon ma où ou
el los las una del por para qué cómo como cuando donde con mi il lo gli della dei che quando dove perché perche non
os uma dos em não nao com meu minha het een van voor hoe waarom welke niet ik och är ar hur varför varfor för att
jak dlaczego kiedy gdzie czy nie się sie
"""
_RARE_IN_ENGLISH = "die des la le l d j un da em y es de en i o"
_FUNCTION_WORDS, _RARER = frozenset(_TOLD_BY.split()), frozenset(_RARE_IN_ENGLISH.split())


def in_another_language(spelt: Sequence[str], nowhere: Sequence[str]) -> bool:
    """Whether many words of a question are nowhere, and it looks like a language: by its script or function words."""
    if not nowhere or 3 * len(nowhere) < len(spelt):
        return False
    if any(ord(character) > 0x36F for word in nowhere for character in word):  # neither Latin nor its marks
        return True
    n_told = sum(word in _FUNCTION_WORDS or (word in _RARER and len(spelt) > 2) for word in spelt)
    return n_told >= (1 if 2 * len(nowhere) >= len(spelt) else 2)


def share_nowhere(asked: Sequence[Word], nowhere: Sequence[Word]) -> float:
    """How much of what a question is about stands nowhere, in [0, 1]."""
    n_about = sum(word.about for word in asked)
    return sum(word.about for word in nowhere) / n_about if n_about else 0.0


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
    near = np.maximum(chunk, title if foreign else NEAR_BY_TITLE * title)
    least = NEAR_IN_ANOTHER_LANGUAGE if foreign else NEAR + NEAR_BY_NOWHERE * nowhere
    found: np.ndarray = (near + NEAR_BY_COVER * cover < least) & (cover < COVER) & (ahead <= 0)
    return found
