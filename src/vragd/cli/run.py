"""`vragd run`: the daemon in the foreground."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from vragd.cli.connect import load
from vragd.errors import ConfigError, DaemonBusy
from vragd.system.memory import TO_RUN_MIB, ensure_room
from vragd.system.places import config_path

if TYPE_CHECKING:
    from vragd.cli.running import Teller
    from vragd.config.load import Loaded


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("run", parents=[common], help="run the daemon in the foreground")
    sub.add_argument("--log-file", metavar="FILE", help="log there instead of standard error (VRAGD_LOG_FILE)")
    sub.add_argument("--detach", action="store_true", help="in the background: it outlives this terminal")
    sub.add_argument(
        "--metrics", metavar="ADDRESS:PORT", default=os.environ.get("VRAGD_METRICS"),
        help="GET /metrics there too, on this machine alone: 127.0.0.1:9464 (VRAGD_METRICS)",
    )  # fmt: skip
    sub.set_defaults(command=_run, is_daemon=True)


def _run(args: argparse.Namespace) -> int:
    # A reload may be asked for before there is anything to reload; the signal's default is death.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    is_there = _has_file(args)
    if args.detach:
        from vragd.cli.control import detach

        args.socket = args.socket or None
        return detach(args)
    ensure_room(TO_RUN_MIB)
    gc.disable()  # until the daemon stands: what is loaded meanwhile stays, and looking through it takes long
    from vragd.daemon import life

    loaded = load(args, required=is_there)
    teller = _teller(args, loaded)
    if teller is not None:
        _refuse_second(loaded)
        loaded = load(args, required=is_there)  # with the log's place
    life.set_up_log(loaded.config.log)
    if teller is None:
        return life.run(loaded, lambda: load(args, required=is_there), metrics=args.metrics)
    from vragd.cli.sending import say_at_start

    say_at_start(loaded)
    teller.start()
    try:
        return life.run(loaded, lambda: load(args, required=is_there), metrics=args.metrics)
    finally:
        teller.stop()


def _has_file(args: argparse.Namespace) -> bool:
    """
    Whether there is a configuration: without one the stores that commands made are served, by the defaults.

    Raises ConfigError where there is neither, and for a file that was named and is not there.
    """
    file = config_path(args.config)
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        if not (args.config or os.environ.get("VRAGD_CONFIG")) and _are_made(args):
            return False
        raise ConfigError(
            f"there is no configuration file at {file}",
            hint="vragd init ~/path/to/your/vault writes one; then run this again",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"cannot look at {file}: {os.strerror(error.errno or 0)}",
            hint="is HOME that of the user who asks? else --config FILE",
        ) from error
    return True


def _are_made(args: argparse.Namespace) -> bool:
    from vragd.stores.registry import Registry

    return any(entry.origin == "command" for entry in Registry(load(args)).entries().values())


def _refuse_second(loaded: Loaded) -> None:
    """Raise DaemonBusy where a daemon has the data directory, before a terminal is told that one starts."""
    from vragd.cli.control import is_free
    from vragd.system.lock import holder

    held = holder(loaded.data_dir)
    if held is not None and held.socket is not None and not is_free(loaded.data_dir / "lock"):
        hint = "vragd status says how it is; vragd restart begins it anew, vragd stop ends it"
        raise DaemonBusy(f"a vragd runs already (pid {held.pid}), and answers at {held.socket}", hint=hint)


def _teller(args: argparse.Namespace, loaded: Loaded) -> Teller | None:
    """Who tells people at a terminal how far it is, where the log is not asked for there: it goes to a file then."""
    asked = args.log_level or os.environ.get("VRAGD_LOG_LEVEL") or os.environ.get("INVOCATION_ID")
    if asked or loaded.config.log.file is not None or not sys.stderr.isatty():
        return None
    from vragd.cli.control import default_log
    from vragd.cli.running import Teller
    from vragd.client import Client

    log = default_log(loaded.data_dir)
    try:
        log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None  # then the terminal has it
    args.log_file = str(log)
    return Teller(Client(loaded.socket), sys.stderr, log)
