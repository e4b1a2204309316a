"""
Embeddings from a model served by Ollama (`/api/embed`).

Documents and questions have a connection pool and a patience of their own, so a question is answered
while a bulk request hangs. A text longer than the model's context is embedded in parts and averaged.
No message says what a text says: what a server answers about a text may quote it, so it is not quoted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from vragd.embed.base import Embedder, Space, checked
from vragd.embed.ollama.line import Broke, Doubtful, Line, Silent, TooLong
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.prompts import prompts_for
from vragd.errors import ConfigError, EmbedderRejected, EmbedderUnavailable
from vragd.terms.hosts import is_loopback

SILENT_FOR_S = 5.0
"""For so long after a question that was not answered no other is put: each would wait as long, and hold up others."""
WARM_UP_AFTER_S, WARM_UP_S = 0.5, 600.0
"""How long after such a silence the model is asked for once with patience, and with how much."""
PROBE = "vragd"
MAX_HALVINGS = 8
BROKE_HALVINGS, BROKE_CHARS = 3, 200  # where what runs the model dies of a text: how far it is cut to find out


def create(settings: OllamaEmbedder) -> Embedder:
    """The embedder of `settings`. Does not contact the server. Raises ConfigError for a remote url."""
    return Ollama(settings)


class Ollama:
    """A model served by Ollama, as an `Embedder`. Every method may be called from any thread."""

    def __init__(self, settings: OllamaEmbedder) -> None:
        is_local = _checked_url(settings.url, allow_remote=settings.allow_remote)
        self._settings = settings
        self._prompts = prompts_for(settings.model)
        self._bulk = Line(settings, timeout_s=settings.timeout_s, is_local=is_local)
        self._questions = Line(settings, timeout_s=settings.query_timeout_s, is_local=is_local)
        self._patient = Line(settings, timeout_s=max(WARM_UP_S, settings.timeout_s), is_local=is_local)
        self._closed = threading.Event()
        self._warming = threading.Lock()
        self._lock = threading.Lock()  # held to read and write the two fields below, never over a request
        self._dimensions: dict[str, int] = {}  # by digest
        self._dimension: int | None = None  # that of the digest seen last
        self._silent_until = 0.0  # monotonic

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
        return Space(
            provider="ollama",
            model=name,
            digest=digest,
            dimension=self._dimension_of(digest),
            prompts=self._prompts.identity,
            chunker=chunker,
        )

    def still_makes(self, space: Space) -> bool:
        """
        Whether the model that answers now is that of `space`. Raises EmbedderUnavailable.

        Blocks for up to `query_timeout_s`; not again for a while if that went by without an answer.
        """
        if time.monotonic() < self._silent_until:
            raise EmbedderUnavailable(f"Ollama at {self._settings.url} did not answer the last question in time")
        try:
            name, digest = self._identity()
        except Silent:
            self._silent_until = time.monotonic() + SILENT_FOR_S
            raise
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
        try:
            for start in range(0, len(texts), self.batch_size):
                rows.append(self._fitting(self._bulk, ask, texts[start : start + self.batch_size]))
        except Silent as error:
            self._warm_up(error)
            raise
        self._silent_until = 0.0
        return np.concatenate(rows)

    def embed_query(self, text: str) -> np.ndarray:
        """
        The unit vector of a question: float32, shape (dimension,).

        Raises as `embed_documents`. Blocks for up to `query_timeout_s`, never behind documents.
        """
        if time.monotonic() < self._silent_until:
            raise EmbedderUnavailable(f"Ollama at {self._settings.url} did not answer the last question in time")
        with self._lock:
            dimension = self._dimension
        ask = self._asking(self._questions, self._prompts.query_text, dimension)
        try:
            row: np.ndarray = self._fitting(self._questions, ask, [text])[0]
        except Silent as error:
            self._silent_until = time.monotonic() + SILENT_FOR_S
            self._warm_up(error)
            raise
        return row

    def close(self) -> None:
        """Close both connection pools. A call in flight may last until its timeout; later calls fail."""
        self._closed.set()
        for line in (self._bulk, self._questions, self._patient):
            line.close()

    def _warm_up(self, error: Silent) -> None:
        """
        Have the model loaded, on a thread beside: Ollama gives a load up when whoever waited for it goes away, and
        whoever asks a question does so long before a large model is loaded.
        """
        if error.connected and self._warming.acquire(blocking=False):
            threading.Thread(target=self._load, name="ollama-load", daemon=True).start()

    def _load(self) -> None:
        try:
            if not self._closed.wait(WARM_UP_AFTER_S):
                self._patient.embed([PROBE])
                self._silent_until = 0.0
        except (EmbedderUnavailable, EmbedderRejected):
            return  # the next silence tries again
        finally:
            self._warming.release()

    def _fitting(self, line: Line, ask: _Ask, texts: Sequence[str]) -> np.ndarray:
        """As `_embed_fitting`. What a server refuses of a single text it must not refuse of any."""
        try:
            return _embed_fitting(ask, texts)
        except Doubtful as error:
            if len(texts) > 1:
                raise  # whoever called asks again with fewer
            try:
                line.embed([PROBE])
            except EmbedderRejected:
                raise EmbedderUnavailable(
                    f"Ollama refuses every text: {error.message}",
                    hint="Ollama's log says why; see model and keep_alive",
                ) from None
            raise

    def _identity(self) -> tuple[str, str]:
        """The model's full name as the server spells it, and its digest. Raises EmbedderUnavailable."""
        wanted = _full_name(self._settings.model)
        for name, digest in self._questions.digests().items():
            if _full_name(name) == wanted:
                return name, digest
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
        """The dimension of the model's vectors. Raises EmbedderUnavailable: our own word is no poison."""
        try:
            rows = _checked_rows(self._bulk.embed([PROBE], quote=True), count=1, dimension=None)
        except Silent as error:
            self._warm_up(error)
            raise
        except EmbedderRejected as error:
            raise EmbedderUnavailable(
                f"model {self._settings.model!r} cannot embed: {error.message}",
                hint="check that it is an embedding model: ollama show " + self._settings.model,
            ) from None
        return int(rows.shape[1])

    def _asking(self, line: Line, prompted: Callable[[str], str], dimension: int | None) -> _Ask:
        def ask(texts: Sequence[str]) -> np.ndarray:
            answer = line.embed([prompted(text) for text in texts])
            return _checked_rows(answer, count=len(texts), dimension=dimension)

        return ask


