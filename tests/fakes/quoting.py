"""Servers that let nobody in, and quote in their refusals what they know of whoever asks."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self
from xml.sax.saxutils import escape

from tests.fakes.answering import Answering
from tests.fakes.sockets import break_off

CODE = "AccessDeniedException"
SHOWN = ("authorization", "api-key", "x-amz-security-token")


class QuotingHttp(Answering):
    """Over HTTP, as JSON in the ways of several services, or as XML."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.speaks_xml = 401, False
        self.shown = set[str]()
        """The words in headers that say who asks."""

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        self.shown |= {value.split()[-1] for name, value in headers.items() if name.lower() in SHOWN}
        quoted = escape(f"{headers} {target} {body.decode('utf-8', 'replace')}")
        if self.speaks_xml:
            return self.status, f"<Error><Code>Refused</Code><Message>{quoted}</Message></Error>".encode()
        cause = {"type": "security_exception", "reason": quoted}
        said = {"error": {"root_cause": [cause], **cause}, "status": self.status, "message": quoted, "code": CODE}
        return self.status, json.dumps(said).encode()


class QuotingPostgres:
    """Over PostgreSQL's protocol: it asks for a password, and quotes that."""

    def __init__(self) -> None:
        self.shown = set[str]()
        """Passwords."""
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
            with client:
                self._open.append(client)
                with suppress(OSError, struct.error):
                    self._refuse(client)

    def _refuse(self, client: socket.socket) -> None:
        while struct.unpack("!i", client.recv(4096)[4:8])[0] != 196608:  # until it says who it is
            client.sendall(b"N")
        client.sendall(b"R" + struct.pack("!ii", 8, 3))
        password = client.recv(4096)[5:-1].decode()
        self.shown.add(password)
        said = f'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for "{password}"\0\0'.encode()
        client.sendall(b"E" + struct.pack("!i", len(said) + 4) + said)
