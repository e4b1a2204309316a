"""What was typed, in the question and beside it, as one question."""

from __future__ import annotations

import pytest

from vragd.errors import Mistyped, UsageError
from vragd.search.asking import each_of, understood
from vragd.search.grammar.tree import And


def test_dates_that_leave_nothing_are_refused_wherever_they_are_typed() -> None:
    with pytest.raises(Mistyped, match="today is over before 9000 begins"):
        understood(text="x on:9000..today")
    with pytest.raises(Mistyped, match="no date is in this"):
        understood(text="x", where='(tag:"a") after:"2026-05" before:"2026-04"')
    with pytest.raises(UsageError, match="no date is in all that is asked for") as caught:
        understood(text="x after:2026-05", where="before:2026-04")
    assert caught.value.hint
    assert understood(text="x after:2026-04", where="before:2026-05").where is not None


def test_sources_and_stores_alone_are_asked_for_all_their_notes_and_words_are_asked_of_them() -> None:
    (alone,) = each_of(sources=frozenset({"Vault"}))
    assert (alone.where, alone.sources) == (And(()), {"Vault"})
    assert each_of(of_stores=True)[0].where == And(())
    assert each_of(text="x", sources=frozenset({"Vault"}), of_stores=True)[0].where is None
    assert each_of(of_stores=True, mode="vector", vector=(1.0,))[0].where is None
    with pytest.raises(UsageError, match="empty"):
        each_of()
