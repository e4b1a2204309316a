"""
Embeddings from a model served by Ollama (`/api/embed`).

Documents and questions have a connection pool and a patience of their own, so a question is answered
while a bulk request hangs. A text longer than the model's context is embedded in parts and averaged.
No message says what a text says: what a server answers about a text may quote it, so it is not quoted.
"""

from __future__ import annotations

import ipaddress
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import ollama
from pydantic import ValidationError

from vragd.embed.base import Embedder, Space, checked
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.prompts import prompts_for
from vragd.errors import ConfigError, EmbedderRejected, EmbedderUnavailable
from vragd.system.lanes import progress

CONNECT_TIMEOUT_S = 2.0
SILENT_FOR_S = 5.0
"""For so long after a question that was not answered no other is put: each would wait as long, and hold up others."""
PROBE = "vragd"
MAX_HALVINGS = 8

# The wording changed over the years, and some releases say it with 500 instead of 400.
TOO_LONG = re.compile(
    r"exceeds? (the|maximum) context length|exceeds the available context size|too large to process", re.I
)
NOT_A_NUMBER = re.compile(r"\b(NaN|[+-]?Inf)\b", re.I)
REFUSED_STATUS = frozenset({400, 413, 422})


def create(settings: OllamaEmbedder) -> Embedder:
    """The embedder of `settings`. Does not contact the server. Raises ConfigError for a remote url."""
    return Ollama(settings)


class Ollama:
    """A model served by Ollama, as an `Embedder`. Every method may be called from any thread."""

    def __init__(self, settings: OllamaEmbedder) -> None:
        is_local = _checked_url(settings.url, allow_remote=settings.allow_remote)
        self._settings = settings
        self._prompts = prompts_for(settings.model)
        self._bulk = _Line(settings, timeout_s=settings.timeout_s, is_local=is_local)
        self._questions = _Line(settings, timeout_s=settings.query_timeout_s, is_local=is_local)
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
        except _Silent:
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
        for start in range(0, len(texts), self.batch_size):
            rows.append(_embed_fitting(ask, texts[start : start + self.batch_size]))
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
            row: np.ndarray = _embed_fitting(ask, [text])[0]
        except _Silent:
            self._silent_until = time.monotonic() + SILENT_FOR_S
            raise
        return row

    def close(self) -> None:
        """Close both connection pools. A call in flight may last until its timeout; later calls fail."""
        self._bulk.close()
        self._questions.close()

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
        except EmbedderRejected as error:
            raise EmbedderUnavailable(
                f"model {self._settings.model!r} cannot embed: {error.message}",
                hint="check that it is an embedding model: ollama show " + self._settings.model,
            ) from None
        return int(rows.shape[1])

    def _asking(self, line: _Line, prompted: Callable[[str], str], dimension: int | None) -> _Ask:
        def ask(texts: Sequence[str]) -> np.ndarray:
            answer = line.embed([prompted(text) for text in texts])
            return _checked_rows(answer, count=len(texts), dimension=dimension)

        return ask


class _Silent(EmbedderUnavailable):
    """No answer came in the time there was for it."""


class _TooLong(EmbedderRejected):
    """A text is longer than the model's context."""


