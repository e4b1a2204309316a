"""`vragd mcp`: the bridge itself."""

from __future__ import annotations

import argparse
import os
from typing import Any

from vragd import __version__


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "mcp", parents=[common], help="the notes in an assistant, over the Model Context Protocol"
    )
    sub.set_defaults(command=_mcp)


def _mcp(args: argparse.Namespace) -> int:
    from vragd.mcp.stdio import own_streams, serve

    source, out = own_streams()
    from vragd.mcp.bridge import Bridge
    from vragd.mcp.protocol import Peer
    from vragd.mcp.text import Fence

    bridge = Bridge(args.reach, Fence(os.urandom(4).hex()))
    serve(Peer(bridge, __version__), source, out)
    return 0
