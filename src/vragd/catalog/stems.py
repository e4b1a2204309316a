"""
Texts → the terms full text holds: folded, cut at what is no letter or digit, English endings taken off.

Both the index and a question's words are made here, so that full text itself only cuts at blanks (`TOKENIZER`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

import apsw

from vragd.terms.fold import fold, is_unspaced, parts, spaced, symbols

TOKENIZER = "unicode61 remove_diacritics 0 categories 'L* N* Co M* S* P*'"
"""Full text's own, for text that is terms already, with a blank between any two."""

_CUT = ["unicode61", "remove_diacritics", "0", "categories", "L* N* Co M*"]
_mine = threading.local()


def stems(text: str) -> list[str]:
    """The terms of a text, in order. About 100 µs for 1,000 characters of English."""
    return _stemmed(spaced(fold(text)))


def extras(text: str) -> list[str]:
    """What is found in a text besides: the parts of words written together, c++, pictograms."""
    pieces = parts(text)
    return [*(_stemmed(" ".join(pieces)) if pieces else ()), *symbols(text)]


def stem(word: str) -> str:
    """The term of one folded word."""
    if is_unspaced(word):
        return word
    found = _stemmed(word)
    return found[0] if found else word


def _stemmed(plain: str) -> list[str]:
    if not hasattr(_mine, "cut"):
        _mine.db = apsw.Connection(":memory:")  # a tokenizer is a connection's, and a connection one thread's at a time
        _mine.cut = _mine.db.fts5_tokenizer("porter", _CUT)
    cut = cast(Callable[..., Sequence[Any]], _mine.cut)
    tokens = cut(
        plain.encode("utf-8", "replace"),
        apsw.FTS5_TOKENIZE_DOCUMENT,
        None,
        include_offsets=False,
        include_colocated=False,
    )
    return list(tokens)
