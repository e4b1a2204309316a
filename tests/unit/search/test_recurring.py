"""Lines that recur from note to note, and what a note is without them."""

from __future__ import annotations

import pytest

from vragd.search.recurring import is_day, line_key, recurring, without


@pytest.mark.parametrize(
    "line",
    ["Read ten pages", "- [ ] read ten pages", "* [x]  Read ten pages  ", "## read ten pages", "> 1. READ ten pages"],
)
def test_a_line_is_the_same_however_it_is_marked(line: str) -> None:
    assert line_key(line) == "read ten pages"


@pytest.mark.parametrize("line", ["", "  ", "- ", "- [ ] ", "## ", ">"])
def test_a_line_without_text_is_none(line: str) -> None:
    assert line_key(line) == ""


def test_a_line_recurs_that_is_in_three_other_notes() -> None:
    texts = ["a\nb\nb\nb", "- a\nb", "# A\nc"]
    assert recurring({"a", "b", "c"}, texts) == {"a"}
    assert recurring({"b"}, texts) == frozenset()


def test_without_them_the_rest_stays_as_it_is_written() -> None:
    text = "# Mood\r\n- [x] meditate\n\n  the rest,  as it is\n"
    assert without(text, {"mood", "meditate"}) == "\n  the rest,  as it is\n"
    assert without(text, {"walrus"}) is text


def test_a_line_that_is_but_a_day_says_nothing() -> None:
    assert without("# 2026-01-05\nthe rest\n", set()) == "the rest\n"
    assert is_day("2026-01-05") and is_day(" 2026.01.05") and is_day("20260105")
    assert not is_day("2026-01-05 Kyoto") and not is_day("Kyoto") and not is_day("")
