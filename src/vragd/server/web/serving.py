"""What is behind the page's door: its files, tokens for tickets, and of the daemon's routes those that only read."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

import h11
import structlog

from vragd.client import Client
from vragd.errors import Forbidden, MethodNotAllowed, NoDaemon, NotFound, UsageError, VragdError
from vragd.server.socket import Peer
from vragd.server.table import Reply, encode, error_reply
from vragd.server.web.guard import ENTER, Keys
from vragd.system.log import error_fields

log = structlog.get_logger()

READS = frozenset(
    [("GET", f"/v1/{name}") for name in ("events", "files", "map", "status", "stores")]
    + [("POST", f"/v1/{name}") for name in ("get", "links", "names", "outline", "properties", "query", "recent")]
    + [("POST", f"/v1/{name}") for name in ("similar", "tags", "tasks")]
)
"""All that is passed on to the daemon, whose other routes change something."""

PATIENCE_S = 65.0
"""For an answer, or its next part: the daemon's own is shorter."""

_STATIC = Path(__file__).parent / "static"
_MEDIA = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
          ".js": "text/javascript; charset=utf-8"}  # fmt: skip


def files() -> dict[str, Reply]:
    """Each file of the page by its path. Raises OSError."""
    found = {f"/{path.name}": Reply(200, path.read_bytes(), _MEDIA[path.suffix])
             for path in sorted(_STATIC.iterdir()) if path.suffix in _MEDIA}  # fmt: skip
    return {"/": found.pop("/index.html"), **found}


class Web:
    """Answers the page's requests, whose heads a `Guard` has let pass; on the event loop."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client, self._keys, self._files = client, keys, files()

    async def answer(self, method: str, target: str, body: bytes, peer: Peer) -> Reply:
        """Never raises, as `Server` wants it."""
        try:
            return await self._answer(method, target, body)
        except VragdError as error:
            return error_reply(error)
        except Exception as error:
            incident = secrets.token_hex(4)
            log.error("web.request_failed", incident=incident, **error_fields(error))
            return error_reply(VragdError(f"something went wrong in vragd web (incident {incident})"))

    async def _answer(self, method: str, target: str, body: bytes) -> Reply:
        path = target.partition("?")[0]
        if (method, path) in READS:
            return await passed_on(self._client, method, target, body)
        if path == "/session":
            _only(method, "POST")
            return Reply(200, encode({"token": self._keys.exchange(_ticket(body))}))
        if path.startswith(ENTER):
            _only(method, "GET")
            if not self._keys.spend(path.removeprefix(ENTER)):
                raise Forbidden("this address was used before", hint="vragd web gives another")
            # from here on it is our own page that leads on, which a browser says
            leads = f'<!doctype html><meta http-equiv="refresh" content="0;url=/#{self._keys.ticket()}">'
            return Reply(200, leads.encode(), _MEDIA[".html"])
        if path in self._files:
            _only(method, "GET")
            return self._files[path]
        raise NotFound("there is no such thing on this page")


def _only(method: str, allowed: str) -> None:
    if method != allowed:
        raise MethodNotAllowed(f"{method[:20]} is not for this path", allowed=(allowed,))


def _ticket(body: bytes) -> str:
    try:
        ticket = json.loads(body)["ticket"]
    except (ValueError, LookupError, TypeError, RecursionError):
        ticket = None
    if not isinstance(ticket, str):
        raise UsageError('a session begins with {"ticket": "..."}')
    return ticket


async def passed_on(client: Client, method: str, target: str, body: bytes) -> Reply:
    """What the daemon answers: the whole, or its parts where it has no end. Raises NoDaemon."""
    connection = await asyncio.to_thread(client.connected)
    reader, writer = await asyncio.open_connection(sock=connection)
    protocol = h11.Connection(h11.CLIENT)
    headers = [("host", "localhost"), ("connection", "close"), ("content-type", "application/json"),
               ("content-length", str(len(body)))]  # fmt: skip
    try:
        writer.write(protocol.send(h11.Request(method=method, target=target, headers=headers)) or b"")
        writer.write((protocol.send(h11.Data(data=body)) or b"") + (protocol.send(h11.EndOfMessage()) or b""))
        head = await _event(protocol, reader)
        if not isinstance(head, h11.Response):
            raise NoDaemon("what answers is not vragd", hint="check paths.socket")
        said = dict(head.headers)
        media = said.get(b"content-type", b"").decode("latin-1")
        parts = _parts(protocol, reader, writer)
        if b"content-length" not in said:
            parts = _until_it_ends(parts)
            await anext(parts)  # one that was never begun ends nothing when it is closed
            return Reply(head.status_code, b"", media, parts=parts)
        whole = b"".join([part async for part in parts])
        return Reply(head.status_code, whole, media)
    except (OSError, EOFError, h11.ProtocolError) as error:
        writer.close()
        raise NoDaemon("the daemon broke off", hint="see its log") from error
    except BaseException:
        writer.close()
        raise


async def _event(protocol: h11.Connection, reader: asyncio.StreamReader) -> object:
    """The next of an answer's parts. Raises OSError, TimeoutError is one, EOFError, h11.ProtocolError."""
    while (event := protocol.next_event()) is h11.NEED_DATA:
        async with asyncio.timeout(PATIENCE_S):
            protocol.receive_data(await reader.read(65_536))
    return event


async def _parts(
    protocol: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncGenerator[bytes, None]:
    """What is left of an answer, after a part that is empty; its connection ends with it."""
    try:
        yield b""
        while isinstance(event := await _event(protocol, reader), h11.Data):
            yield bytes(event.data)
    finally:
        writer.close()


async def _until_it_ends(parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The parts of a stream, also of one that breaks off as its daemon does: who looks on asks again."""
    try:
        async for part in parts:
            yield part
    except (OSError, EOFError, h11.ProtocolError):
        return
    finally:
        await parts.aclose()
