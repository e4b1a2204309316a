"""`vragd`: parse, run the command, turn errors into words and an exit status."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from vragd import __version__
from vragd.cli.commands import MODULES
from vragd.cli.render import complain
from vragd.cli.words import Words, show_help
from vragd.errors import DataDirError, NotRunning, UnknownStore, UsageError, VragdError
from vragd.system.encoding import begin_in_utf8
from vragd.system.places import config_path

if TYPE_CHECKING:
    from vragd.client import Client

Command = Callable[[argparse.Namespace], int]

FILTERED = ("query", "find", "tags", "properties", "tasks", "recent", "similar")
"""The commands that take filters, which may begin with `-`."""

PAGED = (
    "query", "similar", "get", "files", "links", "tags", "properties", "tasks", "recent", "outline", "list", "doctor",
)  # fmt: skip
"""The commands whose answers may be long, and that ask nothing while they answer."""

NAMES = (
    "path", "vault", "pattern", "store", "name", "source", "config", "data_dir", "socket", "log_file",
    "note", "where", "bundle", "why", "backend", "bucket", "region", "profile", "endpoint_url", "model", "project",
    "out", "collection", "tag", "not_tag", "property", "not_property", "folder", "not_folder", "on", "after", "before",
    "also",
)  # fmt: skip
"""The arguments that name something."""

WAYS = {
    (errno.EACCES, errno.EPERM): "may you use it? is HOME that of the user who asks?",
    (errno.ENOENT, errno.ENOTDIR): "is the folder there in which it is to be? is its name spelled right?",
    (errno.EISDIR, errno.EEXIST): "name a file",
    (errno.ENAMETOOLONG,): "choose a shorter name",
    (errno.EROFS,): "it is mounted for reading alone: name a place that can be written",
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG): "free some space, or name another place",
    (errno.EMFILE, errno.ENFILE): "raise the limit of open files: ulimit -n",
}
"""The way out of what the system refuses, by its number."""

EPILOG = """\
examples:
  vragd init ~/MyVault                     write a configuration for a vault
  vragd run                                keep it searchable; at every login:
                                           vragd service install
  vragd query how do I brew coffee         find notes; --open 1 opens the first,
                                           --edit 1 edits it
  vragd query 'coffee tag:recipe -decaf'   narrowed as in Obsidian's search
  vragd similar "Coffee"                   notes that are related to one
  vragd query --help                       the flags of a command

