"""`vragd verify`: compare vault, catalog, backend and replicas."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import Session
from vragd.cli.render import json_out, out, plural, say, within

UNMENDED = frozenset({"not_checked"})
OF_NOTES = frozenset({"not_indexed", "stale", "ghost"})


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
    print_verified(answer, repaired=args.repair, is_daemon=session.is_daemon)
    return 0 if answer["ok"] else 1


def print_verified(answer: dict[str, Any], *, repaired: bool, is_daemon: bool = True) -> None:
    """What differs, by store, for people; `is_daemon`: whether one runs that will look at what is new."""
    for result in answer["stores"]:
        for problem in result["problems"]:
            place = "/".join(part for part in (problem["source"], problem["path"]) if part)
            replica = (name := problem.get("replica")) and f"replica {name}:"
            found = " ".join(part for part in (place, replica, problem["detail"]) if part)
            out(within(f"{result['store']}: {problem['kind']}: {found}"))
        mended = f", {plural(result['n_mended'], 'problem')} mended" if repaired else ""
        out(f"{result['store']}: {plural(len(result['problems']), 'problem')}{mended}")
        for file in result.get("kept", ()):  # a daemon from before an upgrade does not say
            say(within(f"{result['store']}: {file} was damaged, and is kept: delete it when nobody misses anything"))
    kinds = {problem["kind"] for result in answer["stores"] for problem in result["problems"]}
    for line in ways_out(kinds, repaired=repaired, is_daemon=is_daemon):
        say(line)


def ways_out(kinds: set[str], *, repaired: bool, is_daemon: bool) -> list[str]:
    """What helps against problems of these kinds, or against what `--repair` left of them."""
    lines = []
    if not repaired and kinds - UNMENDED:
        runs = not is_daemon and kinds & OF_NOTES
        lines.append(f"Try: {'vragd run, which indexes what is new; ' if runs else ''}vragd verify --repair")
    if "failed" in kinds:
        lines.append("Why notes failed: vragd files --state failed")
    if "damaged_files" in kinds:
        lines.append(
            "Damaged files are left where mending would lose what they hold: see their lines" if repaired
            else "Damaged files that --repair leaves need what their lines say"
        )  # fmt: skip
    if "not_checked" in kinds:
        lines.append("Not checked is not wrong: see to what its line says, then vragd verify")
    return lines
