"""Answers whose first hits a re-ranker read: within its time, or as they are. On the event loop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from vragd.embed.reranking import RerankSettings
from vragd.errors import VragdError
from vragd.search.question import Answer, Question
from vragd.search.reordered import can_be, of, reordered
from vragd.system.lanes import Lane
from vragd.system.log import error_fields

if TYPE_CHECKING:
    from vragd.embed.reranker import Reranker

log = structlog.get_logger()

THREADS = 4
LEFT_ALONE_S = 5.0
"""For so long after it failed none is asked: each question would wait as long."""
SLOW, AWAY = "rerank_slow", "rerank_unavailable"


class Reranking:
    """Those of all stores, each made when it is first needed."""

    def __init__(self) -> None:
        self._lane = Lane("rerank", THREADS, only_reads=True)
        self._made: dict[RerankSettings, Reranker] = {}
        self._failed: dict[RerankSettings, tuple[float, str]] = {}  # monotonic, and how

    def wide(self, settings: RerankSettings, question: Question) -> Question:
        """The question as a store is asked it, so that there is something to order."""
        return replace(question, top_k=max(question.top_k, settings.top)) if can_be(question) else question

    async def applied(self, settings: RerankSettings, question: Question, answer: Answer) -> Answer:
        """The answer to `wide` as one to the question; in its own order, and saying so, where that fails or is late."""
        if not can_be(question):
            return answer
        if len(first := of(answer, settings.top)) > 1:
            answer = await self._ordered(settings, question, answer, [hit.text for hit in first])
        return replace(answer, hits=answer.hits[: question.top_k])

    async def _ordered(self, settings: RerankSettings, question: Question, answer: Answer, texts: list[str]) -> Answer:
        at, why = self._failed.get(settings, (float("-inf"), AWAY))
        if time.monotonic() - at > LEFT_ALONE_S:
            try:
                async with asyncio.timeout(settings.timeout_s):
                    found = await self._lane.run(self._client(settings).relevance, question.text, texts)
                self._failed.pop(settings, None)
                return reordered(answer, found, settings.weight)
            except TimeoutError:
                why = SLOW
            except VragdError as error:
                log.warning("search.rerank_failed", **error_fields(error))
                why = AWAY
            self._failed[settings] = time.monotonic(), why
        return replace(answer, degraded=(*answer.degraded, why))

    def _client(self, settings: RerankSettings) -> Reranker:
        from vragd.embed.reranker import Reranker  # its library is none of who has no re-ranker

        if settings not in self._made:
            self._made[settings] = Reranker(settings)
        return self._made[settings]

    def close(self) -> None:
        """Close what was made; nobody waits for what hangs."""
        self._lane.close()
        for one in self._made.values():
            one.close()
