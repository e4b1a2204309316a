"""Words that are spelled as they are meant, as far as a model that comes with vragd knows. Standard library only."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from vragd.terms.embedders import REGISTRY


def is_word(word: str) -> bool:
    """
    Whether a folded word is in the vocabulary of such a model as a whole, as `knows` of `words.py` in its folder says.
    Reads that from the disk each time, half a megabyte: for the few words that may be misspelt.
    """
    return any(
        import_module(f"{there}.words").knows(word) for there in REGISTRY.values() if find_spec(f"{there}.words")
    )