exit status: 0 done, 1 nothing found (query, similar), differences (verify),
faults (doctor) or the answer was no, 2 wrong usage or configuration, 3 no
daemon is running, 4 failed. `vragd run` ends with those of sysexits.h: 75
another daemon runs, 78 configuration, 73 data directory, 65 data of a newer
vragd."""


def parser(only: str = "") -> Words:
    """
    The command line, or of it what the command `only` needs: importing all of them takes longer than a query.

    Every command sets `command`, a function of the parsed arguments.
    """
    top = Words(
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
    places.add_argument("--no-pager", action="store_true", help="a long answer on a terminal as it is (else PAGER)")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in dict.fromkeys([MODULES[only]] if only in MODULES else MODULES.values()):
        import_module(module if module.startswith("vragd.") else f"vragd.cli.{module}").add(commands, common)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    _stand_in()
    if argv is None:
        begin_in_utf8()
    words = sys.argv[1:] if argv is None else argv
    if words and words[0].startswith("-") and len(words) > 1:
        words = parser().command_first(words)
    if words and words[0] == "_complete":  # by a shell, at every key: nothing else is looked at for it
        from vragd.cli.completion import reply

        return reply.main(words[1:], reply.Known(MODULES, parser))
    if words and words[0] in FILTERED:
        from vragd.cli.query import guarded

        words = guarded(words)
    if words and words[0] == "help":
        words = [*words[1:], "--help"]
    if not words:
        return show_help(parser())
    args = parser(words[0]).parse_args(words)
    command: Command = args.command
    args.reach = partial(_reach, args)
    args.assistants = partial(import_module, "vragd.mcp.install.leaving")  # of another room, for `purge`
    try:
        _refuse_empty(args)
        status = _shown(command, args) if words[0] in PAGED else command(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except VragdError as error:
        return _refused(args, error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _let_go_of_output()  # its reader has gone, which is its right
        return 0
    except OSError as error:
        _let_go_of_output()
        return _refused(args, _of_the_system(error))
    except MemoryError:
        return _refused(
            args, VragdError("no memory is left", hint="end what needs much, or raise the limit: ulimit -v")
        )
    return status


def _shown(command: Command, args: argparse.Namespace) -> int:
    """Run a command whose answer goes through a pager where it is long."""
    becomes_another = getattr(args, "edit", None) is not None or getattr(args, "open", None) is not None
    if becomes_another or args.no_pager or sys.stdout is None or not sys.stdout.isatty():
        return command(args)
    from vragd.cli.pager import paged

    with paged():
        return command(args)


def _reach(args: argparse.Namespace) -> Client:
    """A client of the daemon that is meant, for a command of another room."""
    from vragd.cli.connect import client

    return client(args)


def _refuse_empty(args: argparse.Namespace) -> None:
    """A name that is an empty text is a variable that is not set: it is not to mean everything, as none at all does."""
    for name in NAMES:
        given = getattr(args, name, None)
        if any(isinstance(one, str) and not one.strip() for one in (given if isinstance(given, list) else [given])):
            hint = "is a variable of the shell not set?"
            may_be_left_out = name in ("store", "source", "folder") and isinstance(given, list)
            hint += " leave it out to mean all" if may_be_left_out else ""
            raise UsageError(f"what is given for {name.replace('_', '-')} is empty", hint=hint)


def _refused(args: argparse.Namespace, error: VragdError) -> int:
    if isinstance(error, NotRunning) and _is_new(args):
        error.hint = "vragd init ~/path/to/your/vault, then vragd run"
    if isinstance(error, UnknownStore) and (name := _imported(args)):
        error.hint = f"{name} was imported: only vragd query -s {name} alone asks it"
    complain(error)
    return error.daemon_status if getattr(args, "is_daemon", False) else error.exit_status


def _imported(args: argparse.Namespace) -> str:
    """Which of the stores that were named is one that was imported; "" for none."""
    from vragd.cli.bucket import IMPORTED
    from vragd.cli.connect import data_dir_of

    given = getattr(args, "store", None) or []
    with suppress(VragdError, OSError):
        folder = data_dir_of(args) / IMPORTED
        for name in [given] if isinstance(given, str) else given:
            if "/" not in name and (folder / f"{name}.db").is_file():
                return str(name)
    return ""


def _is_new(args: argparse.Namespace) -> bool:
    """Whether there is no configuration yet."""
    try:
        config_path(getattr(args, "config", None)).stat()
    except FileNotFoundError:
        return True
    except (OSError, UsageError):
        return False
    return False


def _of_the_system(error: OSError) -> VragdError:
    """What the system refused, in words: whatever was to be done did not come to its own complaint."""
    try:
        Path.cwd()
    except OSError:
        return UsageError("the current folder is gone, or cannot be looked at", hint="cd to one that is there")
    what = f"cannot use {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else "the system says"
    hint = next((way for kind, way in WAYS.items() if error.errno in kind), "vragd doctor looks at what vragd needs")
    return DataDirError(f"{what}: {error.strerror or type(error).__name__}", hint=hint)


def _stand_in() -> None:
    """What was closed before we began is not to be a file or a socket of ours by its number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number there is
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  for as long as the process lives
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115


def _let_go_of_output() -> None:
    """What is still to be written there would fail again at the end of the process."""
    if sys.stdout is not None:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OSError, ValueError):
            return


if __name__ == "__main__":
    sys.exit(main())
