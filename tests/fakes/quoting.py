"""Servers that let nobody in, and quote in their refusals what they know of whoever asks."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from tests.fakes.answering import Answering
from tests.fakes.sockets import break_off


class QuotingHttp(Answering):
    """Over HTTP, with these words in whatever it answers."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.words, self.status = " ".join(words), 401
        self.headers = list[Mapping[str, str]]()
        """Of each request."""
        self.speaks_xml = False

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        self.headers.append(headers)
        if self.speaks_xml:
            return self.status, f"<Error><Code>Refused</Code><Message>{self.words}</Message></Error>".encode()
        cause = {"type": "security_exception", "reason": self.words}
        said = {"error": {"root_cause": [cause], **cause}, "status": self.status, "message": self.words}
        return self.status, json.dumps(said).encode()


class QuotingPostgres:
    """Over PostgreSQL's protocol: it asks for a password, and quotes that."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = " ".join(words)
        self.n_asked = 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._open = list[socket.socket]()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        break_off(self._open)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            self._open.append(client)
            with suppress(OSError), client:
                self._refuse(client)

    def _refuse(self, client: socket.socket) -> None:
        while struct.unpack("!i", client.recv(4096)[4:8])[0] != 196608:  # until it says who it is
            client.sendall(b"N")
        client.sendall(b"R" + struct.pack("!ii", 8, 3))
        password = client.recv(4096)[5:-1].decode()
        self.n_asked += 1
        said = f'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for "{password}" {self.words}\0\0'.encode()
        client.sendall(b"E" + struct.pack("!i", len(said) + 4) + said)
