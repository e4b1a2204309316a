"""
How a command reaches the stores: over the daemon's socket, or, where it makes sense, in its own process.

Without a daemon the same routes are called on stores that are not watched, under the same lock.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.client import Client
from vragd.config import at_hand
from vragd.errors import NoDaemon
from vragd.system.places import config_path

if TYPE_CHECKING:
    from vragd.config.load import Loaded
    from vragd.daemon.local import Local


def client(args: argparse.Namespace) -> Client:
    """
    A client of the daemon these arguments mean, also where that was started with another XDG_RUNTIME_DIR.

    Raises ConfigError for a configuration that is named and not there, and NoDaemon, when it asks, for a daemon of
    another user.
    """
    _refuse_missing(args, names_socket(args))
    where = at_hand.first_asked(args.socket, args.data_dir, args.config)
    if names_socket(args):
        return Client(where)
    return Client(where, lambda: at_hand.recorded_socket(data_dir_of(args)))


def names_socket(args: argparse.Namespace) -> bool:
    """Whether it is one daemon that is meant, and no other."""
    return at_hand.names_socket(args.socket)


def data_dir_of(args: argparse.Namespace) -> Path:
    """The data directory these arguments mean, found without loading the configuration. Raises ConfigError."""
    _refuse_missing(args, at_hand.names_data_dir(args.data_dir))
    return at_hand.data_dir_of(args.data_dir, args.config)


def _refuse_missing(args: argparse.Namespace, is_named: bool) -> None:
    """Of a place that `is_named` itself the environment's file need not be there; `vragd add` makes the file."""
    if (args.config or not is_named) and not getattr(args, "makes_config", False):
        at_hand.refuse_missing(args.config)


client_socket = at_hand.socket_of


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

            data_dir_of(self._args)  # refused where it would be that of another daemon
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
