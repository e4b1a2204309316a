"""What notes that have changed while nobody looked say of assistants, before all that they say is indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vragd.store.store import Store
from vragd.system.lanes import Lane
from vragd.vault.source import Source

READ_AT_ONCE = 100  # so that a lane is known to move


class Again(Protocol):
    """Is told of notes that are to be looked at anew, as `DirtyPaths.add` is."""

    def __call__(self, places: list[tuple[int, str]], *, first: list[str]) -> None: ...


async def withhold_closed(
    store: Store, source: Source, changed: Sequence[str], lane: Lane, writer: Lane, then: Again
) -> None:  # fmt: skip
    """
    Close those of the notes to assistants that say so by now, and hide those that opt out; `then` they are to be looked
    at anew, the first.
    """
    for i in range(0, len(changed), READ_AT_ONCE):
        if closed := await lane.run(store.closed_since, source, changed[i : i + READ_AT_ONCE]):
            source.hidden.add(path for path, said in closed.items() if said == "out")
            places = [(source.id, path) for path in closed]
            await writer.run(store.withhold, places)
            then(places, first=[*closed])
