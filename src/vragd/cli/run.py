"""`vragd run`: the daemon in the foreground."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import load
from vragd.errors import ConfigError
from vragd.paths import config_path


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("run", parents=[common], help="run the daemon in the foreground")
    sub.set_defaults(command=_run, is_daemon=True)


def _run(args: argparse.Namespace) -> int:
    if not config_path(args.config).exists():
        raise ConfigError(
            f"there is no configuration file at {config_path(args.config)}",
            hint="vragd init ~/path/to/your/vault writes one; then run this again",
        )
    loaded = load(args, required=True)
    from vragd import daemon, log

    settings = loaded.config.log
    log.set_up(level=settings.level, style=settings.format, show_paths=settings.paths)
    return daemon.run(loaded)
