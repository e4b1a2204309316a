"""`vragd store list --all`: what the shared backends of one's stores hold beside those stores."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import load
from vragd.cli.render import out, say, within
from vragd.errors import VragdError


def shared(args: argparse.Namespace) -> list[dict[str, Any]]:
    """
    Each place that a store of ours names and others may use, with all it holds: `ours` is what our stores of that
    place are called. One that is out of reach has its `error`, and no stores. Asks every such backend.
    """
    from vragd.stores.elsewhere import Place, described
    from vragd.stores.registry import Registry
    from vragd.system import log

    log.set_up(level="error")
    entries = Registry(load(args)).entries()
    named = [(name, one) for name, entry in entries.items() if entry.settings for one in entry.settings.backends]
    rows = dict[str, dict[str, Any]]()
    for name, settings in named:
        if not settings.shared:
            continue
        if (where := settings.where()) in rows:
            rows[where]["ours"].append(name)
            continue
        row = rows[where] = {"where": where, "type": settings.type, "ours": [name], "stores": [], "error": None}
        try:
            with Place(settings) as place:
                infos = [place.backend.collection_info(one) for one in place.backend.list_collections()]
            row["stores"] = [described(info) for info in infos]
        except VragdError as error:  # the others are asked all the same
            row["error"] = {"code": error.code, "message": error.message, "hint": error.hint}
    return list(rows.values())


def show(rows: list[dict[str, Any]]) -> int:
    """Each place and what is in it; 1 where one of them could not be asked."""
    for row in rows:
        out(within(f"in {row['where']}:"))
        for one in row["stores"]:
            whose = "" if one["name"] in row["ours"] else "  beside yours"
            model = one["model"] or "not made by vragd"
            out(within(f"  {one['name']:18} {one['dimension']}-d {one['metric']}  {model}{whose}"), 4)
        if row["error"]:
            say(within(f"{row['where']}: {row['error']['message']}"))
            say(within(f"try: {row['error']['hint']}"))
        elif not row["stores"]:
            out("  nothing yet")
    if not rows:
        say("no store of yours is kept where others have theirs: see docs/backends.md")
    return int(any(row["error"] for row in rows))