class _Line:
    """One connection pool to the server, with its own patience. Every failure leaves it as one of ours."""

    def __init__(self, settings: OllamaEmbedder, *, timeout_s: float, is_local: bool) -> None:
        self._url = settings.url
        self._model = settings.model
        self._timeout_s = timeout_s
        self._connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._keep_alive = _keep_alive(settings.keep_alive)
        self._client = ollama.Client(
            settings.url,
            timeout=httpx.Timeout(timeout_s, connect=self._connect_s),
            trust_env=not is_local,  # a proxy could not reach our loopback, and would see the notes
            follow_redirects=False,  # whoever listens must not send the notes on to another host
            # where there is no TLS to verify, the list of authorities need not be read: a tenth of a second
            verify=not (is_local and urlsplit(settings.url).scheme == "http"),
        )

    def digests(self) -> Mapping[str, str]:
        """The digest of every model the server has, by full name. Raises EmbedderUnavailable."""
        with self._translated(quote=True):
            models = self._client.list().models
        return {model.model: model.digest for model in models if model.model and model.digest}

    def embed(self, texts: Sequence[str], *, quote: bool = False) -> Any:
        """
        The server's answer for `texts`, unchecked.

        `quote` puts the server's own words into errors: only for texts that are not a user's.
        Raises EmbedderUnavailable, EmbedderRejected, or _TooLong when one text exceeds the context.
        """
        with self._translated(quote=quote):
            return self._client.embed(
                self._model,
                [_encodable(text) for text in texts],
                truncate=False,
                keep_alive=self._keep_alive,
            ).embeddings

    def close(self) -> None:
        """Close the pool. Never raises for a second call."""
        self._client.close()  # type: ignore[no-untyped-call]

    def not_pulled(self) -> EmbedderUnavailable:
        """The error for a model the server does not have."""
        return EmbedderUnavailable(
            f"Ollama at {self._url} does not have model {self._model!r}",
            hint=f"ollama pull {self._model}",
        )

    @contextmanager
    def _translated(self, *, quote: bool) -> Iterator[None]:
        progress()  # each request has its own timeout: a bad text is found by many of them in one call
        # `from None` throughout: a cause holds the server's answer, and a traceback would print it.
        try:
            yield
        except ollama.ResponseError as error:
            raise self._from_status(error, quote=quote) from None
        except ConnectionError:
            raise EmbedderUnavailable(f"Ollama does not answer at {self._url}", hint="start it: ollama serve") from None
        except httpx.ConnectTimeout:
            raise _Silent(f"Ollama at {self._url} did not accept a connection within {self._connect_s:g} s") from None
        except httpx.TimeoutException:
            raise _Silent(
                f"Ollama at {self._url} did not answer within {self._timeout_s:g} s",
                hint="it may be loading the model; a larger timeout or keep_alive helps if it recurs",
            ) from None
        except ValidationError as error:
            raise self._from_shape(error) from None
        except (ValueError, TypeError, AttributeError):
            # The client calls .get() and ** on whatever JSON it finds: a list ends in these two.
            raise EmbedderUnavailable(
                f"{self._url} answered with something that is not Ollama's JSON",
                hint="check that it is Ollama that listens there",
            ) from None
        except (httpx.HTTPError, RuntimeError, OSError) as error:
            # RuntimeError: the pool was closed under the call.
            raise EmbedderUnavailable(
                f"the connection to Ollama at {self._url} broke off ({type(error).__name__})"
            ) from None

    def _from_status(self, error: ollama.ResponseError, *, quote: bool) -> EmbedderUnavailable | EmbedderRejected:
        said, status = str(error.error), error.status_code
        quoted = f": {said[:300]}" if quote and said else ""
        if status == 404 and "model" in said:
            return self.not_pulled()
        if TOO_LONG.search(said):
            return _TooLong(f"Ollama says that a text is longer than the context of {self._model!r}{quoted}")
        if NOT_A_NUMBER.search(said):
            return EmbedderRejected(f"model {self._model!r} made a value that is not a number{quoted}")
        if status in REFUSED_STATUS:
            return EmbedderRejected(f"Ollama at {self._url} refused a text with status {status}{quoted}")
        return EmbedderUnavailable(
            f"Ollama at {self._url} failed with status {status}{quoted}", hint="Ollama's log says why"
        )

    def _from_shape(self, error: ValidationError) -> EmbedderUnavailable | EmbedderRejected:
        # Ollama says null for what it could not embed; an answer without the key is not Ollama's.
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if found and all(each["loc"][:1] == ("embeddings",) and each["type"] != "missing" for each in found):
            return EmbedderRejected("Ollama answered with a vector that is null or not made of numbers")
        return EmbedderUnavailable(
            f"{self._url} answered with JSON that lacks what Ollama would say",
            hint="check that it is Ollama that listens there",
        )


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
    except _TooLong:
        if len(texts) > 1:  # nobody says which one it was
            return np.concatenate([_embed_fitting(ask, [text], halvings=halvings) for text in texts])
        if halvings == MAX_HALVINGS or len(texts[0].strip()) < 2:
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
    is_local = _is_loopback(host)
    if not is_local and not allow_remote:
        raise ConfigError(
            f"embedder url {url!r} is not on this machine: the text of notes would leave it",
            hint="if that is what you want, set allow_remote: true",
        )
    return is_local


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _full_name(model: str) -> str:
    """`model` as Ollama compares names: with a tag, without its default registry, in lower case."""
    name = model.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def _keep_alive(value: str) -> float | str:
    # Ollama takes a bare number of seconds only as a JSON number; -1 means for ever.
    return float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else value


def _encodable(text: str) -> str:
    # A lone surrogate cannot be sent as UTF-8, and the client's own error would quote the text.
    return text.encode("utf-8", "replace").decode("utf-8")
