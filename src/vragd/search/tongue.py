"""Whether texts are English, as the builtin model is: by scripts and function words, enough to choose a model by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = "the and of to is that it for with are this be as was by not or from you have but can which will has if"
_OTHERS = """
de la le les et des du une est pas pour dans que qui il sur der die und das ist nicht ein eine den mit zu von auf für
sich auch el los las en y se del por con para una es no lo di che non per della sono più o os do da em um não na het een
van dat niet zijn voor och att det som på är inte af til ikke er og jeg się nie jest że je že ja on ei oli että ve bir
bu için az egy és hogy nem și să nu din cu
"""
OF_ENGLISH, OF_OTHERS = frozenset(_ENGLISH.split()), frozenset(_OTHERS.split())
"""Frequent words of English, and of other languages in Latin letters. Lists, names and code have few of either."""
_ASKED = """
der und ist wie wer wann warum welche ich nicht ein eine einen dem den mit für fur zum zur auf von im
les du et est une pour quel quelle comment pourquoi quand que qui dans sur avec mon ma où ou
el los las una del por para qué cómo como cuando donde con mi il lo gli della dei che quando dove perché perche non
os uma dos em não nao com meu minha het een van voor hoe waarom welke niet ik och är ar hur varför varfor för att
jak dlaczego kiedy gdzie czy nie się sie
"""
_RARE = "die des la le l d j un da em y es de en i o"
_ASKED_IN_ENGLISH = """
how what when where why which who does did could should would my our the and of to is that it with this you have can
"""
_BOTH = "on no do die me per o"
ASKED_BY_OTHERS, RARE_IN_ENGLISH = frozenset(_ASKED.split()), frozenset(_RARE.split())
"""What nearly every question in those languages has one of, and no English one has; and what few English ones have."""
ASKED_BY_ENGLISH = frozenset(_ASKED_IN_ENGLISH.split())
OF_OTHERS_ALONE = (OF_OTHERS | ASKED_BY_OTHERS) - frozenset(_BOTH.split())
SAMPLE, FEWEST_NOTES = 60, 10
LEAST_WORDS, LEAST_LETTERS = 25, 60  # below that a text is nobody's
SHARE = 0.07
"""Of its words are these: of running English about a quarter, of others' next to none, also where terms are English."""


def of_other_scripts(words: Sequence[str]) -> int:
    """How many letters the words have that begin in another script than Latin."""
    return sum(len(word) for word in words if word[0] > "\u024f")


def is_english(text: str) -> bool | None:
    """Whether a text is; None where it is too short to tell, or no running text."""
    words = WORD.findall(text.lower())
    letters, foreign = sum(map(len, words)), of_other_scripts(words)
    if letters >= LEAST_LETTERS and foreign > letters / 2:
        return False
    if len(words) < LEAST_WORDS:
        return None
    english, other = (sum(word in known for word in words) for known in (OF_ENGLISH, OF_OTHERS))
    if max(english, other) < SHARE * len(words):
        return None
    return english >= other


class Sampled:
    """The share of a store's notes that are not English: looked at again where a tenth of them came or went."""

    def __init__(self) -> None:
        self._n_notes, self._share = 0, 0.0

    def share(self, n_notes: int, sample: Callable[[int], Iterable[str]]) -> float:
        """Of `n_notes`, by a `sample` of so many of them; 0 where they are too few to say. Any thread."""
        if n_notes < FEWEST_NOTES:
            return 0.0
        if abs(n_notes - self._n_notes) * 10 > self._n_notes:
            self._n_notes, self._share = n_notes, share_foreign(sample(SAMPLE))
        return self._share


def share_foreign(texts: Iterable[str]) -> float:
    """The share of the texts that are not English, of those that are long enough to tell; 0 where none is."""
    told = [english for text in texts if (english := is_english(text)) is not None]
    return told.count(False) / len(told) if told else 0.0
