"""`vragd sync` and `vragd index`: look at the disk now."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from vragd.cli import bucket
from vragd.cli.connect import Session, client
from vragd.cli.passing import Passing
from vragd.cli.reasons import in_words, say_behind
from vragd.cli.render import plural, say
from vragd.cli.status import OF_BACKEND, OF_MODEL, left_of
from vragd.errors import UsageError, VragdError
from vragd.system.places import expanded, literal, named

POLL_S = 2.0
# Reasons for which no amount of waiting makes the paths searchable.
HOPELESS = frozenset({*OF_MODEL, *OF_BACKEND, "embedder_limit", "disk_full", "data_dir", "too_many_open", "config",
                      "catalog_corrupt"})  # fmt: skip
OFFLINE = "source_offline"
"""A file system does not answer: nothing comes of waiting where nothing else moves either."""
PATIENCE_S, PATIENCE_OFFLINE = 10.0, 6  # so many times as long, as it may come back by itself


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("sync", parents=[common], help="look at the disk now")
    sub.add_argument("path", nargs="?", help="only this file or folder")
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("--wait", action="store_true", help="return when what was found is searchable")
    sub.add_argument(
        "--confirm-deletes",
        action="store_true",
        help="believe that what is missing is gone, and take the folder that is there now",
    )
    sub.set_defaults(command=_sync)

    sub = commands.add_parser(
        "index", parents=[common], help="index what matches, once; makes the store if need be",
        description="Index files once, with or without a daemon. Patterns are those of .gitignore below the folder"
        " that one begins with, else the current one; quote them. A file or folder may be named too; '!private/' takes"
        " back what was named before it. What was indexed earlier by the same pattern and is gone leaves the store.",
    )  # fmt: skip
    sub.add_argument("pattern", nargs="+", metavar="GLOB", help="such as '**/*.md', a file or a folder")
    sub.add_argument("-s", "--store", required=True, help="the store they go to")
    sub.add_argument(
        "--remote-text", action=argparse.BooleanOptionalAction,
        help="with --backend or --bucket: keep the passages' text in the index too, for readers without the vault",
    )  # fmt: skip
    bucket.add_flags(sub)
    sub.set_defaults(command=_index)


def _sync(args: argparse.Namespace) -> int:
    path = str(Path(args.path).absolute()) if args.path else None
    body = {"stores": args.store, "path": path, "confirm_deletes": args.confirm_deletes}
    request = client(args).request
    answer = request("POST", "/v1/sync", body)
    if args.wait:
        answer = wait(request, answer)
    _say_how_far(answer, waited=args.wait)
    return 0


def _say_how_far(answer: dict[str, Any], *, waited: bool) -> None:
    """What came of it, for people."""
    if not waited and not answer["done"]:
        say("vragd looks at the disk now; --wait waits until what it finds is searchable")
        return
    say("what is on the disk is searchable")
    say_behind(answer | {"pending": 0})  # what waits by now has come since, or is only looked at once more


def wait(
    request: Callable[..., Any], answer: dict[str, Any], patience_s: float = PATIENCE_S
) -> dict[str, Any]:  # fmt: skip
    """
    The answer when the paths behind the tickets of `answer` are searchable. Raises when that could not happen for
    `patience_s` seconds.
    """
    hopeless_since: float | None = None
    progress = Progress()
    try:
        while not answer["done"]:
            before = answer["pending"]
            answer = request("POST", "/v1/sync", {"tickets": answer["tickets"], "wait_s": POLL_S})
            progress.show(answer)
            reasons, times = HOPELESS & set(answer["degraded"]), 1
            if not reasons and OFFLINE in answer["degraded"] and answer["pending"] == before:
                reasons, times = frozenset({OFFLINE}), PATIENCE_OFFLINE
            hopeless_since = (hopeless_since or time.monotonic()) if reasons else None
            if hopeless_since is not None and time.monotonic() - hopeless_since > times * patience_s:
                raise _waits(request, answer, sorted(reasons))
    finally:
        progress.end()
    return answer


def _waits(request: Callable[..., Any], answer: dict[str, Any], reasons: Sequence[str]) -> VragdError:
    """Why, as the stores say it: where no daemon runs, there is no status to look at afterwards."""
    stores = [store for store in request("GET", "/v1/status")["stores"] if store["name"] in answer["tickets"]]
    troubles = [store["trouble"] for store in stores if store["trouble"] and store["trouble"]["code"] in reasons]
    why, hint = (troubles[0]["message"], troubles[0]["hint"]) if troubles else ("; ".join(in_words(reasons)), "")
    message = f"{plural(answer['pending'], 'path')} cannot be indexed now: {why}"
    return VragdError(message, hint=hint or "vragd status says more")


class Progress:
    """How many paths are left, rewritten in place on a terminal, silent elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._most, self._line = 0, Passing(stream or sys.stderr)

    def show(self, told: Mapping[str, Any]) -> None:
        """Draw the bar for what the daemon says is left."""
        pending, left = told["pending"], left_of(told)
        self._most = max(self._most, pending)
        if self._most:
            done = self._most - pending
            width = 30 * done // self._most
            bar = f"[{'#' * width}{'.' * (30 - width)}] {done:,} of {self._most:,}"
            self._line.show(f"{bar}{', ' + left if left else ''}")

    def end(self) -> None:
        """Take the bar away."""
        self._line.end()


