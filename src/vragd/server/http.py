"""
HTTP/1.1 on accepted connections, by h11: strict, bounded in size, time and number.

A connection serves one request at a time. Whoever is slow, silent, too large or not us is closed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import h11
import structlog

from vragd.errors import Overloaded, RequestTimeout, TooLarge, UsageError, VragdError
from vragd.server.door import OWN_SOCKET, Door, has_spoken, refuse
from vragd.server.socket import Peer
from vragd.server.streaming import send_parts
from vragd.server.table import Reply, error_reply
from vragd.system.log import error_fields

log = structlog.get_logger()

IDLE_GRACE_S = 1.0  # a request that was sent when the time announced was nearly up is still answered

Answer = Callable[[str, str, bytes, Peer], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Seconds and bytes. `idle_s` is how long a connection may say nothing between requests, `max_overdue` how
    many requests may still be worked on after nobody waited any longer, `max_streams` how many answers may go on
    without an end.
    """

    max_header_bytes: int = 16 * 1024
    max_body_bytes: int = 256 * 1024
    max_connections: int = 64
    max_overdue: int = 64
    max_streams: int = 8
    idle_s: float = 5.0
    header_s: float = 5.0
    body_s: float = 10.0
    write_s: float = 10.0


class _Close(Exception):
    """End the connection without a word."""


