"""`vragd reindex`: a store again, from the vault."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any
from urllib.parse import quote

from vragd.cli.connect import Session
from vragd.cli.reasons import in_words, on_sending
from vragd.cli.render import json_out, plural, say, within
from vragd.cli.status import n_searched
from vragd.cli.sync import wait
from vragd.errors import UsageError, VragdError

BEGINS_IN_S = 300.0


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "reindex", parents=[common], help="read a store's notes again; answers stay as they are until it is done",
        description="Reads every note of a store from its vault again, whatever its files look like. Each answers as it"
        " was until it is done. What its model has embedded is not embedded again without --embed.",
    )  # fmt: skip
    sub.add_argument("store", help="what the store is called")
    sub.add_argument("--embed", action="store_true", help="embed every passage again, too; takes room for both at once")
    sub.add_argument("-y", "--yes", action="store_true", help="with --embed: do not ask before text leaves the machine")
    sub.add_argument("--json", action="store_true", help="what came of it, as JSON")
    sub.set_defaults(command=_reindex)


def _reindex(args: argparse.Namespace) -> int:
    started, place = time.monotonic(), f"/v1/stores/{quote(args.store, safe='')}"
    with Session(args) as session:
        before = session.request("GET", place)
        if args.embed and before.get("sending") and not _agreed(before["sending"], yes=args.yes):
            return 1
        body = {"store": args.store, "embed": args.embed}
        answer = session.request("POST", "/v1/reindex", body, timeout_s=BEGINS_IN_S)
        try:
            wait(session.request, answer)
        except KeyboardInterrupt:
            say("vragd goes on with it" if session.is_daemon else "the next vragd run goes on with it")
            raise
        info = session.request("GET", place)
    failed = info["states"].get("failed", 0)
    told = {
        "store": args.store, "notes": n_searched(info), "chunks": info["chunks"], "failed": failed,
        "n_embedded": info["n_embedded"] - before["n_embedded"], "seconds": round(time.monotonic() - started, 2),
        "degraded": info["degraded"],
    }  # fmt: skip
    if args.json:
        json_out(told)
    else:
        _say(told)
    return VragdError.exit_status if failed else 0


def _agreed(sending: dict[str, Any], *, yes: bool) -> bool:
    """Whether to send what embedding all again sends. Raises UsageError when nobody can be asked."""
    say(within(on_sending(sending)))
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("this sends text to another machine, and nobody can be asked", hint="--yes, if it is meant")
    say("Send them? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(told: dict[str, Any]) -> None:
    say(
        f"{told['store']}: {plural(told['notes'], 'note')} read again, {plural(told['chunks'], 'passage')},"
        f" {told['n_embedded']:,} embedded, {told['seconds']:.1f} s"
    )
    if told["failed"]:
        say(f"{plural(told['failed'], 'note')} failed: vragd files --state failed says why")
    for line in in_words(told["degraded"]):
        say(f"note: {line}")
