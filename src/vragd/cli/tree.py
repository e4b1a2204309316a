"""The tree of commands, as it parses them, for whoever completes or describes it: the one place that looks inside."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

_NONE: Mapping[str, argparse.ArgumentParser] = {}


def below(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The commands of a parser, by name, in the order of its help; none where it takes none."""
    found = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return next(found, _NONE)


def helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    """What is said of each of its commands in a line."""
    found = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return {choice.dest: choice.help or "" for action in found for choice in action._choices_actions}


def every(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and all below it."""
    yield parser
    for one in below(parser).values():
        yield from every(one)


def positionals(parser: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    """What it takes in places, but for commands."""
    return [one for one in parser._actions if not one.option_strings and one.dest != argparse.SUPPRESS
            and not isinstance(one, argparse._SubParsersAction)]  # fmt: skip


def flags(parser: argparse.ArgumentParser) -> Mapping[str, argparse.Action]:
    """Each flag it takes, by each of its spellings."""
    return parser._option_string_actions


def groups(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[argparse.Action]]]:
    """What its help has, by the headings there: the title, and its arguments."""
    for group in parser._action_groups:
        shown = [one for one in group._group_actions if one.help != argparse.SUPPRESS]
        if shown:
            yield group.title or "", shown
