"""`vragd store list --all`: what the shared backends of one's stores hold beside those stores."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import load
from vragd.cli.indexes import line_of, say_trouble, status_of
from vragd.cli.render import out, say, within
from vragd.errors import VragdError


def shared(args: argparse.Namespace) -> list[dict[str, Any]]:
    """
    Each place that a store of ours names and others may use, with all it holds, and of each whether it is `ours`. One
    that is out of reach has its `error`, and no stores. Asks every such backend.
    """
    from vragd.stores.elsewhere import Place, all_described, succeeds
    from vragd.stores.registry import Registry
    from vragd.system import log

    log.set_up(level="error")
    entries = Registry(load(args)).entries()
    named = [(name, one) for name, entry in entries.items() if entry.settings for one in entry.settings.backends]
    places = {(one.type, one.where(), one.reached()): one for _, one in named if one.shared}
    rows = list[dict[str, Any]]()
    for (kind, where, reached), settings in places.items():
        ours = [name for name, one in named if (one.type, one.where(), one.reached()) == (kind, where, reached)]
        row: dict[str, Any] = {"where": where, "reached": reached, "type": kind, "stores": [], "error": None}
        try:
            with Place(settings) as place:
                found = all_described(place.backend)
            row["stores"] = [
                one | {"ours": any(info.name == name or succeeds(info, name) for name in ours)} for info, one in found
            ]
        except VragdError as error:  # the others are asked all the same
            row["error"] = {"code": error.code, "message": error.message, "hint": error.hint}
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]]) -> int:
    """Each place and what is in it; 1 where one of them could not be asked."""
    named = [row["where"] for row in rows]
    for row in rows:
        twice = named.count(row["where"]) > 1 and row["reached"]
        where = f"{row['where']} ({row['reached']})" if twice else row["where"]
        out(within(f"in {where}:"))
        for one in row["stores"]:
            out(within(f"  {line_of(one)}{'' if one['ours'] else '  beside yours'}"), 4)
            say_trouble(one)
        if row["error"]:
            say(within(f"{where}: {row['error']['message']}"))
            if row["error"]["hint"]:
                say(within(f"try: {row['error']['hint']}"))
        elif not row["stores"]:
            out("  nothing yet")
    if not rows:
        say("no store of yours is kept where others have theirs: see docs/backends.md")
    return status(rows)


def status(rows: list[dict[str, Any]]) -> int:
    """1 where a place could not be asked, or an index in it not be read."""
    return int(any(row["error"] or status_of(row["stores"]) for row in rows))
