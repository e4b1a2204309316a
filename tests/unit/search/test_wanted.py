"""Of a question, what another engine is asked for."""

from __future__ import annotations

from vragd.search.wanted import MOST_CHARS, wanted


def test_words_that_any_question_has_are_not_looked_for_unless_there_are_no_others() -> None:
    assert wanted("how do I brew the coffee") == "brew coffee"
    assert wanted('"to be or not to be"') == "to be or not to be"
    assert wanted("what is it") == "what is it"
    assert len(wanted("x" * 5_000)) == MOST_CHARS
