"""A port for a server that tests kill and start again."""

from __future__ import annotations

import random
import socket

_BELOW_THOSE_OF_CLIENTS = range(20_000, 32_000)


def free_port() -> int:
    """
    One that nobody is given meanwhile: a port that the system chose may be a client's while the server is down, even
    that of a client who looks for the server.
    """
    for port in random.SystemRandom().sample(_BELOW_THOSE_OF_CLIENTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
