"""What every fake server does with the connections of its clients."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress


def break_off(connections: Iterable[socket.socket]) -> None:
    """End them both ways, for whoever waits on them; those that their client reset before are ended already."""
    for connection in list(connections):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
