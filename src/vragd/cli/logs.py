"""`vragd logs`: of the daemon that answers, whoever started it."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli import logged
from vragd.cli.connect import data_dir_of, load
from vragd.cli.control import default_log
from vragd.errors import ConfigError, VragdError


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("logs", parents=[common], help="what the daemon logged")
    logged.add_flags(sub)
    sub.set_defaults(command=_logs, only_print=False)


def _logs(args: argparse.Namespace) -> int:
    from vragd.cli.service.command import show_logs
    from vragd.cli.service.managers import manager, tail

    chosen = manager()
    try:
        configured = load(args).config.log.file
    except ConfigError:
        configured = None  # which may well be what the log is about
    if chosen.installed and configured is None:
        return show_logs(args, chosen)
    file = configured or default_log(data_dir_of(args))
    if not file.exists():
        hint = "a daemon on a terminal logs there; vragd run --detach and vragd service install keep a log"
        raise VragdError(f"there is no log at {file}", hint=hint)
    return logged.show(tail(file, args.lines, follow=args.follow), for_people=logged.for_people(args))
