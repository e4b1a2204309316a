"""Which commands there are, and how they are spelt here: as whoever reads of one can type it. Standard library only."""

from __future__ import annotations

import os
import re
import shlex
import sys

# in the order of the help
MODULES = {
    "init": "init",
    "add": "vaults",
    "remove": "vaults",
    "list": "vaults",
    "run": "run",
    "stop": "control",
    "reload": "control",
    "restart": "control",
    "logs": "logs",
    "service": "service.command",
    "query": "query",
    "find": "find",
    "status": "status",
    "files": "files",
    "get": "get",
    "similar": "similar",
    "links": "links",
    "tags": "lists",
    "properties": "lists",
    "tasks": "lists",
    "recent": "lists",
    "outline": "lists",
    "map": "map.command",
    "sync": "sync",
    "index": "sync",
    "store": "store",
    "reindex": "reindex",
    "export": "export",
    "import": "imports",
    "models": "models",
    "verify": "verify",
    "config": "config",
    "doctor": "doctor.command",
    "completion": "completion.command",
    "purge": "purge.command",
    "web": "web",
    "demo": "demo",
    "mcp": "vragd.mcp.command",
}
"""Each command and the module of vragd.cli it is in; that of another room by its whole name."""


def as_started() -> str:
    """
    What starts this very program again, as it was typed: `vragd` where the shell finds it by that name, else its path,
    or the interpreter with the module.
    """
    import shutil  # takes longer to import than all of this module

    typed, there = sys.argv[0], shutil.which("vragd")
    if typed.endswith("vragd/__main__.py"):
        beside = there and os.path.dirname(os.path.realpath(there)) == os.path.dirname(os.path.abspath(sys.executable))  # noqa: PTH100, PTH120
        return "vragd" if beside else f"{shlex.quote(sys.orig_argv[0])} -m vragd"
    if os.path.dirname(typed) == "" or os.path.basename(typed) != "vragd":  # noqa: PTH119, PTH120
        return "vragd"
    return "vragd" if there and _is_same(there, typed) else shlex.quote(typed)


def spelt(text: str) -> str:
    """Words for people, where each of our commands that they name begins as this program was started."""
    if "vragd " not in text or (started := as_started()) == "vragd":
        return text
    return re.sub(rf"(?<![\w./-])vragd (?=(?:{'|'.join(MODULES)})\b)", lambda _: f"{started} ", text)


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False
