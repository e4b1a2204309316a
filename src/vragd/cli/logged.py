"""What the daemon logged, in lines for people on a terminal, and as it is, which is JSON, elsewhere."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from vragd.cli.page import DIM, HIT, TITLE, Page, Piece, seen
from vragd.cli.render import out_pieces, the_page
from vragd.cli.words import MAX_LINES, count

HARD = ("warning", "error", "critical")
BESIDE = ("event", "level", "timestamp")
JOURNAL = "__REALTIME_TIMESTAMP"


def add_flags(sub: argparse.ArgumentParser) -> None:
    """What a log is asked for with."""
    sub.add_argument("-f", "--follow", action="store_true", help="go on with what is logged from now on")
    sub.add_argument("-n", "--lines", type=count(MAX_LINES, 0), default=100, metavar="N", help="the last N lines (100)")
    sub.add_argument("--json", action="store_true", help="as it was logged, as in a pipe: a JSON object a line")


def for_people(args: argparse.Namespace) -> bool:
    """Whether the lines are to be read by somebody."""
    return not args.json and sys.stdout is not None and sys.stdout.isatty()


def show(command: Sequence[str], *, for_people: bool) -> int:
    """Show what a command says that shows a log; its exit status. Raises FileNotFoundError where there is none."""
    if not for_people:
        return _as_in_a_shell(subprocess.run(command, check=False).returncode)  # noqa: S603  tail or journalctl
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:  # noqa: S603
        assert process.stdout is not None
        try:
            print_lines(process.stdout, the_page())
        except BaseException:  # or it would be waited for while it follows the log
            process.terminate()
            raise
    return _as_in_a_shell(process.returncode)


def _as_in_a_shell(status: int) -> int:
    """Of one that a signal has ended, as where its reader has gone, too."""
    return status if status >= 0 else 128 - status


def print_lines(lines: Iterable[str], page: Page) -> None:
    """Each line as people read it: when, how bad it is, what happened, and what belongs to it."""
    for line in lines:
        out_pieces([piece._replace(text=seen(piece.text)[0]) for piece in in_words(line.rstrip("\n"))], page, 4)


def in_words(line: str) -> list[Piece]:
    """A line of a log, or of the journal's JSON, in pieces; one that is neither as it is."""
    found, at = _object(line), ""
    if found is not None and JOURNAL in found:
        at = _local(int(found[JOURNAL]) / 1e6)
        said = found.get("MESSAGE")
        said = bytes(said).decode("utf-8", "replace") if isinstance(said, list) else str(said or "")
        if (found := _object(said)) is None:
            return [Piece(f"{at} ", DIM), Piece(" ".join(said.split("\n")))]
    if found is None or "event" not in found:
        return [Piece(line)]
    area, _, happened = str(found["event"]).rpartition(".")
    level = str(found.get("level", "info"))
    what = f"{area}: {happened}" if area else happened
    pieces = [
        Piece(f"{_time(found.get('timestamp')) or at} ", DIM),
        Piece(f"{level} ", HIT if level in HARD else DIM),
        Piece(what.replace("_", " "), TITLE),
    ]
    for name, value in found.items():
        if name not in BESIDE and value is not None:
            pieces.append(Piece(f"  {name}=", DIM))
            pieces.append(Piece(_value(value)))
    return pieces


def _object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _value(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(map(str, value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split("\n"))


def _time(stamp: Any) -> str:
    """A stamp of ours as clocks here show it; as it is where it is another."""
    try:
        return _local(datetime.fromisoformat(str(stamp)).timestamp()) if stamp else ""
    except ValueError:
        return str(stamp)


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
