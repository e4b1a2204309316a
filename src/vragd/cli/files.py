"""`vragd files`: each file, its state, and why."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import urlencode

from vragd.cli.connect import Session
from vragd.cli.render import json_out, out, say, within

INDENT = 15


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("files", parents=[common], help="each file, its state, and why")
    sub.add_argument(
        "--state", action="append", default=[], choices=("indexed", "failed", "pending", "skipped"),
        help="only those (may be repeated)",
    )  # fmt: skip
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument(
        "--why", metavar="NOTE", help="of one file, by its path or name: is it searched, if not why not, its passages"
    )
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_files)


def _files(args: argparse.Namespace) -> int:
    wanted = urlencode([("state", state) for state in args.state] + [("store", store) for store in args.store])
    with Session(args) as session:
        if args.why is not None:
            from vragd.cli.why import why

            return why(args, session)
        answer = session.request("GET", "/v1/files" + (f"?{wanted}" if wanted else ""))
    if args.json:
        json_out(answer)
        return 0
    from vragd.cli.why import in_words

    for row in answer["files"]:
        reason = f": {in_words(row['reason'])}" if row["reason"] else ""
        out(within(f"{row['state']:8} {row['n_chunks'] or '':>4}  {row['source']}/{row['path']}{reason}"), INDENT)
    if not answer["files"]:
        say("no such files")
    return 0
