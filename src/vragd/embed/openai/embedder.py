"""
Embeddings from an OpenAI-compatible server (`/v1/embeddings`).

No such server says which weights it has, and some return vectors in another order than that of the texts, with indexes
that deny it. So a model is told by the vectors of three texts of ours (`probes`), and two of those go along with
every request for documents, first and last: where their vectors are not what they were, nothing of the answer is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from vragd.embed.base import Embedder, Space, checked
from vragd.embed.ledger import Ledger, Meter
from vragd.embed.openai.line import Line
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.embed.probes import PROBES, sketch
from vragd.embed.prompts import prompts_for
from vragd.embed.remote import (
    PROBE,
    WARM_UP_S,
    Ask,
    Doubtful,
    Respite,
    checked_url,
    embed_or_blame,
    kept,
    shortened,
    shortening,
)
from vragd.errors import EmbedderChanged, EmbedderLimit, EmbedderRejected, EmbedderUnavailable
from vragd.system.clock import SYSTEM, Clock

log = structlog.get_logger()

PROOF_HOLDS_S = 30.0
"""For how long the model is taken for what it was when it was last seen, if nothing went wrong since."""
SAME = 0.999
"""The cosine of two vectors of one text, asked for in the same way."""
BESIDE_OTHERS = 0.95
"""That where other texts were in the request: some 8-bit models scale by all of them."""
WAITED_S, TRIES = 5.0, 4
"""How long a server that is busy is waited for within a call, each time, and how often it is asked."""


def create(settings: OpenAIEmbedder, data_dir: Path | None = None, clock: Clock = SYSTEM) -> Embedder:
    """
    The embedder of `settings`. Does not contact the server. Raises ConfigError for a remote url.

    `data_dir`: where it is counted what is sent.
    """
    return OpenAI(settings, None if data_dir is None else Ledger(data_dir, clock))


@dataclass(frozen=True, slots=True)
class _Model:
    """Who answers: the vectors of `PROBES`, of their last one asked for alone, and what both make of a space."""

    rows: np.ndarray
    alone: np.ndarray
    digest: str
    dimension: int


class OpenAI:
    """A model behind an OpenAI-compatible server, as an `Embedder`. Every method may be called from any thread."""

    def __init__(self, settings: OpenAIEmbedder, ledger: Ledger | None = None) -> None:
        is_local = checked_url(settings.url, allow_remote=settings.allow_remote)
        self._settings = settings
        self._prompts = prompts_for(settings.model).changed(settings.document_prompt, settings.query_prompt)
        meter = Meter(settings, ledger)
        self._bulk = Line(settings, meter, timeout_s=settings.timeout_s, is_local=is_local)
        asked = Meter(settings, ledger, questions=True)
        self._questions = Line(settings, asked, timeout_s=settings.query_timeout_s, is_local=is_local)
        self._patient = Line(settings, meter, timeout_s=max(WARM_UP_S, settings.timeout_s), is_local=is_local)
        self._queries = self._questions
        if settings.query_model is not None:
            named = settings.model_copy(update={"model": settings.query_model})
            self._queries = Line(named, asked, timeout_s=settings.query_timeout_s, is_local=is_local)
        self._respite = Respite(settings.url, lambda: self._patient.embed([PROBE]))
        self._closed = threading.Event()
        self._one_by_one = settings.batch_size < len(PROBES)
        self._model: _Model | None = None
        self._seen_at = float("-inf")  # monotonic: when it was last seen to be that model

    @property
    def batch_size(self) -> int:
        """How many texts of notes go into one request; two of ours go with them."""
        return max(1, self._settings.batch_size - 2)

    def space(self, chunker: str) -> Space:
        """
        The space of the vectors made now: embeds our probes, unless the model was seen a moment before.

        Raises EmbedderUnavailable. Blocks for up to `timeout_s`, a few times.
        """
        with self._respite.work():
            model = self._seen(self._bulk)
        return self._space_of(model, chunker)

    def still_makes(self, space: Space) -> bool:
        """Whether vectors made now belong into `space`. Raises EmbedderUnavailable. Blocks for `query_timeout_s`."""
        with self._respite.question():
            model = self._seen(self._questions)
        return self._space_of(model, space.chunker).is_like(space)

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """
        One unit vector per text: float32, shape (len(texts), dimension), row i is texts[i].

        Raises EmbedderUnavailable (safe to retry) or EmbedderRejected (ask again with fewer texts).
        Blocks for up to `timeout_s` per `batch_size` texts, and some seconds more where the server is busy.
        """
        with self._respite.work():
            model = self._seen(self._bulk)
            ask = self._asking(model)
            rows = [np.empty((0, model.rows.shape[1]), dtype=np.float32)]
            for batch in self._batches(texts):
                rows.append(self._fitting(self._bulk, ask, batch))
            if self._one_by_one and len(texts):
                self._confirm(self._bulk, model)  # nothing of ours went along
        self._respite.answered()
        return shortened(np.concatenate(rows), self._settings.dimensions)

    def embed_query(self, text: str) -> np.ndarray:
        """
        The unit vector of a question: float32, shape (dimension,).

        Raises as `embed_documents`. Blocks for up to `query_timeout_s`, never behind documents.
        """
        model = self._model
        dimension = None if model is None else model.rows.shape[1]

        def ask(texts: Sequence[str]) -> np.ndarray:
            return self._checked(self._queries, [self._prompts.query_text(each) for each in texts], dimension)

        with self._respite.question():
            row = self._fitting(self._queries, ask, [text])
        answer: np.ndarray = shortened(row, self._settings.dimensions)[0]
        return answer

    def close(self) -> None:
        """Close the connection pools. A call in flight may last until its timeout; later calls fail."""
        self._closed.set()
        self._respite.close()
        for line in (self._bulk, self._questions, self._queries, self._patient):
            line.close()

    # -- who answers -------------------------------------------------------------------------------

    def _space_of(self, model: _Model, chunker: str) -> Space:
        return Space(
            provider="openai",
            model=self._settings.model,
            digest=model.digest,
            dimension=model.dimension,
            prompts=" ".join(filter(None, (self._prompts.identity, self._settings.query_model))),
            chunker=chunker,
        )

    def _seen(self, line: Line) -> _Model:
        """The model that answers, seen a moment ago or now."""
        model = self._model
        if model is not None and time.monotonic() - self._seen_at < PROOF_HOLDS_S:
            return model
        if model is not None and self._is_still(line, model):
            return model
        return self._look(line)

    def _is_still(self, line: Line, model: _Model) -> bool:
        row = self._probed(line, PROBES[-1:])
        is_still = row.shape[1] == len(model.alone) and float(row[0] @ model.alone) > SAME
        if is_still:
            self._seen_at = time.monotonic()
        return is_still

    def _look(self, line: Line) -> _Model:
        """Embed the probes, and see whether vectors come in the order of the texts."""
        alone = self._probed(line, PROBES[-1:])[0]
        rows = None
        if not self._one_by_one:
            rows = self._probed(line, PROBES)
            if rows.shape[1] != len(alone) or not _in_place(rows[-1], alone, rows[:-1] @ alone):
                self._ask_one_by_one()
                rows = None
        if rows is None:
            rows = np.stack([*(self._probed(line, [probe])[0] for probe in PROBES[:-1]), alone])
        dimensions = self._settings.dimensions
        dimension = kept(rows.shape[1], dimensions)
        model = _Model(rows, alone, sketch(rows) + shortening(dimensions), dimension)
        self._model, self._seen_at = model, time.monotonic()
        return model

    def _ask_one_by_one(self) -> None:
        if not self._one_by_one:
            log.warning("embedder.order_untrue", model=self._settings.model)
        self._one_by_one = True

    def _probed(self, line: Line, probes: Sequence[str]) -> np.ndarray:
        """The vectors of texts of ours. Raises EmbedderUnavailable: our own words are no poison."""
        try:
            return self._checked(line, probes, None, quote=True)
        except EmbedderRejected as error:
            raise EmbedderUnavailable(
                f"model {self._settings.model!r} cannot embed: {error.message}",
                hint="check that it is an embedding model, and how its server was started",
            ) from None

    # -- texts -------------------------------------------------------------------------------------

    def _batches(self, texts: Sequence[str]) -> Iterator[Sequence[str]]:
        """`texts` in stretches of so many, and of so many characters unless it is one text."""
        start = size = 0
        for n, text in enumerate(texts):
            if n > start and (n - start == self.batch_size or size + len(text) > self._settings.batch_chars):
                yield texts[start:n]
                start, size = n, 0
            size += len(text)
        if start < len(texts):
            yield texts[start:]

    def _asking(self, model: _Model) -> Ask:
        def ask(texts: Sequence[str]) -> np.ndarray:
            prompted = [self._prompts.document_text(text) for text in texts]
            if not self._one_by_one:
                try:
                    return self._accompanied(prompted, model)
                except _OutOfOrder:
                    self._ask_one_by_one()
            dimension = model.rows.shape[1]
            return np.concatenate([self._checked(self._bulk, [text], dimension) for text in prompted])

        return ask

    def _accompanied(self, texts: Sequence[str], model: _Model) -> np.ndarray:
        """The vectors of `texts`, asked for between two probes. Raises EmbedderChanged, `_OutOfOrder`."""
        answer = self._asked(self._bulk, [PROBES[0], *texts, PROBES[-1]])
        dimension = model.rows.shape[1]
        try:
            ours = checked([answer[0], answer[-1]], count=2, dimension=dimension)
        except (EmbedderRejected, EmbedderChanged):
            self._confirm(self._bulk, model)
            raise Doubtful(f"{self._settings.url} answered with vectors that are none") from None
        across = ours @ model.rows[[0, -1]].T
        if not _in_place(ours[0], model.rows[0], across[0, 1:]) or not _in_place(
            ours[1], model.rows[-1], across[1, :1]
        ):
            self._confirm(self._bulk, model)
            raise _OutOfOrder
        self._seen_at = time.monotonic()
        return checked(answer[1:-1], count=len(texts), dimension=dimension)

    def _confirm(self, line: Line, model: _Model) -> None:
        """Raises EmbedderChanged if another model answers by now, EmbedderUnavailable if none does."""
        if not self._is_still(line, model):
            self._model = None
            raise EmbedderChanged(
                "another model answers under the embedder's name", hint="vragd takes it by itself: it embeds anew"
            )

    def _checked(self, line: Line, texts: Sequence[str], dimension: int | None, *, quote: bool = False) -> np.ndarray:
        try:
            return checked(self._asked(line, texts, quote=quote), count=len(texts), dimension=dimension)
        except EmbedderChanged:
            self._model = None  # who it is now is asked before anything else
            raise

    def _asked(self, line: Line, texts: Sequence[str], *, quote: bool = False) -> list[object]:
        """The answer for `texts`. A server that is busy is waited for a little where that is worth while."""
        tries_left = TRIES if line is self._bulk else 1
        while True:
            tries_left -= 1
            try:
                return line.embed(texts, quote=quote)
            except EmbedderLimit:
                raise  # nobody was asked
            except EmbedderUnavailable as error:
                self._seen_at = float("-inf")  # who comes back may be another
                wait_s = error.retry_after_s
                if not tries_left or wait_s is None or wait_s > WAITED_S or self._closed.wait(wait_s + 0.01):
                    raise

    def _fitting(self, line: Line, ask: Ask, texts: Sequence[str]) -> np.ndarray:
        def alone() -> np.ndarray:
            return self._checked(line, [PROBE], None)

        return embed_or_blame(ask, alone, texts, self._settings.url, "the server's log says why")


class _OutOfOrder(Exception):
    """Vectors are not where their texts were."""


def _in_place(row: np.ndarray, expected: np.ndarray, of_others: np.ndarray) -> bool:
    """Whether a probe's vector is where that is expected: near to what it was, and nearer than others' vectors are."""
    near = float(row @ expected)
    return near > BESIDE_OTHERS and near > float(of_others.max())
