"""Whom an answer is for, and so what may be in it: people are shown everything, assistants what is not closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vragd.errors import BackendUnavailable, UnknownStore, one_of
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores
from vragd.vault.source import Source

NO_STORE = "vragd init, or vragd store create"


@dataclass(frozen=True, slots=True)
class Audience:
    """People, or an `assistant`. On the event loop, but for `sources_of`: any thread."""

    stores: Stores
    assistant: bool = False

    def chosen(self, names: Sequence[str]) -> list[Indexer]:
        """As `Stores.chosen`. To an assistant a store all of whose sources are closed is none."""
        if not self.assistant:
            return self.stores.chosen(names)
        there = self.shown(list(self.stores.registry.entries()))
        if unknown := next((name for name in names if name not in there), None):
            raise UnknownStore(f"there is no store {unknown!r}", hint=one_of(unknown, there, NO_STORE))
        if not (names or self.stores.indexers or self.stores.coming):
            raise UnknownStore("there is no store yet", hint=NO_STORE)  # nor why one is not open: it may be hidden
        found = [indexer for indexer in self.stores.chosen(names) if indexer.store.name in there]
        if not found:
            raise UnknownStore("there is no store yet", hint="vragd init ~/path/to/your/vault")
        return found

    def shown(self, names: Iterable[str]) -> list[str]:
        """Those of these names of stores that may be told."""
        if not self.assistant:
            return list(names)
        entries = self.stores.registry.entries()
        closed = {
            name
            for name, entry in entries.items()
            if entry.settings and entry.settings.sources and all(one.mcp is False for one in entry.settings.sources)
        }
        return [name for name in names if name not in closed]

    def sources_of(self, indexer: Indexer) -> list[Source]:
        """Those that may be named."""
        return [one for one in indexer.store.sources.values() if not (self.assistant and one.closed.whole)]

    def degraded(self, indexers: Iterable[Indexer]) -> list[str]:
        """Why answers of these may be stale or incomplete, each once."""
        found: list[str] = []
        for indexer in indexers:
            found += indexer.degraded({one.id for one in self.sources_of(indexer)})
        return list(dict.fromkeys(found))

    async def pending(self, indexers: Iterable[Indexer]) -> int:
        """
        How many paths and folders are still to be looked at. To an assistant those that are known to be closed are
        none; of what was never read nobody knows.
        """
        if not self.assistant:
            return sum(indexer.dirty.pending() for indexer in indexers)
        return sum([await self.stores.aside.run(_pending, indexer) for indexer in indexers if indexer.dirty.pending()])


def _pending(indexer: Indexer) -> int:
    try:
        sources, closed = indexer.store.sources, indexer.store.for_assistants.known_closed()
    except BackendUnavailable:  # it is being started again, which is told besides
        return 0

    def is_closed(source: int, path: str) -> bool:
        rule = sources[source].closed if source in sources else None
        return (source, path) in closed or (rule is not None and (rule(path) or rule(f"{path}/")))

    return sum(not is_closed(*place) for place in indexer.dirty.waiting())
