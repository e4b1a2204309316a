"""`vragd`: parse, run the command, turn errors into words and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from vragd import __version__
from vragd.cli.render import complain
from vragd.errors import VragdError

Command = Callable[[argparse.Namespace], int]

# in the order of the help
MODULES = {
    "init": "init",
    "run": "run",
    "service": "service.command",
    "query": "query",
    "status": "status",
    "files": "files",
    "sync": "sync",
    "index": "sync",
    "store": "store",
    "verify": "verify",
    "config": "config",
    "demo": "demo",
}
"""Each command and the module of vragd.cli it is in."""

EPILOG = """\
exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 no daemon is running.
`vragd run` ends with those of sysexits.h: 75 another daemon runs, 78 configuration, 73 data directory,
65 data of a newer vragd."""


def parser(only: str = "") -> argparse.ArgumentParser:
    """
    The command line, or of it what the command `only` needs: importing all of them takes longer than a query.

    Every command sets `command`, a function of the parsed arguments.
    """
    top = argparse.ArgumentParser(
        prog="vragd",
        description="Keeps Obsidian vaults searchable from every program on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"vragd {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    places = common.add_argument_group("where things are (flag, then environment, then file)")
    places.add_argument("--config", metavar="FILE", help="configuration file (VRAGD_CONFIG)")
    places.add_argument("--data-dir", metavar="DIR", help="data directory (VRAGD_DATA_DIR)")
    places.add_argument("--socket", metavar="FILE", help="the daemon's socket (VRAGD_SOCKET)")
    places.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error (VRAGD_LOG_LEVEL)")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in dict.fromkeys([MODULES[only]] if only in MODULES else MODULES.values()):
        import_module(f"vragd.cli.{module}").add(commands, common)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    words = sys.argv[1:] if argv is None else argv
    args = parser(words[0] if words else "").parse_args(words)
    command: Command = args.command
    try:
        return command(args)
    except VragdError as error:
        complain(error)
        return error.daemon_status if getattr(args, "is_daemon", False) else error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of our output has gone, which is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
