"""`GET /v1/events`: what changes, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from vragd.server.table import Call, Streamed, encode
from vragd.stores.events import Event, changes

EVENTS = "text/event-stream"


async def events(call: Call) -> Streamed:
    """Progress and the states of stores, as they are and whenever they change, as server-sent events"""
    return Streamed(lines(changes(call.stores)), EVENTS)


async def lines(told: AsyncIterator[Event]) -> AsyncGenerator[bytes, None]:
    """Each event as it is sent; what says nothing as a comment."""
    async for number, kind, data in told:
        yield f"id: {number}\nevent: {kind}\ndata: ".encode() + encode(data) + b"\n\n" if kind else b": still here\n\n"
