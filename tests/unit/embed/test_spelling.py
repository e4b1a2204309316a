"""Which words are spelled as they are meant."""

from __future__ import annotations

import pytest

from vragd.embed.spelling import is_word


@pytest.mark.parametrize("word", ["pasta", "past", "coffee", "desert", "dessert"])
def test_a_word_that_the_model_has_whole_is_one(word: str) -> None:
    assert is_word(word)


@pytest.mark.parametrize("word", ["bicycel", "evergeen", "envelpes", "restuarant", "##ing", "", '"', "größe", "[PAD]"])
def test_nothing_else_is(word: str) -> None:
    assert not is_word(word)
