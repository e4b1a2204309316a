"""`vragd status`."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import client
from vragd.cli.render import ago, json_out, out, plural, within


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("status", parents=[common], help="what the daemon does and how far it is")
    sub.add_argument("--json", action="store_true")
    sub.set_defaults(command=_status)


def _status(args: argparse.Namespace) -> int:
    status = client(args).request("GET", "/v1/status")
    if args.json:
        json_out(status)
        return 0
    out(f"vragd {status['version']}, pid {status['pid']}, up {ago(status['uptime_s'])}")
    for store in status["stores"]:
        _store(store)
    for failed in status["failed"]:
        out(f"\n{failed['name']}: cannot be opened: {failed['message']}")
        if failed["hint"]:
            out(f"  try: {failed['hint']}")
    if not status["stores"]:
        out("no stores yet: vragd init, or vragd store create")
    return 0


def _store(store: dict[str, Any]) -> None:
    out(
        f"\n{store['name']}: {plural(store['notes'], 'note')}, {plural(store['chunks'], 'chunk')},"
        f" {store['pending']:,} pending"
    )
    states = {state: n for state, n in store["states"].items() if state != "indexed" and n}
    if states:
        shown = ", ".join(f"{n} {state}" for state, n in states.items())
        out(f"  not simply indexed: {shown} (vragd files --state failed)")
    model = store["embedder"].get("model", "all-MiniLM-L6-v2")
    out(f"  embedder {store['embedder']['type']} ({model}), backend {store['backend']['type']}")
    for source in store["sources"]:
        scanned = (
            "not scanned yet" if source["scanned_s_ago"] is None else f"scanned {ago(source['scanned_s_ago'])} ago"
        )
        out(within(f"  {source['name']}: {source['path']} [{source['state']}, {source['watching']}, {scanned}]"))
        if source["n_deletes_held"]:
            out(
                f"    {plural(source['n_deletes_held'], 'note is', 'notes are')} missing all at once and kept for now;"
                " if that is meant: vragd sync --confirm-deletes"
            )
        for folder, why in list(source["unwatched"].items())[:3]:
            if why != "asked_for":
                out(f"    {within(folder) or 'the source'} is looked at now and then, as it cannot be watched: {why}")
        if source["rules_trouble"]:
            out(f"    not all that Obsidian excludes is known, and the last rules hold: {source['rules_trouble']}")
    if trouble := store["trouble"]:
        out(f"  waiting for {ago(trouble['for_s'])}: {trouble['message']}")
        if trouble["hint"]:
            out(f"  try: {trouble['hint']}")
    if store["n_vectors_behind"]:
        out(f"  {plural(store['n_vectors_behind'], 'vector')} still to be put into {store['backend']['type']}")
    if store["degraded"]:
        out(f"  degraded: {', '.join(store['degraded'])}")
