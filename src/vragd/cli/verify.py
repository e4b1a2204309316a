"""`vragd verify`: compare vault, catalog, backend and replicas."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import Session
from vragd.cli.render import json_out, out, plural, say, within


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "verify", parents=[common], help="compare vault, catalog, backend and replicas; list and mend what differs"
    )
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("--repair", action="store_true", help="mend what differs")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_verify)


def _verify(args: argparse.Namespace) -> int:
    with Session(args) as session:
        answer = session.request("POST", "/v1/verify", {"stores": args.store, "repair": args.repair}, timeout_s=3600)
    if args.json:
        json_out(answer)
        return 0 if answer["ok"] else 1
    print_verified(answer, repaired=args.repair)
    return 0 if answer["ok"] else 1


def print_verified(answer: dict[str, Any], *, repaired: bool) -> None:
    """What differs, by store, for people."""
    for result in answer["stores"]:
        for problem in result["problems"]:
            place = "/".join(part for part in (problem["source"], problem["path"]) if part)
            replica = (name := problem.get("replica")) and f"replica {name}:"
            found = " ".join(part for part in (place, replica, problem["detail"]) if part)
            out(within(f"{result['store']}: {problem['kind']}: {found}"))
        mended = f", {plural(result['n_mended'], 'problem')} mended" if repaired else ""
        out(f"{result['store']}: {plural(len(result['problems']), 'problem')}{mended}")
    if not repaired and any(result["problems"] for result in answer["stores"]):
        say("Try: vragd run, which indexes what is new; vragd verify --repair mends the rest")
