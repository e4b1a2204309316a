"""An answer without an end, over one connection: until the client leaves, reads too slowly, or the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import h11


async def send_parts(
    protocol: h11.Connection,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parts: AsyncGenerator[bytes, None],
    write_s: float,
) -> None:
    """
    Send the parts of a body whose head has been sent. The connection is of no use afterwards.

    Whatever the client says meanwhile ends it: it has nothing to ask before it has the whole answer. Raises OSError,
    TimeoutError is one, when it takes a part no sooner than in `write_s` seconds.
    """
    gone = asyncio.ensure_future(reader.read(1))
    coming: asyncio.Future[bytes] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(parts))
            await asyncio.wait([gone, coming], return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return
            try:
                part = coming.result()
            except StopAsyncIteration:
                writer.write(protocol.send(h11.EndOfMessage()) or b"")
                return
            writer.write(protocol.send(h11.Data(data=part)) or b"")
            async with asyncio.timeout(write_s):
                await writer.drain()
    finally:
        for waited in (gone, coming):
            if waited is not None:
                waited.cancel()
                await asyncio.gather(waited, return_exceptions=True)
