"""`vragd completion`: the script of a shell, printed or put where that shell looks for it."""

from __future__ import annotations

import argparse
import os
from typing import Any

from vragd.cli.completion.scripts import SHELLS, is_ours
from vragd.cli.render import out_whole, say
from vragd.errors import UsageError


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "completion",
        parents=[common],
        help="commands, flags and names completed in your shell",
        description="Prints the script; names come from the daemon, while one runs.",
    )
    sub.add_argument("shell", choices=tuple(SHELLS), help="bash, zsh or fish")
    sub.add_argument("--install", action="store_true", help="put it where the shell looks for it")
    sub.set_defaults(command=_completion)


def _completion(args: argparse.Namespace) -> int:
    shell = SHELLS[args.shell]
    if not args.install:
        out_whole(shell.script.rstrip("\n"))
        return 0
    from vragd.cli.steps import Write
    from vragd.system.files import vault_around

    file = shell.file()
    by_hand = f"vragd completion {args.shell} > FILE, and have the shell read that"
    if (vault := vault_around(file)) is not None:
        raise UsageError(f"{file} is inside the vault {vault}", hint=by_hand)
    if os.path.lexists(file) and not is_ours(file):
        raise UsageError(f"{file} is there, and was not written by vragd", hint=f"move it away; or {by_hand}")
    Write(file, shell.script).do()
    for line in shell.then(file).split("\n"):
        say(line)
    return 0
