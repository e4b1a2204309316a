"""`vragd doctor`: every check, in the order in which one thing stands on another."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.commands import spelt
from vragd.cli.page import DIM, HIT, TITLE, Piece, seen
from vragd.cli.render import json_out, out_pieces, plural, say, the_page, within
from vragd.errors import UsageError
from vragd.system.files import vault_around, write_atomic

if TYPE_CHECKING:
    from vragd.cli.doctor.finding import Finding

FAULTS = 1
"""The exit status where something is wrong."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "doctor", parents=[common], help="look at everything vragd needs; what is wrong, the way out"
    )
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.add_argument(
        "--bundle", metavar="FILE", help="write there what a stranger needs to help: no names, paths, hosts or text"
    )
    sub.set_defaults(command=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from vragd.system import log

    if args.bundle and Path(args.bundle).exists():
        raise UsageError(f"{args.bundle} is there already", hint="give another name")
    if args.bundle and (vault := vault_around(Path(args.bundle))):
        raise UsageError(f"{args.bundle} is inside the vault {vault}", hint="vragd never writes in a vault")
    log.set_up(level="error")
    findings = examined(args)
    n_bad = sum(finding.state == "bad" for finding in findings)
    if args.bundle:
        write_atomic(Path(args.bundle).absolute(), [bundle_of(findings)])
        say(f"wrote {args.bundle}: no names, paths, hosts or text of yours are in it; look before you pass it on")
    if args.json:
        json_out(
            {"faults": n_bad, "findings": [{**finding._asdict(), "facts": dict(finding.facts)} for finding in findings]}
        )
    else:
        _print(findings, n_bad)
    return FAULTS if n_bad else 0


def examined(args: argparse.Namespace) -> list[Finding]:
    """What all checks find."""
    from vragd.cli.passing import Passing

    line = Passing()
    try:
        return _examined(args, lambda area: line.show(f"looks at: {area}"))
    finally:
        line.end()


def _examined(args: argparse.Namespace, tell: Callable[[str], None]) -> list[Finding]:
    """As `examined`; each area is told before it is looked at, for some take seconds."""
    tell("program")
    from vragd.cli.connect import load
    from vragd.cli.doctor import machine, parts
    from vragd.cli.doctor.finding import Finding, ran
    from vragd.errors import ConfigError, VragdError

    findings = list[Finding]()
    for area, check in (
        ("program", machine.interpreter), ("packages", machine.packages), ("database", machine.database)
    ):  # fmt: skip
        tell(area)
        findings += ran(area, check)
    try:
        loaded = load(args)
    except VragdError as error:
        facts = {"code": error.code, "line": error.line if isinstance(error, ConfigError) else None}
        return [*findings, Finding("configuration", "bad", error.message, error.hint, facts)]
    for area, check in (
        ("configuration", lambda: parts.configuration(loaded)),
        ("permissions", lambda: parts.permissions(loaded)),
        ("disk", lambda: machine.disk(loaded)),
        ("file systems", lambda: machine.file_systems(loaded)),
        ("watching", lambda: machine.watches(loaded)),
        ("model", lambda: parts.models(loaded)),
        ("backend", lambda: parts.backends(loaded)),
        ("imported", lambda: parts.imports(loaded)),
        ("daemon", lambda: parts.socket_and_daemon(args, loaded)),
        ("service", parts.service),
    ):
        tell(area)
        findings += ran(area, check)
    return findings


def bundle_of(findings: Sequence[Finding]) -> bytes:
    """The findings as one JSON document without anything of their user's."""
    return json.dumps({"vragd_doctor": 1, "findings": [finding.public() for finding in findings]}, indent=1).encode()


def _print(findings: Sequence[Finding], n_bad: int) -> None:
    page = the_page()
    n_notes = sum(finding.state == "note" for finding in findings)
    first = f"{plural(n_bad, 'thing is', 'things are')} wrong" if n_bad else "Nothing is wrong"
    more = f", {plural(n_notes, 'thing')} to know" if n_notes else ""
    out_pieces([Piece(f"{first}{more}.", TITLE)], page)
    for finding in findings:
        style = {"bad": HIT, "note": TITLE, "ok": DIM}[finding.state]
        text = seen(within(f"{finding.area}: {spelt(finding.found)}"))[0]
        out_pieces([Piece(f"{finding.state:5} ", style), Piece(text)], page, 6)
        if finding.way:
            out_pieces([Piece(seen(within(f"      try: {spelt(finding.way)}"))[0])], page, 11)
