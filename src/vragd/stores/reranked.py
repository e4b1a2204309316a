"""Answers whose first hits a re-ranker read: within its time, or as they are. On the event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from vragd.config.reranking import RerankSettings
from vragd.errors import VragdError
from vragd.search.question import Answer, Question
from vragd.search.reordered import can_be, of, reordered
from vragd.system.lanes import Lane
from vragd.system.log import error_fields

if TYPE_CHECKING:
    from vragd.embed.cross import CrossEncoder
    from vragd.embed.reranker import Reranker

log = structlog.get_logger()

THREADS = 4
LEFT_ALONE_S = 5.0
"""For so long after it failed none is asked: each question would wait as long."""
SLOW, AWAY = "rerank_slow", "rerank_unavailable"


@dataclass
class Failing:
    """One that failed and has not succeeded since. Times are monotonic; `n` questions went without."""

    since: float
    last: float
    code: str
    message: str
    hint: str
    n: int = 0


def reranker(settings: RerankSettings) -> Reranker | CrossEncoder:
    """That of a store. Takes a tenth of a second: its library, and the list of authorities; a model is loaded."""
    one = settings
    if one.path is not None:
        from vragd.embed.cross import CrossEncoder

        return CrossEncoder(Path(one.path), one.weights, one.timeout_s)
    from vragd.embed.reranker import Reranker  # its library is none of who has no re-ranker

    return Reranker(one.url, one.speaks, one.model, one.key_file, one.timeout_s, is_local=not one.sends_to)


class Reranking:
    """Those of all stores, each made when it is first needed."""

    def __init__(self, left_alone_s: float = LEFT_ALONE_S) -> None:
        self._left_alone_s = left_alone_s
        self._lane = Lane("rerank", THREADS, only_reads=True)
        self._making = threading.Lock()
        self.made: dict[RerankSettings, Reranker | CrossEncoder] = {}
        self._failed: dict[RerankSettings, Failing] = {}

    def wide(self, settings: RerankSettings, question: Question) -> Question:
        """The question as a store is asked it, so that there is something to order."""
        return replace(question, top_k=max(question.top_k, settings.top)) if can_be(question) else question

    async def applied(
        self, settings: RerankSettings, question: Question, answer: Answer, named: Callable[[], Set[RerankSettings]]
    ) -> Answer:
        """
        The answer to `wide` as one to the question; in its own order, and saying so, where that fails or is late.

        `named`: those of all stores now; asked when one is made, for others are closed then.
        """
        if not can_be(question):
            return answer
        if len(first := of(answer, settings.top)) > 1:
            if settings not in self.made:
                self._close_all_but({settings, *named()})
            answer = await self._ordered(settings, question, answer, [hit.text for hit in first])
        return replace(answer, hits=answer.hits[: question.top_k])

    async def _ordered(self, settings: RerankSettings, question: Question, answer: Answer, texts: list[str]) -> Answer:
        failing = self._failed.get(settings)
        if failing is None or time.monotonic() - failing.last > self._left_alone_s:
            try:
                async with asyncio.timeout(settings.timeout_s):
                    found = await self._lane.run(self._relevance, settings, question.text, texts)
                self._failed.pop(settings, None)
                return reordered(answer, found, settings.weight)
            except TimeoutError:
                said = f"{settings.who} did not answer within {settings.timeout_s:g} s"
                failing = self._fails(settings, SLOW, said, "a larger rerank.timeout_s helps")
            except VragdError as error:
                log.warning("search.rerank_failed", **error_fields(error))
                failing = self._fails(settings, AWAY, error.message, error.hint)
            except Exception as error:  # whatever it is, there is an answer without it
                log.warning("search.rerank_failed", **error_fields(error))
                failing = self._fails(settings, AWAY, f"{settings.who}: {type(error).__name__}", "vragd logs says more")
        failing.n += 1
        return replace(answer, degraded=(*answer.degraded, failing.code))

    def _fails(self, settings: RerankSettings, code: str, message: str, hint: str) -> Failing:
        """What is known of one that failed just now."""
        now = time.monotonic()
        had = self._failed.get(settings) or Failing(now, now, code, message, hint)
        self._failed[settings] = found = Failing(had.since, now, code, message, hint, had.n)
        return found

    def trouble(self, settings: RerankSettings) -> dict[str, Any] | None:
        """
        What was the matter with one when it was asked last, `last_s` ago, and since when; None if nothing.

        It may be well by now: nothing but a question asks it.
        """
        if (failing := self._failed.get(settings)) is None:
            return None
        now = time.monotonic()
        return {
            "code": failing.code, "message": failing.message, "hint": failing.hint, "n_questions": failing.n,
            "for_s": round(now - failing.since, 1), "last_s": round(now - failing.last, 1),
        }  # fmt: skip

    def _relevance(self, settings: RerankSettings, question: str, texts: list[str]) -> list[float]:
        """On the lane, where it is made, too."""
        with self._making:
            if (one := self.made.get(settings)) is None:
                one = self.made[settings] = reranker(settings)
        return one.relevance(question, texts)

    def _close_all_but(self, named: Set[RerankSettings]) -> None:
        for settings in [one for one in list(self.made) if one not in named]:
            self.made.pop(settings).close()
        self._failed = {one: how for one, how in self._failed.items() if one in named}

    def close(self) -> None:
        """Close what was made; nobody waits for what hangs."""
        self._lane.close()
        for one in list(self.made.values()):
            one.close()
