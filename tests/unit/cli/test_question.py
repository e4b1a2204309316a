"""A question as the shell hands it over."""

from __future__ import annotations

import os

import pytest

from vragd.cli.main import main, parser
from vragd.cli.query import as_text, filters_of, guarded
from vragd.errors import UsageError


@pytest.mark.parametrize(
    "flag", ["tag", "not-tag", "property", "not-property", "folder", "not-folder", "on", "after", "before", "where"]
)
def test_a_flag_that_is_given_nothing_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["query", "x"], ["similar", "Note"]):
        assert main([*command, f"--{flag}", ""]) == 2
        assert f"what is given for {flag} is empty" in capsys.readouterr().err
    assert main(["query", "x", "--also", ""]) == 2


@pytest.mark.parametrize("given", ["=x", " ", " =", "="])
def test_a_property_without_a_name_is_refused(given: str) -> None:
    for flag in ("--property", "--not-property"):
        with pytest.raises(UsageError, match="has no name"):
            filters_of(parser("query").parse_args(["query", "x", flag, given]))


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
