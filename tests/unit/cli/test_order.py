"""Options and what stands in places may be typed in any order, for every command."""

from __future__ import annotations

import argparse
from itertools import permutations
from typing import Any

import pytest

from vragd.cli import tree
from vragd.cli.main import main, parser
from vragd.cli.words import Words

Typed = list[list[str]]
SAMPLES = ("7", "x", "7d")


def leaves(of: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return [one for one in tree.every(of) if not tree.below(one)]


LEAVES = {one.prog: one for one in leaves(parser())}


def takes(action: argparse.Action) -> str | None:
    """A value that this argument takes; None where it takes none of ours."""
    if action.choices:
        return str(next(iter(action.choices)))
    for sample in SAMPLES:
        try:
            (action.type or str)(sample)  # type: ignore[operator]
        except (argparse.ArgumentTypeError, ValueError, TypeError):
            continue
        return sample
    return None


def in_places(one: argparse.ArgumentParser) -> Typed:
    typed: Typed = []
    for action in tree.positionals(one):
        value = takes(action)
        assert value is not None, action
        typed += [[value]] * (2 if action.nargs in ("*", "+") else 1)
    return typed


def options(one: argparse.ArgumentParser) -> list[tuple[bool, list[str]]]:
    """Each option as it is typed, and whether there must be one."""
    found = []
    for action in dict.fromkeys(tree.flags(one).values()):
        name = action.option_strings[-1]
        if action.dest == "help" or action.nargs == "?":  # what follows may be its value
            continue
        if action.nargs == 0:
            found.append((False, [name]))
        elif (value := takes(action)) is not None:
            found.append((action.required, [name, value]))
    return found


def parsed(one: argparse.ArgumentParser, typed: Any) -> dict[str, Any]:
    return vars(one.parse_args([word for words in typed for word in words]))


def test_every_command_takes_its_options_anywhere_among_what_stands_in_places() -> None:
    n = 0
    for name, one in LEAVES.items():
        places = in_places(one)
        must = [words for required, words in options(one) if required]
        for required, words in options(one):
            typed = [*([] if required else [words]), *must]
            expected = parsed(one, [*places, *typed])
            numbered = list(enumerate([*places, *typed]))
            for order in permutations(numbered):
                rest = iter(places)  # those are what they are by their order
                mixed = [next(rest) if i < len(places) else words for i, words in order]
                assert parsed(one, mixed) == expected, (name, mixed)
                n += 1
    assert n > 1_000


@pytest.mark.parametrize(
    ("command", "typed", "at_the_end"),
    [
        ("query", "how -k 3 do --json I -s notes brew", "how do I brew -k 3 --json -s notes"),
        ("mcp", "--undo install --print codex", "install codex --undo --print"),
        ("mcp", "install --undo codex", "install codex --undo"),
        ("sync", "--wait x --store y", "x --wait --store y"),
        ("links", "--json x --source y", "x --json --source y"),
        ("index", "a -s notes b --socket x c", "a b c -s notes --socket x"),
        ("add", "a --config x b", "a b --config x"),
    ],
)
def test_several_of_them_are_as_if_they_came_last(command: str, typed: str, at_the_end: str) -> None:
    one = LEAVES[f"vragd {command}"]
    assert parsed(one, [typed.split()]) == parsed(one, [at_the_end.split()])


def test_what_stands_behind_two_dashes_is_no_option() -> None:
    one = LEAVES["vragd query"]
    assert one.parse_args(["a", "--json", "--", "--open", "-k"]).text == ["a", "--open", "-k"]
    assert one.parse_args(["--", "-k"]).text == ["-k"]
    assert one.parse_args([]).text == []


def test_options_of_a_command_may_stand_before_it() -> None:
    top = parser()
    expected = vars(top.parse_args(["store", "list", "--json", "--config", "list"]))
    for typed in (
        ["--config", "list", "store", "list", "--json"],
        ["--config=list", "store", "--json", "list"],
        ["store", "--json", "--config", "list", "list"],
        ["--json", "--config", "list", "store", "list"],
    ):
        assert vars(top.parse_args(typed)) == expected, typed


@pytest.mark.parametrize(
    "typed",
    [["-b", "some-bucket", "query", "heron", "-s", "birds"], ["query", "heron", "-s", "birds", "-b", "some-bucket"]],
)
def test_a_bucket_has_a_letter_wherever_it_stands(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`-decaf` beside it leaves a word out, as ever: which is refused there, and nobody is asked."""
    assert main([*typed, "-decaf"]) != 0
    assert "-decaf (--plain takes it for words) needs the catalog, and --bucket asks" in capsys.readouterr().err
    assert "-b" in tree.flags(LEAVES["vragd index"])


def test_what_no_command_takes_is_refused_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    for typed in (
        ["--xyzzy", "files"],
        ["store", "--xyzzy", "list"],
        ["files", "--xyzzy"],
        ["mcp", "install", "a", "b"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(typed)
        assert ended.value.code == 2
    assert "xyzzy" in capsys.readouterr().err


def test_a_parser_is_as_it_was_after_it_has_parsed() -> None:
    one = LEAVES["vragd mcp"]
    assert isinstance(one, Words)
    for _ in range(2):
        found = one.parse_args(["--undo"])
        assert (found.do, found.client, found.undo) == (None, None, True)
