"""`vragd mcp`: the bridge itself."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from vragd import __version__
from vragd.errors import UsageError
from vragd.mcp.install.clients import CLIENTS, meant


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "mcp",
        parents=[common],
        help="the notes in an assistant, over the Model Context Protocol",
        description="Without `install`: the bridge itself, which assistants start.",
    )
    sub.add_argument("do", nargs="?", choices=("install",), help="put it into an assistant's configuration")
    sub.add_argument("client", nargs="?", metavar="CLIENT", help=f"one of: {', '.join(CLIENTS)}")
    sub.add_argument("--print", action="store_true", dest="only_print", help="print what would be put in, and where")
    sub.add_argument("--undo", action="store_true", help="take it out again")
    sub.add_argument("--project", metavar="DIR", help="in that folder's own file, where the assistant has such")
    sub.set_defaults(command=_mcp)


def _mcp(args: argparse.Namespace) -> int:
    if args.do == "install":
        if args.client is not None:
            args.client = meant(args.client)
        from vragd.mcp.install.installing import install

        return install(args)
    if args.only_print or args.undo or args.project:
        raise UsageError("that is of `vragd mcp install`", hint="vragd mcp install CLIENT")
    from vragd.mcp.stdio import own_streams, serve

    if os.isatty(0):
        print("This is for assistants, which start it: vragd mcp install CLIENT. End it with ^D.", file=sys.stderr)
    source, out = own_streams()
    from vragd.mcp.bridge import Bridge
    from vragd.mcp.protocol import Peer
    from vragd.mcp.resources import Resources
    from vragd.mcp.text import Fence

    fence = Fence(os.urandom(4).hex())
    serve(Peer(Bridge(args.reach, fence), Resources(args.reach, fence), __version__), source, out)
    return 0
