"""The indexes of a place that others use too, as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vragd.cli.render import say, within


def status_of(rows: Iterable[Mapping[str, Any]]) -> int:
    """The exit status of a command that lists indexes, as `all_described` has them."""
    return int(any("error" in row for row in rows))


def say_trouble(row: Mapping[str, Any]) -> None:
    """What is wrong with an index that is listed, and the way out, if anything is."""
    if told := row.get("error"):
        say(within(f"{row['name']}: {told['message']}"))
        if told["hint"]:
            say(within(f"try: {told['hint']}"))


def line_of(row: Mapping[str, Any]) -> str:
    """An index, as `all_described` has it."""
    if "error" in row:
        return f"{row['name']:20} cannot be read"
    return f"{row['name']:20} {row['dimension']}-d {row['metric']}  {row['model'] or 'not made by vragd'}"
