"""
How a command reaches the stores: over the daemon's socket, or, where it makes sense, in its own process.

Without a daemon the same routes are called on stores that are not watched, under the same lock.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vragd.client import Client, error_of, user_name
from vragd.errors import NoDaemon
from vragd.system.lock import holder
from vragd.system.places import config_path, data_dir, socket_path

if TYPE_CHECKING:
    from vragd.config.load import Loaded
    from vragd.server.table import Reply

T = TypeVar("T")


def client(args: argparse.Namespace) -> Client:
    """
    A client of the daemon these arguments mean, also where that was started with another XDG_RUNTIME_DIR.

    Raises NoDaemon, when it asks, for a daemon of another user.
    """
    path = client_socket(args.socket, args.config)
    if args.socket or os.environ.get("VRAGD_SOCKET"):
        return Client(path)
    return Client(path, lambda: _recorded_socket(args))


def _recorded_socket(args: argparse.Namespace) -> Path | None:
    """Where the holder of the data directory says that it answers."""
    directory = data_dir(args.data_dir, _configured(args.config, "data"))
    found = holder(directory)
    if found is not None and found.uid != os.geteuid():
        whose = f"user {user_name(found.uid)}"
        raise NoDaemon(f"the data directory {directory} is that of {whose}", hint=f"ask as {whose}, or see HOME")
    return found.socket if found else None


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
        return Path(document["paths"][key]).expanduser()
    except (yaml.YAMLError, LookupError, TypeError, ValueError, RuntimeError):
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
        self._local: _Local | None = None

    def __enter__(self) -> Session:
        try:
            self._client.request("GET", "/healthz", timeout_s=5.0)
        except NoDaemon:
            self._local = _Local(load(self._args))
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


class _Local:
    """The stores in this process, for as long as the command takes."""

    def __init__(self, loaded: Loaded) -> None:
        import asyncio
        import os
        from contextlib import ExitStack

        from vragd.stores.questions import Questions
        from vragd.stores.stores import Stores
        from vragd.system import log
        from vragd.system.lock import only_process

        os.umask(0o077)
        # what the daemon would log is of no interest to somebody who gave one command
        log.set_up(level="error", style=loaded.config.log.format, show_paths=loaded.config.log.paths)
        self._stack = ExitStack()
        self._stack.enter_context(only_process(loaded.data_dir))
        self._runner = asyncio.Runner()
        self._stack.enter_context(self._runner)
        try:
            self._stores = self._run(_started, Stores, loaded)
            self._questions = Questions(self._stores)
        except BaseException:
            self._stack.close()
            raise

    def _run(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        async def call() -> T:
            return await fn(*args)

        return self._runner.run(call())

    def request(self, method: str, target: str, body: Any) -> Any:
        import json

        from vragd.server.routes import dispatch

        raw = b"" if body is None else json.dumps(body).encode()
        reply: Reply = self._run(dispatch, self._questions, self._stores, method, target, raw)
        answer = json.loads(reply.body)
        if reply.status != 200:
            raise error_of(**answer["error"])
        return answer

    def close(self) -> None:
        try:
            self._run(self._stores.stop)
        finally:
            self._stack.close()


async def _started(make: Callable[..., Any], loaded: Loaded) -> Any:
    stores = make(loaded, watch=False)
    try:
        await stores.start()
    except BaseException:
        await stores.stop()
        raise
    return stores
