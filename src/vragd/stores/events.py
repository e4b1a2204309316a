"""
What changes while somebody looks on: how far the work is, and how the stores stand. On the event loop.

Nothing is queued: whoever reads slowly is told less often, and what is told is always of now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from vragd.errors import VragdError
from vragd.stores.reports import overview
from vragd.stores.stores import Stores

EVERY_S = 1.0
"""How often it is looked whether anything changed; a look reads nothing from the disk."""
SILENT_S = 15.0
"""After so long without a change nothing is told, so that both ends know that the other is there."""


class Event(NamedTuple):
    """`progress` or `states`, numbered within one stream from 1; `data` is JSON. Without a kind: nothing happened."""

    number: int
    kind: str
    data: dict[str, Any]


async def changes(stores: Stores, *, every_s: float = EVERY_S, silent_s: float = SILENT_S) -> AsyncIterator[Event]:
    """Both kinds as they are now, then either whenever it changes; until nobody asks for the next."""
    number, silent_for = 0, 0.0
    seen: Any = None
    told: dict[str, Any] = {}
    while True:
        if (now := _glance(stores)) != seen and (found := await _overview(stores)):
            seen = now
            for kind, data in (("progress", _progress(found)), ("states", _states(stores, found))):
                if told.get(kind) != data:
                    number, told[kind], silent_for = number + 1, data, 0.0
                    yield Event(number, kind, data)
        await asyncio.sleep(every_s)
        silent_for += every_s
        if silent_for >= silent_s:
            silent_for = 0.0
            yield Event(number, "", {})


async def _overview(stores: Stores) -> dict[str, Any] | None:
    try:
        return await overview(stores)
    except VragdError:  # a store is being started again
        return None


def _glance(stores: Stores) -> object:
    """All that makes another event likely, from memory alone."""
    return (
        stores.n_reloads,
        [(name, standing.state, standing.error and standing.error.code) for name, standing in stores.standings.items()],
        [
            (
                name, indexer.dirty.ticket(), indexer.dirty.pending(), indexer.dirty.n_parked(),
                indexer.store.n_embedded, indexer.degraded(),
                [keeper.source.state for keeper in indexer.keepers.values()], indexer.store.filling.n_left,
            )
            for name, indexer in stores.indexers.items()
        ],
    )  # fmt: skip


def _progress(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "notes": sum(row["notes"] for row in found["stores"]),
        "chunks": sum(row["chunks"] for row in found["stores"]),
        "pending": found["pending"],
        "generation": found["generation"],
    }


def _states(stores: Stores, found: dict[str, Any]) -> dict[str, Any]:
    rows = {row["name"]: row for row in found["stores"]}
    told = []
    for name, standing in stores.standings.items():
        sources = rows[name]["sources"] if name in rows else []
        told.append(
            {
                "name": name,
                "state": standing.state.value,
                "trouble": standing.error.code if standing.error else None,
                "sources": [{"name": one["name"], "state": one["state"]} for one in sources],
            }
        )
    return {"stores": told, "degraded": found["degraded"]}
