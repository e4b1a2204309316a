"""Headings as people read them."""

from __future__ import annotations

import pytest

from vragd.search.headings import as_read, path_of


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("On [[thoughts/x|Why]] and [[y]]", "On Why and y"),
        ("[text](a(b)c.md) ![a picture](p.png)", "text a picture"),
        ("**bold** *lean* ==lit== ~~gone~~ _so_", "bold lean lit gone so"),
        ("`[[code]]` and ``a ` b``", "[[code]] and a ` b"),
        ("`__init__` of snake_case_names, 2 * 3 * 4", "__init__ of snake_case_names, 2 * 3 * 4"),
        ("[[broken and [left](open", "[[broken and [left](open"),
        ("C# [1] a == b == c", "C# [1] a == b == c"),
        ("re**mark**able, **bold *and* `code*`**", "remarkable, bold and code*"),
        ("", ""),
    ],
)
def test_a_heading_is_read_without_its_marks(written: str, read: str) -> None:
    assert as_read(written) == read


def test_the_outermost_heading_is_first() -> None:
    assert path_of(["A [[b]]", "`c`"]) == "A b › c"


def test_a_long_heading_takes_no_time() -> None:
    for start in ("[", "[[", "*", "`", "](", "=="):
        assert as_read(start * 20_000).startswith(start[0])
