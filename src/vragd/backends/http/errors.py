"""What goes wrong on the way to a server, whichever it is."""

from __future__ import annotations

from vragd.errors import AGAIN, BackendUnavailable

BUSY = frozenset({408, 429, 500, 502, 503, 504, 509, 529})


def somebody_else(status: int, title: str, where: str) -> BackendUnavailable:
    """The error of an answer that is not in the words of the server that was meant."""
    return BackendUnavailable(
        f"something between here and {title} answers in its place (status {status}): {where}",
        hint=f"check host and port; {AGAIN}",
    )
