"""How the daemon is asked for an assistant, and what went wrong with that, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vragd.errors import NoDaemon, NotRunning, VragdError
from vragd.mcp.text import name

if TYPE_CHECKING:
    from vragd.client import Client


class Asking:
    """`reach` gives a client of the daemon, and may raise as that does. For any thread, several at once."""

    def __init__(self, reach: Callable[[], Client]) -> None:
        self._reach = reach
        self._client: Client | None = None

    def __call__(self, route: str, body: dict[str, Any] | None = None) -> Any:
        """What the daemon answers. Raises VragdError. Blocks."""
        try:
            client = self._client = self._client or self._reach()
            return client.request("GET" if body is None else "POST", f"/v1/{route}?audience=assistant", body)
        except NoDaemon:
            self._client = None  # it may come back at another place
            raise


def in_words(error: VragdError) -> str:
    """For a model, which may tell its user, or do what helps."""
    if isinstance(error, NotRunning):
        return (
            f"vragd does not run, so the notes cannot be searched now: {name(error.message, 1_000)}."
            " Start it: `vragd run` in a terminal, or `vragd service install` to have it run always. Then call again."
        )
    return name(error.message, 1_000) + (f" ({name(error.hint, 1_000)})" if error.hint else "")
