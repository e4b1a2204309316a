"""What a visit to a path comes to: a note as it is to be committed, or that it has to be looked at again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import structlog

from vragd.catalog.model import FOR_EMBEDDER, ChunkRow, NoteChange, NoteRemoval
from vragd.system.log import path_id
from vragd.vault.source import Source

log = structlog.get_logger()

RETRY_FIRST_S, RETRY_LAST_S = 5.0, 3600.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A path to look at. `patient`: a note that was not empty and now is, is given time to be written."""

    source: Source
    path: str
    patient: bool = True


@dataclass(frozen=True, slots=True)
class Later:
    """A visit that can only be made after so many seconds."""

    visit: Visit
    delay_s: float


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A visit to a file that is being read, or waits for that: it goes on in the next round."""

    visit: Visit


@dataclass(frozen=True, slots=True)
class Parked:
    """A visit to a note whose words are found and whose file is as it was: its vectors wait for the embedder."""

    visit: Visit


@dataclass(slots=True)
class Prepared:
    """
    A note read and cut. `fresh` are the chunks the backend does not hold yet as they are now.

    `attempts` is how often the note failed before. `is_found`: the catalog has the words of these very bytes, and
    perhaps the vectors of another space, which answer.
    """

    visit: Visit
    change: NoteChange | NoteRemoval
    fresh: list[ChunkRow] = field(default_factory=list)
    attempts: int = 0
    is_found: bool = False

    @property
    def frees(self) -> bool:
        """Whether the note takes no more room afterwards than nothing at all."""
        return isinstance(self.change, NoteRemoval) or self.change.chunks == ()

    @property
    def withdraws(self) -> bool:
        """Whether the note may be shown no longer; what is gone may be at another path, and is not among that."""
        if isinstance(self.change, NoteRemoval):
            return self.visit.source.rules.excluded(self.visit.path) is not None
        return self.change.chunks == ()

    def lacks(self, settled: Collection[bytes]) -> set[bytes]:
        """The hashes of the texts that neither have an embedding nor are refused."""
        return {chunk.text_hash for chunk in self.fresh}.difference(settled)

    def by_words(self, texts: Collection[bytes]) -> Prepared:
        """The note with those of its chunks found by their words only that wait for the embedder, by text hash."""
        assert isinstance(self.change, NoteChange)
        waiting = {chunk.key for chunk in self.fresh if chunk.text_hash in texts}
        chunks = tuple(replace(c, embedded=c.embedded and c.key not in waiting) for c in self.change.chunks or ())
        change = replace(self.change, chunks=chunks, state="partial", retry_at=FOR_EMBEDDER)
        return replace(self, change=change, fresh=[chunk for chunk in self.fresh if chunk.key not in waiting])

    def without(self, texts: set[bytes], now: float) -> Prepared:
        """The note with those of its chunks that the embedder will not take, by the hash of their text, marked."""
        return self._marked({chunk.key for chunk in self.fresh if chunk.text_hash in texts}, "the embedder", "", now)

    def without_keys(self, keys: Collection[str], why: str, now: float) -> Prepared:
        """The note with those of its chunks that the backend will not take marked."""
        return self._marked({chunk.key for chunk in self.fresh if chunk.key in keys}, "the backend", f" ({why})", now)

    def _marked(self, bad: set[str], who: str, why: str, now: float) -> Prepared:
        """These chunks are found by their words only, and the note says so."""
        if not bad or not isinstance(self.change, NoteChange) or self.change.chunks is None:
            return self
        chunks = tuple(replace(c, embedded=c.embedded and c.key not in bad) for c in self.change.chunks)
        reasons = [self.change.reason] if self.change.state == "partial" and self.change.reason else []
        reasons.append(f"{who} refuses {len(bad)} of {len(chunks)} chunks{why}")
        change = replace(self.change, chunks=chunks, state="partial", reason="; ".join(reasons))
        log.warning(
            "sync.chunks_refused", note=path_id(self.visit.source.uid, self.visit.path), by=who, n_refused=len(bad)
        )
        fresh = [chunk for chunk in self.fresh if chunk.key not in bad]
        change = change if change.waits else with_retry(change, self.attempts, now)
        return replace(self, change=change, fresh=fresh)


def with_retry(change: NoteChange, attempts: int, now: float) -> NoteChange:
    """The change of a note that has failed so often before, to be tried again."""
    delay = min(RETRY_LAST_S, RETRY_FIRST_S * 4.0 ** min(attempts, 6))
    return replace(change, attempts=attempts + 1, retry_at=now + delay)
