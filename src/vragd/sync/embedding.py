"""
Texts without an embedding → embeddings in the catalog: in rounds that end, finding the texts at fault.

What a round embeds is stored batch by batch, so that nothing is ever embedded twice. Everything here runs
on the store's writer lane, but that a server has the next batch already while the last one is stored.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from vragd.catalog import editions
from vragd.catalog.model import SpaceRow
from vragd.catalog.writer import Catalog
from vragd.embed.base import Embedder, Space
from vragd.errors import EmbedderChanged, EmbedderRefused, EmbedderRejected, EmbedderUnavailable
from vragd.notes import chunk
from vragd.sync.calls import Calls, Late
from vragd.sync.pace import PACE, Pace
from vragd.system.failpoints import reach
from vragd.system.lanes import Beside

# What a round may prepare.
LEAST_TEXTS, MOST_TEXTS = 8, 256
STRIKES = 3
STAND_IN = Space("words", "until the embedder answers", "0", 0, "", chunk.VERSION)
"""Written for an embedder that never said what its own is: nothing has vectors in it, and all is found by its words."""

Batch = Sequence[tuple[bytes, str]]
Made = tuple[np.ndarray, bool | EmbedderUnavailable]
"""The vectors of a batch, and whether directly after it the embedder was still the one of the space, or why unknown."""


def space_of(embedder: Embedder) -> Space:
    """The space of what it embeds now, of notes cut as they are now. Raises EmbedderUnavailable."""
    return embedder.space(chunk.VERSION)


def who(calls: Calls, embedder: Embedder, *, yields: bool = False) -> Space:
    """As `space_of`, by `Calls.run`: raises Late, too."""
    return calls.run(partial(space_of, embedder), "who", yields=yields)


def registered(row: SpaceRow) -> Space:
    """A registered space as it was when it was registered."""
    return Space(**json.loads(row.identity))


def is_stand_in(row: SpaceRow) -> bool:
    """Whether it is `STAND_IN`, of whatever version."""
    return registered(row).provider == STAND_IN.provider


def identity_of(row: SpaceRow) -> Space:
    """A registered space as its embedder knows it, whichever edition it is."""
    space = registered(row)
    return replace(space, chunker=editions.plain(space.chunker))


def makes(embedder: Embedder, row: SpaceRow) -> bool:
    """Whether what it embeds now belongs into a registered space. Raises EmbedderUnavailable."""
    return space_of(embedder).is_like(identity_of(row))


@dataclass(slots=True)
class Embedded:
    """Which texts have an embedding now, which the embedder refuses, and what kept the rest from one."""

    done: set[bytes]
    refused: set[bytes]
    n_new: int = 0
    outage: EmbedderUnavailable | None = None
    late: bool = False
    """Whether the embedder is still at it, and was not waited for any longer."""


@dataclass(frozen=True, slots=True, eq=False)
class UnderWay:
    """A batch that is being embedded, and by whom."""

    embedder: Embedder
    batch: Batch
    made: Beside[Made]


@dataclass(slots=True)
class Bulk:
    """
    Embeds for one store in one space. `stop` is asked between batches.

    Where `calls` are beside it is a server's work: a batch, one, is handed over before the last one is stored, also
    when the round ends there and there is `more` to come. A batch that fails has none behind it. One that is not waited
    for any longer is stored by a later round.
    """

    catalog: Catalog
    embedder: Callable[[], Embedder]
    """Makes it when it is first needed: what lacks no text needs none."""
    space: SpaceRow
    stop: Callable[[], bool]
    pace: Pace = PACE
    calls: Calls = field(default_factory=Calls)
    texts_per_round: int = 64
    n_embedded: int = 0
    """Texts embedded so far, also by rounds that failed afterwards."""
    _under_way: list[UnderWay] = field(default_factory=list)
    _strikes: dict[bytes, int] = field(default_factory=dict)
    _refused: dict[bytes, float] = field(default_factory=dict)

    def embed(
        self, texts: Mapping[bytes, str], shown: Mapping[bytes, bytes], *, more: bool = False, asks: bool = True
    ) -> Embedded:  # fmt: skip
        """
        Embed as many of the texts, by hash, as a round allows. An outage is told, not raised. Unless it `asks`, it is
        only looked which of them have a vector.

        `shown` are the hashes of the texts as they are shown, where that is with marks; see `Catalog.embedded`. With
        `more`, another round is sure to follow.
        """
        cutoff = self.catalog.clock.steady() - self.pace.refused_for_s
        self._refused = {text_hash: at for text_hash, at in self._refused.items() if at > cutoff}
        done = self.catalog.embedded(self.space.id, texts.keys(), shown)
        found = Embedded(done, texts.keys() & self._refused.keys())
        missing = [text_hash for text_hash in texts if text_hash not in found.done | found.refused]
        if missing and asks:
            try:
                self._embed_round([(text_hash, texts[text_hash]) for text_hash in missing], found, more=more)
            except Late:
                found.late = True
            except EmbedderUnavailable as error:
                found.outage = error
            else:
                # as much as the embedder just managed, and room to find out that it manages more
                n_managed = found.n_new + sum(len(call.batch) for call in self._under_way)
                self.texts_per_round = max(LEAST_TEXTS, min(MOST_TEXTS, 2 * n_managed))
        return found

    def _embed_round(self, missing: Batch, found: Embedded, *, more: bool) -> None:
        embedder = self.embedder()
        try:
            self._see_that(who(self.calls, embedder).is_like(identity_of(self.space)))
            began, batches = time.monotonic(), self._batches(embedder, missing)
            for n, batch in enumerate(batches):
                is_last = n == len(batches) - 1
                if self.stop() or (n and time.monotonic() - began > self.pace.round_s):
                    return
                if n and is_last and more and self._call_of(batch):
                    return  # it is embedded while this round's are written
                self._embed_batch(embedder, batch, found, following=() if is_last else batches[n + 1])
        except (EmbedderUnavailable, EmbedderRejected):
            self._under_way.clear()  # who made it, or is to, is in doubt
            raise  # after any other error the server has it still, and is to have no second one

    def _batches(self, embedder: Embedder, missing: Batch) -> list[Batch]:
        """`missing` in batches, first what is under way since an earlier round: unless nobody waits for it yet."""
        first: list[Batch] = []
        for call in list(self._under_way):
            under_way = dict(call.batch)
            if call.embedder is not embedder:
                self._under_way.remove(call)
            elif any(text_hash in under_way for text_hash, _ in missing):
                first.append(call.batch)
                missing = [each for each in missing if each[0] not in under_way]
            elif call.made.failed:
                self._under_way.remove(call)  # nobody waits for it: an outage of then is none of now
            elif call.made.done:
                first.append(call.batch)
        size = embedder.batch_size
        return first + [missing[start : start + size] for start in range(0, len(missing), size)]

    def _call_of(self, batch: Batch) -> UnderWay | None:
        return next((call for call in self._under_way if call.batch is batch), None)

    def _made_of(self, embedder: Embedder, batch: Batch) -> Made:
        call = self._call_of(batch)
        if call is None and not self.calls.beside:
            return _make(embedder, self.space, batch)
        call = call or self._begin(embedder, batch)
        self.calls.wait(call.made)
        self._under_way.remove(call)
        return call.made.result()

    def _begin(self, embedder: Embedder, batch: Batch) -> UnderWay:
        work = partial(_make, embedder, self.space, batch)
        self._under_way.append(call := UnderWay(embedder, batch, Beside("embed-ahead", work)))
        return call

    def _hand_over(self, embedder: Embedder, batch: Batch) -> None:
        """Begin a batch beside; one at a time."""
        if self.calls.beside and not self._under_way and batch and not self.stop():
            self._begin(embedder, batch)

    def _see_that(self, is_same: bool) -> None:
        """A model replaced by one of equal dimension would fill the space with vectors that mean nothing there."""
        if not is_same:
            raise EmbedderChanged("another model answers under the embedder's name", hint="vragd takes it by itself")

    def _embed_batch(
        self, embedder: Embedder, batch: Batch, found: Embedded, *, following: Batch = (), suspect: bool = False
    ) -> None:
        """
        Embed and keep a batch; when it is refused, its halves, down to the texts that are at fault.

        The `following` one is begun in between.
        """
        try:
            rows, is_same = self._made_of(embedder, batch)
        except (EmbedderChanged, EmbedderRefused):
            raise
        except EmbedderRejected:
            pass
        except EmbedderUnavailable as error:
            if error.retry_after_s is not None:  # it is busy: no text's fault
                raise
            if not (self._struck_out(batch) or suspect) or not self._embeds_at_all(embedder):
                raise
            suspect = True
        else:
            if rows.shape != (len(batch), self.space.dimension):
                raise EmbedderChanged(
                    f"the embedder answered with shape {rows.shape}, its space has {self.space.dimension} dimensions",
                    hint="vragd takes it by itself",
                )
            if isinstance(is_same, EmbedderUnavailable):
                raise is_same
            self._see_that(is_same)
            self._hand_over(embedder, following)
            hashes = [text_hash for text_hash, _ in batch]
            reach("bulk.embedded")
            self.catalog.save(self.space.id, zip(hashes, rows, strict=True))
            reach("bulk.saved")
            for text_hash in hashes:
                self._strikes.pop(text_hash, None)
            found.done.update(hashes)
            found.n_new += len(hashes)
            self.n_embedded += len(hashes)
            return
        if len(batch) == 1:
            self._refused[batch[0][0]] = self.catalog.clock.steady()
            found.refused.add(batch[0][0])
            return
        middle = len(batch) // 2
        self._embed_batch(embedder, batch[:middle], found, suspect=suspect)
        self._embed_batch(embedder, batch[middle:], found, suspect=suspect)

    def _embeds_at_all(self, embedder: Embedder) -> bool:
        return self.calls.run(partial(_embeds_at_all, embedder), "harmless")

    def _struck_out(self, batch: Batch) -> bool:
        """
        Whether a text of this batch has been in so many that failed that it is a suspect itself.

        Some texts crash a model runner every time, which looks like an outage. Strikes are counted by
        text, as batches are made up anew each time, and forgotten when the text is embedded.
        """
        for text_hash, _ in batch:
            self._strikes[text_hash] = self._strikes.get(text_hash, 0) + 1
        return max(self._strikes[text_hash] for text_hash, _ in batch) >= STRIKES


def _make(embedder: Embedder, space: SpaceRow, batch: Batch) -> Made:
    rows = embedder.embed_documents([text for _, text in batch])
    try:
        return rows, makes(embedder, space)  # it may have been replaced since the round began
    except EmbedderUnavailable as error:  # which is no fault of the batch
        return rows, error


def _embeds_at_all(embedder: Embedder) -> bool:
    try:
        embedder.embed_documents(["a harmless text"])
    except (EmbedderUnavailable, EmbedderRejected):
        return False
    return True
