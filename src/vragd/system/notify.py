"""
The service manager's two protocols, by hand: telling it how we are (sd_notify(3)) and taking sockets it
opened for us (sd_listen_fds(3)). Standard library only.

Without a manager that asks for it everything here does nothing, and nothing here ever raises.
"""

from __future__ import annotations

import os
import socket
import time
from typing import NamedTuple

FIRST_FD = 3  # SD_LISTEN_FDS_START
SEND_TIMEOUT_S = 0.5  # the manager's queue may be full; the event loop must not wait for it
MAX_FDS = 1024


def notify(*fields: str, timeout_s: float = SEND_TIMEOUT_S) -> bool:
    """Send `KEY=value` fields in one message; whether it was sent. False without a manager that listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False  # unset, or a vsock, which only virtual machines have
    if address.startswith("@"):
        address = "\0" + address[1:]  # a name in the abstract namespace
    message = "\n".join(field.replace("\n", " ") for field in fields).encode("utf-8", "replace")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(address)
            connection.send(message)
    except (OSError, ValueError):
        return False
    return True


def ready(status: str) -> bool:
    """Started, or reloaded; `status` is what `systemctl status` shows."""
    return notify("READY=1", f"STATUS={status}")


def reloading() -> bool:
    """The configuration is being loaded again; `ready` says when that has ended."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> bool:
    return notify("STOPPING=1", "STATUS=Stopping")


def alive() -> bool:
    """Feed the manager's watchdog."""
    return notify("WATCHDOG=1")


def status(text: str) -> bool:
    return notify(f"STATUS={text}")


def wanted() -> bool:
    """Whether a manager wants to be told anything."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def watchdog_s() -> float | None:
    """Within how many seconds the manager expects the next `alive`; None when it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for another process, whose environment we have
    usec = _number("WATCHDOG_USEC")
    return usec / 1_000_000 if usec else None


class Passed(NamedTuple):
    """A descriptor the manager opened for us."""

    fd: int
    name: str


def listen_fds() -> list[Passed]:
    """
    The descriptors passed to this process, closed on exec from now on. They are the caller's.

    The variables are unset, so that no child takes the descriptors for its own: a second call finds none.
    """
    ours = os.environ.get("LISTEN_PID") == str(os.getpid())
    count = min(_number("LISTEN_FDS"), MAX_FDS) if ours else 0
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"):
        os.environ.pop(variable, None)
    found = []
    for i in range(count):
        try:
            os.set_inheritable(FIRST_FD + i, False)
        except OSError:
            continue  # not open: the variables promise what is not there
        found.append(Passed(FIRST_FD + i, names[i] if i < len(names) and names[i] else "unknown"))
    return found


def _number(variable: str) -> int:
    value = os.environ.get(variable, "")
    return int(value) if value.isascii() and value.isdigit() else 0
