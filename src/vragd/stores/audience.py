"""Whom an answer is for, and so what may be in it: people are shown everything, assistants what is not closed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vragd.errors import BackendUnavailable, StillLooking, UnknownStore, one_of
from vragd.stores.indexer import Indexer
from vragd.stores.stores import Stores
from vragd.stores.watched import DELETES_HELD, PARTLY_UNREADABLE
from vragd.vault.source import Source

NO_STORE = "vragd init, or vragd store create"
FILES_UNREAD = "files_unread"
OF_SOME_NOTES = frozenset({DELETES_HELD, PARTLY_UNREADABLE})
LOOKED_S = 10.0  # how long an assistant waits for the first look at what changed while nobody looked


@dataclass(frozen=True, slots=True)
class Audience:
    """People, or an `assistant`. On the event loop, but for `sources_of`: any thread."""

    stores: Stores
    assistant: bool = False

    async def at_rest(self, names: Sequence[str], timeout_s: float, looked_s: float = LOOKED_S) -> None:
        """
        As `Stores.at_rest`. To an assistant nothing is told of a store until it is known what in it was closed while
        vragd did not run, or the source was away; raises StillLooking if that takes longer than `looked_s`.
        """
        await self.stores.at_rest(names, timeout_s)
        if self.assistant:
            asked = [(indexer, [one.id for one in self.sources_of(indexer)]) for indexer in self.chosen(names)]
            if not all(await asyncio.gather(*(indexer.looked(sources, looked_s) for indexer, sources in asked))):
                raise StillLooking(
                    "vragd still looks which notes were changed or withheld while nobody watched",
                    hint="try again in a moment",
                )

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

    def n_held(self, indexer: Indexer, held: Mapping[int, frozenset[str]]) -> dict[int, int]:
        """How many of the notes `held` by source may be told of. Blocks: the catalog is read."""
        if self.assistant and any(held.values()):
            places = {(id_, path) for id_, paths in held.items() for path in paths}
            shown = Counter(id_ for id_, _ in indexer.store.for_assistants.shown_among(places))
            return {id_: shown[id_] for id_ in held}
        return {id_: len(paths) for id_, paths in held.items()}

    async def state(self, indexers: Iterable[Indexer]) -> tuple[int, list[str]]:
        """
        How much is still to be looked at, as `DirtyPaths.pending` has it, and why answers of these may be stale or
        incomplete, each once. To an assistant only notes it is shown are counted; of what was never read nobody knows,
        so how much that is would tell of closed notes: it is said that there is something.
        """
        n, why = 0, list[str]()
        for indexer in indexers:
            reasons = indexer.degraded({one.id for one in self.sources_of(indexer)})
            if self.assistant and not OF_SOME_NOTES.isdisjoint(reasons):
                told = await self.stores.aside.run(_of_open_ones, indexer)
                reasons = [one for one in reasons if one not in OF_SOME_NOTES or one in told]
            why += reasons
            if not self.assistant:
                n += indexer.dirty.pending()
            elif indexer.dirty.pending():
                n_open, is_more = await self.stores.aside.run(_waiting, indexer)
                n += n_open
                why += [FILES_UNREAD] * is_more
        return n, list(dict.fromkeys(why))


def _of_open_ones(indexer: Indexer) -> set[str]:
    """
    Those of `OF_SOME_NOTES` that hold for what assistants are shown. A folder that cannot be listed may have come to
    hold open notes, unless it is closed, or all that was known in it is.
    """
    whole, shown, told = indexer.store.reader, indexer.store.for_assistants, set[str]()
    try:
        for id_, keeper in list(indexer.keepers.items()):
            if shown.shown_among({(id_, path) for path in keeper.proof.held}):
                told.add(DELETES_HELD)
            folders = [one for one in keeper.unreadable if not keeper.source.closed(f"{one}/")]
            if any(shown.has_below(id_, one) or not whole.has_below(id_, one) for one in folders):
                told.add(PARTLY_UNREADABLE)
    except BackendUnavailable:  # as below
        return set()
    return told


def _waiting(indexer: Indexer) -> tuple[int, bool]:
    """How many of the notes that assistants are shown wait, and whether something does that may come to be one."""
    waiting = set(indexer.dirty.waiting())
    try:
        sources, reader = indexer.store.sources, indexer.store.for_assistants
        shown, closed = reader.shown_among(waiting), reader.known_closed()
    except BackendUnavailable:  # it is being started again, which is told besides
        return 0, False

    def is_closed(source: int, path: str) -> bool:
        rule = sources[source].closed if source in sources else None
        return rule is not None and (rule(path) or rule(f"{path}/"))

    return len(shown), any(not is_closed(*place) for place in waiting - shown - closed)
