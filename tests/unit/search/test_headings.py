"""Headings as people read them."""

from __future__ import annotations

import pytest

from tests.headings import HEADINGS
from vragd.search.headings import as_read, path_of


@pytest.mark.parametrize(("written", "read"), HEADINGS)
def test_a_heading_is_read_without_its_marks(written: str, read: str) -> None:
    assert as_read(written) == read


def test_the_outermost_heading_is_first() -> None:
    assert path_of(["A [[b]]", "`c`"]) == "A b › c"


def test_a_long_heading_takes_no_time() -> None:
    for start in ("[", "[[", "*", "`", "](", "=="):
        assert as_read(start * 20_000).startswith(start[0])
