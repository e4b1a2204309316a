"""Which daemons run while `vragd purge` looks: the one on the data directory in question, and another one."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.connect import client_socket, data_dir_of
from vragd.errors import DaemonBusy, NotRunning, VragdError
from vragd.system.places import default_socket

if TYPE_CHECKING:
    from vragd.config.load import Loaded
    from vragd.system.lock import Holder

_STATUS_S = 5.0


def holder_of(data: Path) -> Holder | None:
    """Who holds the data directory now: nobody is asked over a socket, which may start a daemon."""
    from vragd.cli.control import is_free
    from vragd.cli.purge.data import has_mark
    from vragd.system.lock import holder

    return holder(data) if has_mark(data) and not is_free(data / "lock") else None


def refusal(data: Path, holder: Holder | None) -> DaemonBusy | None:
    """
    Why the holder of the data directory cannot be stopped; None for a daemon that says itself that it is the one.

    What stands in a lock may be older than who holds it, and the pid somebody else's by now.
    """
    if holder is None:
        return None
    if holder.socket is None or not holder.pid.isdecimal():
        return DaemonBusy(f"a vragd command (pid {holder.pid}) works on {data}", hint="wait for its end, or stop it")
    try:
        status = _status(holder.socket)
    except VragdError:
        status = {}
    if str(status.get("pid")) == holder.pid:
        return None
    return DaemonBusy(
        f"somebody holds {data / 'lock'}, and no daemon with its pid {holder.pid} answers at {holder.socket}",
        hint="wait for the end of who holds the lock, or stop it: fuser LOCK names it",
    )


def stop(data: Path) -> None:
    """Have the daemon end that holds the data directory. Raises VragdError where it does not, or is no daemon."""
    from vragd.cli import control
    from vragd.cli.service.managers import manager

    holder = holder_of(data)
    if refused := refusal(data, holder):
        raise refused
    if holder is not None:
        control.end(manager(), {"pid": int(holder.pid), "data_dir": str(data)}, quiet=True)


def other(args: argparse.Namespace, loaded: Loaded | None, data: Path, holder: Holder | None) -> str | None:
    """Which other daemon runs, as a reason to leave what it may use; None where none answers."""
    for place in dict.fromkeys(_places(args, loaded, data)):
        if (holder is not None and place == holder.socket) or not _is_own_socket(place):
            continue
        try:
            status = _status(place)
        except NotRunning:
            continue
        except VragdError:
            status = {}
        if holder is None or str(status.get("pid")) != holder.pid:
            its = status.get("data_dir")
            return f"another vragd runs on {its}" if its else f"another daemon answers at {place}"
    return None


def _places(args: argparse.Namespace, loaded: Loaded | None, data: Path) -> Iterator[Path]:
    """Where another daemon may answer. A socket that the service manager holds would start one: it is not asked."""
    from vragd.cli.service.managers import manager

    usual = data_dir_of(argparse.Namespace(**{**vars(args), "data_dir": None}))
    if usual != data and (found := holder_of(usual)) and found.socket:
        yield found.socket
    if not manager().waits_for_a_client:
        yield from [loaded.socket] if loaded else []
        yield client_socket(None, args.config)
        yield default_socket()


def _status(place: Path) -> dict[str, Any]:
    """What the daemon there says. Raises VragdError."""
    from vragd.client import Client

    said = Client(place).request("GET", "/v1/status", timeout_s=_STATUS_S)
    return said if isinstance(said, dict) else {}


def _is_own_socket(place: Path) -> bool:
    with suppress(OSError):
        info = place.lstat()
        return stat.S_ISSOCK(info.st_mode) and info.st_uid == os.geteuid()
    return False