_Ask = Callable[[Sequence[str]], np.ndarray]


def _checked_rows(answer: Any, *, count: int, dimension: int | None) -> np.ndarray:
    rows = checked(answer, count=count, dimension=dimension)
    if count and not rows.shape[1]:
        raise EmbedderRejected("the embedder answered with vectors of no dimension")
    return rows


def _embed_fitting(ask: _Ask, texts: Sequence[str], *, halvings: int = 0) -> np.ndarray:
    """`ask(texts)`, with every text that is too long for the model embedded in parts."""
    try:
        return ask(texts)
    except (TooLong, Broke) as error:
        if len(texts) > 1:  # nobody says which one it was
            return np.concatenate([_embed_fitting(ask, [text], halvings=halvings) for text in texts])
        if halvings == MAX_HALVINGS or len(texts[0].strip()) < 2:
            raise
        if isinstance(error, Broke) and (halvings == BROKE_HALVINGS or len(texts[0]) < BROKE_CHARS):
            raise
    halves = _halves(texts[0])
    rows = [_embed_fitting(ask, [half], halvings=halvings + 1) for half in halves]
    weights = np.array([[len(half)] for half in halves], dtype=np.float32)
    mean = (np.concatenate(rows) * weights).sum(axis=0, keepdims=True) / weights.sum()
    return checked(mean, count=1, dimension=None)


def _halves(text: str) -> tuple[str, str]:
    """`text` cut at the whitespace nearest its middle, or in its middle when none is near."""
    text = text.strip()
    middle = len(text) // 2
    near = range(len(text) // 4, len(text) - len(text) // 4)
    cuts = [place for place in near if text[place].isspace()]
    cut = min(cuts, key=lambda place: abs(place - middle), default=middle)
    return text[:cut].rstrip(), text[cut:].lstrip()


def _checked_url(url: str, *, allow_remote: bool) -> bool:
    """True when `url` is on this machine. Raises ConfigError for what is not, unless allowed."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise ConfigError(f"embedder url {url!r} is not a url: {error}") from error
    if parts.username is not None:
        raise ConfigError("the embedder url holds a user name, which Ollama's client does not send")
    is_local = is_loopback(host)
    if not is_local and not allow_remote:
        raise ConfigError(
            f"embedder url {url!r} is not on this machine: the text of notes would leave it",
            hint="if that is what you want, set allow_remote: true",
        )
    return is_local


def _full_name(model: str) -> str:
    """`model` as Ollama compares names: with a tag, without its default registry, in lower case."""
    name = model.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
