"""`vragd get`: a note, a part of it or a passage that was found, as the catalog has it."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import Session
from vragd.cli.hits import copies_of
from vragd.cli.links import named
from vragd.cli.reasons import say_behind
from vragd.cli.render import json_out, out, say, within


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("get", parents=[common], help="read back a note, a part of it, or a hit by its id")
    sub.add_argument(
        "note",
        help="a hit's id; or a path as hits print it, a title, a name, with :FROM-TO, #HEADING or #^BLOCK a part of it",
    )
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_get)


def _get(args: argparse.Namespace) -> int:
    asked = {"note": named(args.note), "stores": args.store, "sources": args.source}
    with Session(args) as session:
        answer = session.request("POST", "/v1/get", asked)
    if args.json:
        json_out(answer)
    else:
        print_got(answer)
    return 0


def print_got(answer: dict[str, Any]) -> None:
    """The text, and nothing else, on standard output; where it stands, and what may be wrong, to standard error."""
    note, (first, last) = answer["note"], answer["lines"]
    if answer["changed"]:
        say("changed: that passage was edited; this is what is nearest to it in its note")
    say(within(f"{note['source']}/{note['path']}:{first}-{last}"))
    out(answer["text"])
    for line in copies_of(answer):
        say(within(line))
    say_behind(answer)