def _index(args: argparse.Namespace) -> int:
    started = time.monotonic()
    backend = bucket.chosen(args).settings.model_dump(mode="json", exclude_unset=True) if bucket.wanted(args) else None
    if args.remote_text is not None:
        if backend is None:
            raise UsageError("--remote-text needs --backend or --bucket")
        backend["remote_text"] = args.remote_text
    bases = patterns_by_folder(args.pattern)
    with Session(args) as session:
        for base, include in bases.items():
            answer = session.request(
                "POST",
                "/v1/index",
                {"store": args.store, "path": str(base), "include": include, "backend": backend},
                timeout_s=300,
            )
            wait(session.request, answer)
        info = session.request("GET", f"/v1/stores/{quote(args.store)}")
    failed = info["states"].get("failed", 0)
    say(
        f"{args.store}: {plural(info['notes'], 'note')}, {plural(info['chunks'], 'chunk')},"
        f" {plural(info['n_embedded'], 'text')} embedded, {time.monotonic() - started:.1f} s"
    )
    if failed:
        say(f"{plural(failed, 'note')} failed: vragd files --state failed")
    return VragdError.exit_status if failed else 0


def patterns_by_folder(given: Sequence[str]) -> dict[Path, list[str]]:
    """
    Command-line patterns as folders and .gitignore patterns below each, in the order in which they count.

    One that takes back (`!private/`) does so in every folder it reaches. Raises UsageError for one that reaches none.
    """
    found: dict[Path, list[str]] = {}
    for pattern in given:
        if not pattern.startswith("!") or os.path.lexists(pattern):
            base, include = split_pattern(pattern)
            found.setdefault(base, []).extend(include)
            continue
        base, taken = _taken_back(pattern[1:])
        reached = [folder for folder in found if folder == base or folder in base.parents or base in folder.parents]
        if not reached:
            raise UsageError(f"{pattern!r} takes back what nobody named", hint="name it behind what it takes away from")
        for folder in reached:
            found[folder] += [f"!{one}" for one in _seen_from(folder, base, taken)]
    return dict(sorted(found.items(), key=lambda one: len(one[0].parts)))  # what is below another becomes part of that


def _taken_back(pattern: str) -> tuple[Path, str]:
    path = expanded(pattern)
    if path.is_dir():
        return path.resolve(), "**"
    base, include = split_pattern(pattern)
    return base, include[0]


def _seen_from(folder: Path, base: Path, pattern: str) -> list[str]:
    """A pattern below `base` as one below `folder`, which is `base` or above or below it."""
    if folder == base:
        return [pattern]
    if folder in base.parents:
        below = literal(base.relative_to(folder).as_posix())
        return [f"/{below}/{pattern.lstrip('/') if '/' in pattern else f'**/{pattern}'}"]
    if "/" not in pattern or pattern == "**":
        return [pattern]
    raise UsageError(f"what '!{pattern}' takes back in {folder} cannot be told", hint=f"cd {folder}, name it there")


def split_pattern(pattern: str) -> tuple[Path, list[str]]:
    """
    A command-line pattern as a folder and .gitignore patterns below it: what it begins with, or else the current one.
    """
    path = Path(pattern) if os.path.lexists(pattern) else expanded(pattern)
    if not path.exists() and (there := named(pattern)).exists():
        path = there
    if path.is_dir():
        return path.resolve(), ["*.md", "*.markdown", "*.txt"]
    if path.exists():
        return path.absolute().parent.resolve(), [f"/{literal(path.name)}"]
    parts = path.parts
    fixed = next((i for i, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts) - 1)
    rest = "/".join(parts[fixed:])
    base = Path(*parts[:fixed]).resolve()
    if not base.is_dir():
        raise UsageError(
            f"{base} is not a folder", hint="a pattern begins in the current folder, unless it begins with / or ~"
        )
    return base, [f"/{rest}" if fixed or "**" in rest else rest]
