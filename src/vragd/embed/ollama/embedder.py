"""
Embeddings from a model served by Ollama (`/api/embed`).

Documents and questions have a connection pool and a patience of their own, so a question is answered
while a bulk request hangs. A text longer than the model's context is embedded in parts and averaged.
No message says what a text says: what a server answers about a text may quote it, so it is not quoted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vragd.embed.base import Embedder, Space, checked
from vragd.embed.ollama.line import Line
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.prompts import prompts_for
from vragd.embed.remote import (
    PROBE,
    WARM_UP_S,
    Ask,
    Respite,
    checked_url,
    embed_or_blame,
    kept,
    shortened,
    shortening,
)
from vragd.errors import EmbedderRejected, EmbedderUnavailable


def create(settings: OllamaEmbedder) -> Embedder:
    """The embedder of `settings`. Does not contact the server. Raises ConfigError for a remote url."""
    return Ollama(settings)


class Ollama:
    """A model served by Ollama, as an `Embedder`. Every method may be called from any thread."""

    def __init__(self, settings: OllamaEmbedder) -> None:
        is_local = checked_url(settings.url, allow_remote=settings.allow_remote)
        self._settings = settings
        self._prompts = prompts_for(settings.model)
        self._bulk = Line(settings, timeout_s=settings.timeout_s, is_local=is_local)
        self._questions = Line(settings, timeout_s=settings.query_timeout_s, is_local=is_local)
        self._patient = Line(settings, timeout_s=max(WARM_UP_S, settings.timeout_s), is_local=is_local)
        self._respite = Respite(f"Ollama at {settings.url}", lambda: self._patient.embed([PROBE]))
        self._lock = threading.Lock()  # held to read and write the two fields below, never over a request
        self._dimensions: dict[str, int] = {}  # by digest
        self._dimension: int | None = None  # that of the digest seen last

    @property
    def batch_size(self) -> int:
        """How many texts go into one request."""
        return self._settings.batch_size

    def space(self, chunker: str) -> Space:
        """
        The space of the vectors made now: asks for the digest, and embeds a word for a new digest.

        Raises EmbedderUnavailable, also when the model is not pulled or cannot embed.
        Blocks for up to `query_timeout_s`, and for up to `timeout_s` more while a model is loaded.
        """
        name, digest = self._identity()
        whole = self._dimension_of(digest)
        return Space(
            provider="ollama",
            model=name,
            digest=digest,
            dimension=self._settings.dimensions or whole,
            prompts=self._prompts.identity,
            chunker=chunker,
        )

    def still_makes(self, space: Space) -> bool:
        """
        Whether the model that answers now is that of `space`. Raises EmbedderUnavailable.

        Blocks for up to `query_timeout_s`; not again for a while if that went by without an answer.
        """
        with self._respite.question(needs_model=False):
            name, digest = self._identity()
        there = ("ollama", name, digest, self._prompts.identity)
        return there == (space.provider, space.model, space.digest, space.prompts)

    def embed_documents(self, texts: Sequence[str]) -> np.ndarray:
        """
        One unit vector per text: float32, shape (len(texts), dimension), row i is texts[i].

        Raises EmbedderUnavailable (safe to retry) or EmbedderRejected (ask again with fewer texts).
        Blocks for up to `timeout_s` per `batch_size` texts.
        """
        dimension = self._known_dimension()
        ask = self._asking(self._bulk, self._prompts.document_text, dimension)
        rows = [np.empty((0, dimension), dtype=np.float32)]
        with self._respite.work():
            for start in range(0, len(texts), self.batch_size):
                rows.append(self._fitting(self._bulk, ask, texts[start : start + self.batch_size]))
        self._respite.answered()
        return shortened(np.concatenate(rows), self._settings.dimensions)

    def embed_query(self, text: str) -> np.ndarray:
        """
        The unit vector of a question: float32, shape (dimension,).

        Raises as `embed_documents`. Blocks for up to `query_timeout_s`, never behind documents.
        """
        with self._lock:
            dimension = self._dimension
        ask = self._asking(self._questions, self._prompts.query_text, dimension)
        with self._respite.question():
            row = self._fitting(self._questions, ask, [text])
        answer: np.ndarray = shortened(row, self._settings.dimensions)[0]
        return answer

    def close(self) -> None:
        """Close both connection pools. A call in flight may last until its timeout; later calls fail."""
        self._respite.close()
        for line in (self._bulk, self._questions, self._patient):
            line.close()

    def _fitting(self, line: Line, ask: Ask, texts: Sequence[str]) -> np.ndarray:
        way_out = "Ollama's log says why; see model and keep_alive"
        return embed_or_blame(ask, lambda: line.embed([PROBE]), texts, "Ollama", way_out)

    def _identity(self) -> tuple[str, str]:
        """The model's full name as the server spells it, and the digest of a space. Raises EmbedderUnavailable."""
        wanted = _full_name(self._settings.model)
        for name, digest in self._questions.digests().items():
            if _full_name(name) == wanted:
                return name, digest + shortening(self._settings.dimensions)
        raise self._questions.not_pulled()

    def _dimension_of(self, digest: str) -> int:
        with self._lock:
            dimension = self._dimensions.get(digest)
        if dimension is None:
            dimension = self._probe()
        with self._lock:
            self._dimensions[digest] = self._dimension = dimension
        return dimension

    def _known_dimension(self) -> int:
        with self._lock:
            dimension = self._dimension
        return self._dimension_of(self._identity()[1]) if dimension is None else dimension

    def _probe(self) -> int:
        """The dimension of the model's whole vectors. Raises EmbedderUnavailable: our own word is no poison."""
        try:
            with self._respite.work():
                rows = _checked_rows(self._bulk.embed([PROBE], quote=True), count=1, dimension=None)
        except EmbedderRejected as error:
            raise EmbedderUnavailable(
                f"model {self._settings.model!r} cannot embed: {error.message}",
                hint="check that it is an embedding model: ollama show " + self._settings.model,
            ) from None
        kept(rows.shape[1], self._settings.dimensions)
        return int(rows.shape[1])

    def _asking(self, line: Line, prompted: Callable[[str], str], dimension: int | None) -> Ask:
        def ask(texts: Sequence[str]) -> np.ndarray:
            answer = line.embed([prompted(text) for text in texts])
            return _checked_rows(answer, count=len(texts), dimension=dimension)

        return ask


def _checked_rows(answer: Any, *, count: int, dimension: int | None) -> np.ndarray:
    rows = checked(answer, count=count, dimension=dimension)
    if count and not rows.shape[1]:
        raise EmbedderRejected("the embedder answered with vectors of no dimension")
    return rows


def _full_name(model: str) -> str:
    """`model` as Ollama compares names: with a tag, without its default registry, in lower case."""
    name = model.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
