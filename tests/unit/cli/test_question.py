"""A question as the shell hands it over."""

from __future__ import annotations

import os

import pytest

from vragd.cli.main import parser
from vragd.cli.query import as_text, filters_of, guarded
from vragd.errors import UsageError


def test_what_the_locale_could_not_read_is_utf_8() -> None:
    assert as_text("ünï".encode().decode("ascii", "surrogateescape")) == "ünï"
    assert as_text("plain") == "plain"


def test_bytes_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        as_text(os.fsdecode(b"caf\xe9"))


@pytest.mark.parametrize(
    ("flags", "where"),
    [
        ([], ""),
        (["--where", "rating >= 4"], "rating >= 4"),
        (["--where", "-tag:a"], "-tag:a"),
        (["--where", " "], ""),
        (["--tag", "a"], '(tag:"a")'),
        (["--tag", "a", "--where", 'b == "c"'], ['(tag:"a")', 'b == "c"']),
        (["--not-property", "a b", "--not-property", "c=d e"], '-["a b"] -["c"="d e"]'),
        (["--folder", "A"], ""),
        (["--folder", 'A "b', "--folder", "C"], '(file.inFolder("A \\"b") || file.inFolder("C"))'),
        (
            ["--not-folder", "A", "--not-folder", "B", "--tag", "a"],
            ['(tag:"a")', '!file.inFolder("A") && !file.inFolder("B")'],
        ),
    ],
)
def test_flags_and_what_is_typed_are_filters_side_by_side(flags: list[str], where: str | list[str]) -> None:
    for command in (["query", "x"], ["similar", "Note"]):
        words = guarded([*command, *flags])
        assert filters_of(parser(command[0]).parse_args(words)) == where
