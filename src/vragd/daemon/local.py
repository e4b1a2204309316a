"""
The daemon's routes without a daemon: the stores in the process of one command, under the same lock.

Nothing is watched; what was begun ends with the command.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, ParamSpec, TypeVar

from vragd.client import encoded, error_of
from vragd.config.load import Loaded
from vragd.errors import NotFound
from vragd.server.routes import dispatch
from vragd.stores import unattended
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores
from vragd.system.lock import only_process
from vragd.system.log import set_up

P = ParamSpec("P")
T = TypeVar("T")
OF_ONE_NOTE = ("/v1/get", "/v1/links", "/v1/outline", "/v1/similar")


class Local:
    """The stores in this process, until `close`. Blocks; belongs to one thread. Raises DaemonBusy."""

    def __init__(self, loaded: Loaded) -> None:
        self._stack = ExitStack()
        self._stack.callback(os.umask, os.umask(0o077))  # of the whole process, and not ours to keep
        # what the daemon would log is of no interest to somebody who gave one command
        set_up(level="error", style=loaded.config.log.format, show_paths=loaded.config.log.paths)
        try:
            self._stack.enter_context(only_process(loaded.data_dir))
            self._runner = self._stack.enter_context(asyncio.Runner())
            self._stores = self._run(_started, loaded)
            self._questions = Questions(self._stores)
        except BaseException:
            self._stack.close()
            raise

    def _run(self, fn: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        async def call() -> T:
            return await fn(*args, **kwargs)

        return self._runner.run(call())

    def request(self, method: str, target: str, body: Any) -> Any:
        """The decoded answer; raises VragdError."""
        raw = encoded(body)
        with unattended.hiding_withdrawn(self._stores):
            reply = self._run(dispatch, self._questions, self._stores, method, target, raw)
        answer = json.loads(reply.body)
        if reply.status != 200:
            error = error_of(**answer["error"])
            raise _as_of_before(error) if target in OF_ONE_NOTE and isinstance(error, NotFound) else error
        if isinstance(answer, dict) and "degraded" in answer and "tickets" not in answer:
            # the folders may not have been looked through, and nobody watches them afterwards
            answer["degraded"] = [unattended.NO_DAEMON, *(one for one in answer["degraded"] if one != "initial_scan")]
        return answer

    def close(self) -> None:
        """Stop the stores, and let go of the lock."""
        try:
            self._run(self._stores.stop)
        finally:
            self._stack.close()


def _as_of_before(error: NotFound) -> NotFound:
    """What is not found may have come since: nobody has looked at the folders."""
    hint = f"vragd run looks at what is new; {error.hint}".removesuffix("; ")
    return NotFound(f"{error.message} in what was indexed before: no vragd runs", hint=hint)


async def _started(loaded: Loaded) -> Stores:
    stores = Stores(loaded, watch=False)
    try:
        await stores.start()
    except BaseException:
        await stores.stop()
        raise
    return stores
