"""
How a command reaches the stores: over the daemon's socket, or, where it makes sense, in its own process.

Without a daemon the same routes are called on stores that are not watched, under the same lock.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.client import Client, user_name
from vragd.errors import NoDaemon, UsageError
from vragd.system.places import config_path, data_dir, expanded, socket_path

if TYPE_CHECKING:
    from vragd.config.load import Loaded
    from vragd.daemon.local import Local


def client(args: argparse.Namespace) -> Client:
    """
    A client of the daemon these arguments mean, also where that was started with another XDG_RUNTIME_DIR.

    Raises NoDaemon, when it asks, for a daemon of another user.
    """
    path = client_socket(args.socket, args.config)
    if names_socket(args):
        return Client(path)
    return Client(path, lambda: _recorded_socket(args))


def names_socket(args: argparse.Namespace) -> bool:
    """Whether it is one daemon that is meant, and no other."""
    return bool(args.socket or os.environ.get("VRAGD_SOCKET"))


def _recorded_socket(args: argparse.Namespace) -> Path | None:
    """Where the holder of the data directory says that it answers."""
    from vragd.system.lock import holder

    directory = data_dir_of(args)
    found = holder(directory)
    if found is not None and found.uid != os.geteuid():
        whose = f"user {user_name(found.uid)}"
        raise NoDaemon(f"the data directory {directory} is that of {whose}", hint=f"ask as {whose}, or see HOME")
    return found.socket if found else None


def data_dir_of(args: argparse.Namespace) -> Path:
    """The data directory these arguments mean, found without loading the configuration where it can be helped."""
    return data_dir(args.data_dir, _configured(args.config, "data"))


def client_socket(flag: str | None, config_flag: str | None) -> Path:
    """
    The socket a client should try, found without loading the configuration where it can be helped.

    Validating a configuration takes longer than a whole query, so the file is only parsed when it
    seems to name a socket at all.
    """
    if flag or os.environ.get("VRAGD_SOCKET"):
        return socket_path(flag, None)
    return socket_path(None, _configured(config_flag, "socket"))


def _configured(config_flag: str | None, key: str) -> Path | None:
    """What the file says of `paths`; None where it says nothing, or cannot be understood: the daemon complains."""
    try:
        text = config_path(config_flag).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not re.search(rf"^[^#\n]*\b{key}[\"']?\s*:", text, re.MULTILINE):
        return None
    import yaml

    try:
        document = yaml.safe_load(text)
        return expanded(document["paths"][key])
    except (yaml.YAMLError, LookupError, TypeError, ValueError, UsageError):
        return None


def load(args: argparse.Namespace, *, required: bool = False) -> Loaded:
    """The configuration these arguments mean."""
    from vragd.config import load

    return load.load(
        config_path(args.config),
        data_dir=args.data_dir,
        socket=args.socket,
        log_level=args.log_level,
        log_file=getattr(args, "log_file", None),
        required=required or bool(args.config),
    )


class Session:
    """
    `request` as the client has it, answered by the daemon or, when none runs, right here.

    Use as a context manager: what runs here is ended with it.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._client = client(args)
        self._local: Local | None = None

    def __enter__(self) -> Session:
        try:
            self._client.request("GET", "/healthz", timeout_s=5.0)
        except NoDaemon:
            from vragd.system.memory import TO_RUN_MIB, ensure_room

            ensure_room(TO_RUN_MIB)
            from vragd.daemon.local import Local

            self._local = Local(load(self._args))
        return self

    def __exit__(self, *_: object) -> None:
        if self._local is not None:
            self._local.close()

    @property
    def is_daemon(self) -> bool:
        """Whether a daemon answers."""
        return self._local is None

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any:
        """The decoded answer; raises VragdError."""
        if self._local is None:
            return self._client.request(method, target, body, timeout_s=timeout_s)
        return self._local.request(method, target, body)
