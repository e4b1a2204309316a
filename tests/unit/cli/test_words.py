"""What is mistyped is said in words, with the nearest there is."""

from __future__ import annotations

import pytest

from vragd.cli import words
from vragd.cli.main import main
from vragd.errors import nearest, one_of
from vragd.terms import bounds


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    error, hint = found.err.splitlines()
    assert "argument" not in error and "invalid" not in error and "[" not in error, error
    return error.removeprefix("Error: "), hint.removeprefix("Try: ")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        (["qeury"], "vragd query"),
        (["qeury", "brew coffee", "-k", "3"], "vragd query 'brew coffee' -k 3"),
        (["Query", "x"], "vragd query x"),
        (["serach", "x"], "vragd query x"),
        (["search", "x"], "vragd query x"),
        (["coffee"], "vragd query coffee, to look for that; vragd --help lists commands"),
        (["how do I", "brew"], "vragd query 'how do I' brew, to look for that; vragd --help lists commands"),
        (["statsu"], "vragd status"),
        (["store", "lst", "--json"], "vragd store list --json"),
        (["store", "paint"], "one of: list, create, delete, info, copy"),
    ],
)
def test_a_command_that_is_not_there_leads_to_the_nearest_or_to_a_question(
    capsys: pytest.CaptureFixture[str], typed: list[str], hint: str
) -> None:
    assert complaint(capsys, *typed)[1] == hint


@pytest.mark.parametrize(
    ("typed", "error", "hint"),
    [
        (["query", "x", "--tagg", "y"], "vragd query has no --tagg", "--tag"),
        (["query", "x", "--limit=3"], "vragd query has no --limit", "--top-k"),
        (["files", "--sate", "failed"], "vragd files has no --sate", "--state"),
        (["status", "--xyzzy"], "vragd status has no --xyzzy", ""),
        (["status", "now"], "vragd status takes no 'now'", ""),
        (["store", "list", "--jsn"], "vragd store list has no --jsn", "--json"),
        (["query", "x", "-k", "many"], "vragd query: -k: expected a whole number, 1 to 1,000, not 'many'", ""),
        (["query", "x", "-k", "0"], "vragd query: -k: expected a whole number, 1 to 1,000, not '0'", ""),
        (["query", "x", "--offset", "a"], "vragd query: --offset: expected a whole number, not 'a'", ""),
        (["query", "x", "--min-score", "a"], "vragd query: --min-score: expected a number, not 'a'", ""),
        (["query", "x", "--min-score", "3"], "vragd query: --min-score: expected a number, -1 to 2, not '3'", ""),
        (["query", "x", "--min-score", "nan"], "vragd query: --min-score: expected a number, -1 to 2, not 'nan'", ""),
        (["query", "x", "--mode", "vektor"],
         "vragd query: --mode: expected hybrid, vector, keyword, not 'vektor' (did you mean vector?)", ""),
        (["query", "x", "--sort", "-name"],
         "vragd query: --sort: expected score, modified, created, name, not '-name' (did you mean name?)", ""),
        (["similar", "x", "-work"], "vragd similar has no -work", ""),
        (["query", "x", "--offset", "-five"], "vragd query: --offset: expected a whole number, not '-five'", ""),
        (["query", "x", "--tag"], "vragd query: --tag needs a value", ""),
        (["query", "x", "--weak=1"], "vragd query: --weak takes no value, and was given 1", ""),
        (["query", "x", "--so", "name"], "vragd query: --so may be --socket, --source, --sort", ""),
        (["get"], "vragd get: note is missing", ""),
        (["store"], "vragd store: ACTION is missing", ""),
        (["--versoin"], "vragd has no --versoin", "--version"),
        (["store", "--jsn"], "vragd store has no --jsn", ""),
        (["query", "x", "--limt", "3"], "vragd query has no --limt", "--top-k"),
        (["query", "x", "--colur", "never"], "vragd query has no --colur", "--color"),
        (["tasks", "--done", "--all"], "vragd tasks: --all and --done do not go together", ""),
    ],
)  # fmt: skip
def test_a_flag_or_value_that_is_not_there_is_said_in_words(
    capsys: pytest.CaptureFixture[str], typed: list[str], error: str, hint: str
) -> None:
    command = error.partition(" has no ")[0].partition(" takes no ")[0].partition(":")[0]
    assert complaint(capsys, *typed) == (error, f"{hint}, or {command} --help" if hint else f"{command} --help")


@pytest.mark.parametrize(
    ("typed", "error", "hint"),
    [
        (["--store", "X", "status"], "vragd status has no --store", "vragd status --help"),
        (["-q", "status"], "vragd status has no -q", "vragd status --help"),
        (["--quiet", "query", "x"], "vragd query has no --quiet", "vragd query --help"),
        (["--tagg", "y", "query", "x"], "vragd query has no --tagg", "--tag, or vragd query --help"),
        (["-q", "coffee"], "vragd has no -q, and no command 'coffee'", "vragd --help lists both"),
        (["--top-k", "3", "coffee"], "--top-k goes with a command, and none is there",
         "vragd COMMAND --top-k; vragd --help lists commands"),
    ],
)  # fmt: skip
def test_a_flag_before_the_command_is_named_and_not_what_follows_it(
    capsys: pytest.CaptureFixture[str], typed: list[str], error: str, hint: str
) -> None:
    assert complaint(capsys, *typed) == (error, hint)


@pytest.mark.parametrize(
    ("typed", "way_out"),
    [
        (["tags", "#book"], "vragd query tag:book, or vragd tags --where tag:book"),
        (["tasks", "my", "book"], "vragd query 'my book', or vragd tasks --where 'my book'"),
        (["recent", "coffee"], "vragd query coffee, or vragd recent --where coffee"),
    ],
)
def test_what_is_named_behind_a_command_that_lists_is_asked_for_in_another_way(
    typed: list[str], way_out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(typed)
    assert capsys.readouterr().err.splitlines() == [
        f"Error: vragd {typed[0]} takes no {typed[1]!r}", f"Try: {way_out}",
    ]  # fmt: skip


def test_nothing_typed_shows_what_there_is_and_help_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().err
    for typed, part in ((["help"], "examples:"), (["help", "files"], "--state"), (["help", "store", "list"], "--json")):
        with pytest.raises(SystemExit) as ended:
            main(typed)
        assert ended.value.code == 0
        assert part in capsys.readouterr().out


def test_the_bounds_are_those_of_the_daemon() -> None:
    assert (words.MAX_TOP_K, words.MAX_LISTED) == (bounds.MAX_TOP_K, bounds.MAX_LISTED)


def test_the_nearest_is_one_that_is_like_it() -> None:
    assert nearest("NOTS", ["notes", "work"]) == "notes"
    assert nearest("xyz", ["notes", "work"]) == ""
    assert one_of("note", ["notes", "work"], "none") == "did you mean 'notes'? one of: notes, work"
    assert one_of("note", ["notes"], "none") == "one of: notes"
    assert one_of("note", [], "none") == "none"
