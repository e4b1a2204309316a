"""What of a question ranks, and what filters."""

from __future__ import annotations

import pytest

from vragd.search.grammar.halves import count, filter_of, ranked_text
from vragd.search.grammar.parse import parse
from vragd.search.grammar.show import show


@pytest.mark.parametrize(
    ("text", "ranked", "filters"),
    [
        ("", "", None),
        ("word", "word", None),
        ("two words", "two words", None),
        ("(two words) more", "two words more", None),
        ("meeting -work", "meeting", "-work"),
        ('x "star wars" y', "x star wars y", '"star wars"'),
        ("a OR b", "a b", "a OR b"),
        ("x (a OR -b) -(c OR d)", "x a", "(a OR -b) -(c OR d)"),
        ("-(-x)", "", "-(-x)"),
        ("file:a path:b x", "x", "file:a path:b"),
        ("content:a line:(b c) block:d section:e", "a b c d e", "content:a line:(b c) block:d section:e"),
        ("task:a task-todo:b task-done:c", "a b c", "task:a task-todo:b task-done:c"),
        ('task-todo:"" x', "x", 'task-todo:""'),
        ("match-case:A ignore-case:(b -c)", "A b", "match-case:A ignore-case:(b -c)"),
        ("match-case:file:A", "", "match-case:file:A"),
        ("tag:a [p:b] linksto:[[c]] source:d store:e on:2026 /f/ x", "x",
         "tag:a [p:b] linksto:[[c]] source:d store:e on:2026 /f/"),
        ("line:(tag:a b)", "b", "line:(tag:a b)"),
    ],
)  # fmt: skip
def test_words_rank_and_the_rest_filters(text: str, ranked: str, filters: str | None) -> None:
    tree = parse(text)
    where = filter_of(tree)
    assert ranked_text(tree) == ranked
    assert (None if where is None else show(where)) == filters


def test_conditions_are_counted_without_what_joins_them() -> None:
    assert count(parse("-(a OR line:(b c)) [p:x OR y] [q<5] tag:z")) == 7
