"""
Which words of a question full text is asked for.

Ranking looks at every chunk that holds any of the words asked for: with the words that nearly every chunk holds it
would look at the whole store, each time. BM25 gives such a word next to no weight, so a question is asked by its
rarest words, as many of them as together are found BUDGET times; by all of them where that finds next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import apsw

BUDGET = 3_000  # chunks
ENOUGH = 10  # chunks found by the rarest; with fewer all words are asked for, whatever it costs
COUNTED_FOR_S = 600.0
MAX_COUNTED = 20_000


class Words:
    """Counts, bounded by BUDGET, of chunks with a word, for a while. Any thread: a lost race counts once more."""

    def __init__(self) -> None:
        self._counted: dict[str, tuple[float, int]] = {}

    def choose(self, db: apsw.Connection, words: Sequence[str]) -> list[str]:
        """The words of a question worth asking for: one at least, if there are any."""
        counts = {word: self._count(db, word) for word in words}
        chosen: list[str] = []
        left = BUDGET
        for word in sorted(words, key=counts.__getitem__):
            if left < BUDGET and counts[word] > left and sum(counts.values()) > BUDGET:
                break  # of those asked for some chunk has one: a word that is nowhere is no reason to stop
            chosen.append(word)
            left -= counts[word]
        return chosen

    def _count(self, db: apsw.Connection, word: str) -> int:
        """Chunks with the word; BUDGET + 1 for more."""
        now = time.monotonic()
        known = self._counted.get(word)
        if known is not None and known[0] > now:
            return known[1]
        ((count,),) = db.execute(
            "select count(*) from (select 1 from chunk_text where chunk_text match ? limit ?)",
            (f'"{word}"', BUDGET + 1),
        )
        if len(self._counted) >= MAX_COUNTED:
            self._counted.clear()
        self._counted[word] = (now + COUNTED_FOR_S, int(count))
        return int(count)