class Server:
    """Accepts on a listening socket. `answer(method, target, body, peer)` must not raise."""

    def __init__(
        self, answer: Answer, limits: Limits, timeout_of: Callable[[str, str], float], door: Door = OWN_SOCKET
    ) -> None:  # fmt: skip
        self._answer, self._limits, self._timeout_of, self._door = answer, limits, timeout_of, door
        self._tasks: set[asyncio.Task[None]] = set()
        # waiting for a request's first byte, the longest first; with the socket where nobody else reads it yet
        self._silent: dict[asyncio.Task[None], socket.socket | None] = {}
        self._overdue: set[asyncio.Future[Reply]] = set()
        self._streaming: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._accepting: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None

    def start(self, listener: socket.socket) -> None:
        """Begin to accept. The socket is owned from here on."""
        self._listener = listener
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listener))

    async def stop(self, grace_s: float = 2.0) -> None:
        """Accept no more, let running requests end for `grace_s`, close the rest."""
        self._stopping = True
        for task in self._streaming:
            task.cancel()
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for work in self._overdue:
            work.cancel()
        if self._overdue:
            await asyncio.wait(self._overdue, timeout=grace_s)  # what hangs is ended with the process

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # accepting does not yield as long as somebody knocks
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # EMFILE: no descriptor left; the next one may be freed in a moment
                log.warning("server.accept_failed", errno=error.errno)
                await asyncio.sleep(0.1)
                continue
            peer = self._door.admit(connection)
            if peer is None:
                connection.close()
                continue
            if len(self._tasks) >= self._limits.max_connections and not self._make_room():
                refuse(connection)
                continue
            task = loop.create_task(self._connection(connection, peer))
            self._tasks.add(task)
            self._silent[task] = connection
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._silent.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("server.connection_failed", **error_fields(error))

    def _make_room(self) -> bool:
        """Close the connection that has been silent for the longest; False if all have asked something."""
        for task, connection in self._silent.items():
            if connection is not None and has_spoken(connection):
                continue  # in a burst there are requests nobody had the time to look at
            del self._silent[task]
            task.cancel()
            if connection is not None:
                task.add_done_callback(_closing(connection))  # a task that never began closes nothing
            return True
        return False

    async def _connection(self, connection: socket.socket, peer: Peer) -> None:
        try:
            said = await self._first_word(connection)
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                return
            raise
        protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.max_header_bytes)
        protocol.receive_data(said)
        try:
            while await self._request(protocol, reader, writer, peer):
                protocol.start_next_cycle()
        except (_Close, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _first_word(self, connection: socket.socket) -> bytes:
        """
        What a client says first; empty when it leaves. Raises OSError, TimeoutError is one.

        Until it is read it stays in the socket, where `_make_room` can see it.
        """
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        loop.add_reader(connection, heard.set)
        try:
            async with asyncio.timeout(self._limits.idle_s):
                await heard.wait()
            return connection.recv(65_536)
        finally:
            loop.remove_reader(connection)
            self._silent.pop(_this_task(), None)

    async def _request(
        self, protocol: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer
    ) -> bool:
        """Serve one request; whether another may follow on this connection."""
        request: h11.Request | None = None
        try:
            request = await self._read_head(protocol, reader)
            self._door.check(request, self._limits.max_header_bytes)
            self._refuse_too_large(request)
            if protocol.they_are_waiting_for_100_continue and not protocol.trailing_data[0]:
                writer.write(protocol.send(h11.InformationalResponse(status_code=100, headers=[])))
            body = await self._read_body(protocol, reader)
        except h11.RemoteProtocolError as error:
            await self._send(protocol, writer, request, _protocol_reply(error), last=True)
            return False
        except VragdError as error:
            await self._send(protocol, writer, request, error_reply(error), last=True)
            return False
        method, target = request.method.decode("ascii"), request.target.decode("latin-1")
        reply = await self._work(method, target, body, peer)
        if reply.parts is not None:
            await self._stream(protocol, reader, writer, request, reply, reply.parts)
            return False
        await self._send(protocol, writer, request, reply, last=False)
        return protocol.our_state is h11.DONE and protocol.their_state is h11.DONE

    async def _work(self, method: str, target: str, body: bytes, peer: Peer) -> Reply:
        """
        The answer, or when time is up that it is overdue.

        The work is left to itself then: what it waits for, as a mount that hangs, may never end, and half a
        write is worse than one nobody waits for.
        """
        if len(self._overdue) >= self._limits.max_overdue:
            return error_reply(Overloaded("too much work hangs", hint="vragd status says what is offline"))
        work = asyncio.ensure_future(self._answer(method, target, body, peer))
        try:
            done, _ = await asyncio.wait([work], timeout=self._timeout_of(method, target))
        except asyncio.CancelledError:
            self._leave(work)
            raise
        if done:
            return work.result()
        self._leave(work)
        return error_reply(Overloaded("the request took too long", hint="the work may still be done"))

    async def _stream(
        self, protocol: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        request: h11.Request, reply: Reply, parts: AsyncGenerator[bytes, None],
    ) -> None:  # fmt: skip
        """The last answer on a connection: it goes on until the client leaves."""
        task = _this_task()
        if len(self._streaming) >= self._limits.max_streams or self._stopping:
            full = error_reply(Overloaded("too many streams are open", hint=f"at most {self._limits.max_streams}"))
            await parts.aclose()
            await self._send(protocol, writer, request, full, last=True)
            return
        self._streaming.add(task)
        try:
            await self._send(protocol, writer, request, reply, last=True)
            if request.method != b"HEAD":
                await send_parts(protocol, reader, writer, parts, self._limits.write_s)
        except TimeoutError:
            writer.transport.abort()
        finally:
            self._streaming.discard(task)
            await parts.aclose()

    def _leave(self, work: asyncio.Future[Reply]) -> None:
        self._overdue.add(work)
        work.add_done_callback(self._left)

    def _left(self, work: asyncio.Future[Reply]) -> None:
        self._overdue.discard(work)
        if not work.cancelled():
            work.exception()  # nobody else will ask

    async def _read_head(self, protocol: h11.Connection, reader: asyncio.StreamReader) -> h11.Request:
        event = protocol.next_event()
        if event is h11.NEED_DATA and not protocol.trailing_data[0]:
            protocol.receive_data(await self._next_word(reader))
            event = protocol.next_event()
        deadline = asyncio.get_running_loop().time() + self._limits.header_s
        while event is h11.NEED_DATA:
            try:
                async with asyncio.timeout_at(deadline):
                    protocol.receive_data(await reader.read(65_536))
            except TimeoutError:
                raise RequestTimeout("the request's head did not arrive in time") from None
            event = protocol.next_event()
        if not isinstance(event, h11.Request):
            raise _Close
        return event

    async def _next_word(self, reader: asyncio.StreamReader) -> bytes:
        """What a client says after an answer. Until then its connection may go when room is needed."""
        task = _this_task()
        self._silent[task] = None
        try:
            async with asyncio.timeout(self._limits.idle_s + IDLE_GRACE_S):
                return await reader.read(65_536)
        except TimeoutError:
            raise _Close from None
        finally:
            self._silent.pop(task, None)

    def _refuse_too_large(self, request: h11.Request) -> None:
        """By what its head says: whoever waits to be told to go on sends nothing in vain."""
        lengths = [int(value) for name, value in request.headers if name == b"content-length"]
        if lengths and lengths[0] > self._limits.max_body_bytes:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        limit = self._limits.max_body_bytes
        return TooLarge(f"the request has more than {limit} bytes", hint="a query is a few words, not a document")

    async def _read_body(self, protocol: h11.Connection, reader: asyncio.StreamReader) -> bytes:
        parts: list[bytes] = []
        size = 0
        deadline = asyncio.get_running_loop().time() + self._limits.body_s
        while True:
            event = protocol.next_event()
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            if isinstance(event, h11.Data):
                parts.append(bytes(event.data))
                size += len(event.data)
                if size > self._limits.max_body_bytes:
                    raise self._too_large()
                continue
            if event is not h11.NEED_DATA:
                raise _Close
            try:
                async with asyncio.timeout_at(deadline):
                    protocol.receive_data(await reader.read(65_536))
            except TimeoutError:
                raise RequestTimeout("the request's body did not arrive in time") from None

    async def _send(
        self,
        protocol: h11.Connection,
        writer: asyncio.StreamWriter,
        request: h11.Request | None,
        reply: Reply,
        *,
        last: bool,
    ) -> None:
        if protocol.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            raise _Close
        headers = [
            ("content-type", reply.media_type),
            *([("content-length", str(len(reply.body)))] if reply.parts is None else []),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            *self._door.headers,
        ]
        if last:
            headers.append(("connection", "close"))
        elif self._limits.idle_s >= 1:
            headers.append(("keep-alive", f"timeout={int(self._limits.idle_s)}"))
        if reply.allow:
            headers.append(("allow", reply.allow))
        if reply.status == 503:
            headers.append(("retry-after", "1"))
        has_body = request is None or request.method != b"HEAD"  # h11 takes none in answer to it
        sent = [protocol.send(h11.Response(status_code=reply.status, headers=headers))]
        if reply.parts is None:
            sent += [protocol.send(h11.Data(data=reply.body if has_body else b"")), protocol.send(h11.EndOfMessage())]
        writer.write(b"".join(part for part in sent if part))
        try:
            async with asyncio.timeout(self._limits.write_s):
                await writer.drain()
        except TimeoutError:
            writer.transport.abort()
            raise _Close from None


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _closing(connection: socket.socket) -> Callable[[object], None]:
    return lambda _: connection.close()


def _protocol_reply(error: h11.RemoteProtocolError) -> Reply:
    reply = error_reply(UsageError("the request is not HTTP/1.1 as vragd understands it"))
    status = error.error_status_hint if error.error_status_hint in (400, 431, 501, 505) else 400
    return Reply(status, reply.body)
