"""Questions to the stores that run: one answer of one, several or all. On the event loop; readers do the work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Never

from vragd.config.reranking import RerankSettings
from vragd.embed.spelling import is_word
from vragd.errors import BackendUnavailable, EmbedderUnavailable, Overloaded
from vragd.search.ask import Answer, Place, Question, Target, ask
from vragd.search.asking import each_of
from vragd.search.merge import best_of
from vragd.stores.answers import check_named, told
from vragd.stores.audience import Audience
from vragd.stores.indexer import Indexer
from vragd.stores.reranked import Reranking
from vragd.stores.stores import QUERY_THREADS, Stores
from vragd.stores.tally import Tally

PLACES = QUERY_THREADS + 16  # those that are answered, and those that wait
HALF = PLACES // 2
REST_S = 10.0  # how long a question waits for a store that is being started again


class Questions:
    """Those put to `stores`, so many at once."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._places: Counter[int] = Counter()  # those taken, by the process that asks
        self._before: Counter[int] = Counter()  # how many wait for a place, because their own process has its half
        self._freed = asyncio.Condition()
        self.tally = Tally()

    async def query(
        self, names: Sequence[str], *, peer: int = 0, offset: int = 0, min_score: float = 0.0, fresh_s: float = 0.0,
        assistant: bool = False, **asked: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """
        The answer of one store, several, or all (none named), to a `Question` of these fields, or to several at once
        (`search.asking.each_of`): the hits after the first `offset`, none with a lower score. With `fresh_s` what has
        changed on the disk is in it, if it can be indexed in so many seconds.

        The process `peer`, if it is known, holds no more than half of the places, and waits for one of them to be
        free: others want to ask too.
        """
        with self.tally.one():
            return await self._answered(
                Audience(self._stores, assistant), names, peer, offset, min_score, fresh_s, asked
            )

    async def _answered(
        self, audience: Audience, names: Sequence[str], peer: int, offset: int, min_score: float, fresh_s: float,
        asked: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        questions = each_of(offset=offset, min_score=min_score, of_stores=bool(names), **asked)
        await audience.at_rest(names, REST_S)
        indexers = asked_of(audience, names, questions)
        if fresh_s:
            await self._stores.catch_up(names, fresh_s)
        async with self.place(peer):
            found = await asyncio.gather(*(self._ask_all(audience, indexer, questions) for indexer in indexers))
        pending, degraded = await audience.state(indexers)
        degraded += [reason for _, answer in found for reason in answer.degraded]
        degraded += ["store_restarting"] if audience.shown(self._stores.coming) and not names else []
        return told(found, questions[0], offset=offset, min_score=min_score, pending=pending, degraded=degraded)

    @property
    def n_known(self) -> int:
        """How many processes have a place or wait for one."""
        return len(self._places | self._before)

    @asynccontextmanager
    async def place(self, peer: int) -> AsyncIterator[None]:
        """One of the places, for the process `peer`. Raises Overloaded."""
        if peer and self._places[peer] >= HALF:
            await self._wait_for_own(peer)
        if self._places.total() >= PLACES:
            raise Overloaded("too many queries at once", hint="try again in a moment")
        self._places[peer] += 1
        try:
            yield
        finally:
            self._places -= Counter((peer,))  # and none are left of those that hold none
            async with self._freed:
                self._freed.notify_all()

    async def _wait_for_own(self, peer: int) -> None:
        if self._before[peer] >= HALF:
            raise Overloaded("too many queries of one process at once", hint="wait for answers before you go on")
        self._before[peer] += 1
        try:
            async with self._freed:
                await self._freed.wait_for(lambda: self._places[peer] < HALF)
        finally:
            self._before -= Counter((peer,))

    async def _ask_all(self, audience: Audience, indexer: Indexer, questions: Sequence[Question]) -> tuple[str, Answer]:
        found = await asyncio.gather(*(self._ask(audience, indexer, question) for question in questions))
        return found[0][0], best_of([answer for _, answer in found], chunks=questions[0].chunks)

    async def _ask(self, audience: Audience, indexer: Indexer, question: Question) -> tuple[str, Answer]:
        """A store's answer, and the fingerprint of the space it is from."""
        rerank = indexer.store.settings.rerank
        if rerank is None:
            return await self._ask_store(audience, indexer, question)
        reranking = self._stores.beside(Reranking)
        space, answer = await self._ask_store(audience, indexer, reranking.wide(rerank, question))
        return space, await reranking.applied(rerank, question, answer, self._rerankers)

    def _rerankers(self) -> Set[RerankSettings]:
        return {one.store.settings.rerank for one in self._stores.indexers.values() if one.store.settings.rerank}

    async def _ask_store(self, audience: Audience, indexer: Indexer, question: Question) -> tuple[str, Answer]:
        name = indexer.store.name
        while True:
            target, primary = target_of(audience, indexer), indexer.feeding.primary
            try:
                answer = await self._stores.readers.run(ask, target, question)
            except BackendUnavailable:
                if not indexer.standing.ends:
                    raise
                await self._stores.at_rest([name], REST_S)  # it is being started again
                indexer = self._stores.indexer(name)
                continue
            if answer.semantic:
                if answer.hollow:
                    indexer.doubt()
                break
            if indexer.feeding.primary.space in (None, primary.space):
                answer = await self._asked_instead(indexer, target, question, answer)
                break
            # the space was switched meanwhile, and the old one is gone: the new one knows
        return target.space.fingerprint if target.space else "", answer

    async def _asked_instead(self, indexer: Indexer, target: Target, question: Question, answer: Answer) -> Answer:
        """The answer of the first replica here that gives one, or the primary, where `target` gave none; else words."""
        indexer.doubt()
        primary = indexer.feeding.primary
        for other in [*indexer.feeding.here, primary] if answer.unreached else []:
            if other.backend is None or other.backend is target.backend:
                continue
            asked = replace(target, backend=other.backend, space=other.space)
            found = await self._stores.readers.run(ask, asked, question)
            if found.semantic:
                said = "replica_away" if other is primary else "replica_answers"
                return replace(found, degraded=(*found.degraded, said))
        return answer


def asked_of(audience: Audience, names: Sequence[str], questions: Sequence[Question]) -> list[Indexer]:
    """The stores that are asked. Raises UsageError for a source and NotFound for a store that there is not."""
    indexers = audience.chosen(names)
    labels = {source.label for indexer in indexers for source in audience.sources_of(indexer)}
    check_named(questions, labels, lambda name: audience.chosen([name]))
    return indexers


def target_of(audience: Audience, indexer: Indexer) -> Target:
    """The store as a question sees it now."""
    store, answering, answers = indexer.store, indexer.store.answering, indexer.answers
    places = {
        source.label: Place(
            source.uid,
            source.path,
            source.in_obsidian,
            source.hides,
            source.templates,
            *source.vaults,
            types=source.types.said,
        )
        for source in audience.sources_of(indexer)
    }
    return Target(
        store.name,
        store.reader_for(assistant=audience.assistant),
        answers.backend,
        answers.space,
        answering.embed_query if answering else _nobody,
        places,
        tuple(one.store.reader_for(assistant=audience.assistant) for one in audience.stores.indexers.values()),
        audience.assistant,
        len(places) < len(store.sources),
        is_word,
        not store.settings.embedder.is_english,
    )


def _nobody(_: str) -> Never:
    raise EmbedderUnavailable("the embedder was not reached yet")
