"""
What changes while somebody looks on: how far the work is, and how the stores stand. On the event loop.

Nothing is queued: whoever reads slowly is told less often, and what is told is always of now. Nobody looks before
something stirs (see `Stirs`); only a sign of life is given then, and with it a look at what nobody told of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from vragd.errors import VragdError
from vragd.stores.reports import overview
from vragd.stores.stores import Stores

EVERY_S = 1.0
"""How often at most it is looked whether anything changed; a look reads nothing from the disk."""
SILENT_S, SLACK = 15.0, 1 / 3
"""
After so long without a change, or a third more where the process is awake then, nothing is told, so that both ends know
that the other is there.
"""


class Event(NamedTuple):
    """`progress` or `states`, numbered within one stream from 1; `data` is JSON. Without a kind: nothing happened."""

    number: int
    kind: str
    data: dict[str, Any]


async def changes(stores: Stores, *, every_s: float = EVERY_S, silent_s: float = SILENT_S) -> AsyncIterator[Event]:
    """Both kinds as they are now, then either whenever it changes; until nobody asks for the next."""
    number, clock = 0, stores.clock
    seen: Any = None
    told: dict[str, Any] = {}
    told_at = clock.steady()
    with stores.stirs.heard() as stirred:
        while True:
            looked_at = clock.steady()
            stirred.clear()
            if (now := _glance(stores)) != seen:
                found = await _overview(stores)
                for kind, data in _kinds(stores, found):
                    if told.get(kind) != data:
                        number, told[kind], told_at = number + 1, data, clock.steady()
                        yield Event(number, kind, data)
                seen = now if found else None
            if seen is not None:  # else a store is being started again
                await clock.wait(stirred, told_at + silent_s - clock.steady(), slack_s=SLACK * silent_s)
            if clock.steady() - told_at >= silent_s:
                told_at = clock.steady()
                yield Event(number, "", {})
            await clock.sleep(looked_at + every_s - clock.steady())


def _kinds(stores: Stores, found: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if found is not None:
        yield "progress", _progress(found)
        yield "states", _states(stores, found)


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
