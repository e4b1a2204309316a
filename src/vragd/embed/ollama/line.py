"""
One pool of connections to an Ollama, with its own patience, and its answers as errors of ours.

No message says what a text says: what a server answers about a text may quote it, so it is not quoted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from pydantic import ValidationError

from vragd.embed.ollama.library import ollama
from vragd.embed.ollama.settings import OllamaEmbedder
from vragd.embed.remote import (
    CONNECT_TIMEOUT_S,
    Broke,
    Doubtful,
    TooLong,
    asks_proxy,
    by_environment,
    encodable,
    over_http,
    verifies,
)
from vragd.errors import EmbedderRefused, EmbedderRejected, EmbedderUnavailable
from vragd.terms.hosts import is_loopback, origin

HOST_VARIABLE = "OLLAMA_HOST"
KEY_HOST = ("https", "ollama.com", 443)

# The wording changed over the years, and some releases say it with 500 instead of 400.
TOO_LONG = re.compile(
    r"exceeds? (the|maximum) context length|exceeds the available context size|too large to process", re.I
)
NOT_A_NUMBER = re.compile(r"\b(NaN|[+-]?Inf)\b", re.I)
NO_EMBEDDER = re.compile(r"does not support embed", re.I)
RUNNER_DIED = re.compile(r"\bEOF\b")
REFUSED_STATUS = frozenset({400, 413, 422})
REFUSED_US, BUSY_STATUS = frozenset({401, 402, 403}), frozenset({429, 503})
BUSY_S = 1.0  # the client does not pass on what the server says of it


class Line:
    """One connection pool to the server, with its own patience. Every failure leaves it as one of ours."""

    def __init__(self, settings: OllamaEmbedder, *, timeout_s: float, is_local: bool) -> None:
        self._url = settings.url
        self._model = settings.model
        self._timeout_s = timeout_s
        self._connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._keep_alive = _keep_alive(settings.keep_alive)
        with by_environment():
            self._client = ollama.Client(
                settings.url,
                timeout=httpx.Timeout(timeout_s, connect=self._connect_s),
                trust_env=asks_proxy(settings.url),
                follow_redirects=False,  # whoever listens must not send the notes on to another host
                verify=verifies(settings.url, is_local=is_local),
            )
        if not gets_key(settings.url, os.environ):
            self._client._client.headers.pop("authorization", None)  # the library sends it to whoever it talks to

    def digests(self) -> Mapping[str, str]:
        """The digest of every model the server has, by full name. Raises EmbedderUnavailable."""
        with self._translated(quote=True):
            models = self._client.list().models
        return {model.model: model.digest for model in models if model.model and model.digest}

    def embed(self, texts: Sequence[str], *, quote: bool = False) -> Any:
        """
        The server's answer for `texts`, unchecked.

        `quote` puts the server's own words into errors: only for texts that are not a user's.
        Raises EmbedderUnavailable, EmbedderRejected, or TooLong when one text exceeds the context.
        """
        with self._translated(quote=quote):
            return self._client.embed(
                self._model,
                [encodable(text) for text in texts],
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
        loading = "it may be loading the model; a larger timeout or keep_alive helps if it recurs"
        with over_http(f"Ollama at {self._url}", self._connect_s, self._timeout_s, loading):
            try:
                yield
            except ollama.ResponseError as error:
                raise self._from_status(error, quote=quote) from None
            except ConnectionError:
                raise EmbedderUnavailable(
                    f"Ollama does not answer at {self._url}", hint="start it: ollama serve; or install Ollama first"
                ) from None
            except ValidationError as error:
                raise self._from_shape(error) from None
            except (ValueError, TypeError, AttributeError):
                # The client calls .get() and ** on whatever JSON it finds: a list ends in these two.
                raise EmbedderUnavailable(
                    f"{self._url} answered with something that is not Ollama's JSON",
                    hint="check that it is Ollama that listens there",
                ) from None

    def _from_status(self, error: ollama.ResponseError, *, quote: bool) -> EmbedderUnavailable | EmbedderRejected:
        said, status = str(error.error), error.status_code
        quoted = f": {said[:300]}" if quote and said else ""
        if status == 404 and "model" in said:
            return self.not_pulled()
        if status in REFUSED_US:
            return EmbedderRefused(
                f"{self._url} refuses us (status {status}): no key, not the right one, or its quota is used up",
                hint="see OLLAMA_API_KEY and the account; a server before it may want a key, too",
            )
        if status in BUSY_STATUS:
            return EmbedderUnavailable(f"Ollama at {self._url} is busy (status {status})", retry_after_s=BUSY_S)
        if TOO_LONG.search(said):
            return TooLong(f"Ollama says that a text is longer than the context of {self._model!r}{quoted}")
        if NO_EMBEDDER.search(said):
            return EmbedderUnavailable(
                f"model {self._model!r} is none that embeds{quoted}", hint=f"see what it can: ollama show {self._model}"
            )
        if RUNNER_DIED.search(said):
            return Broke(f"Ollama at {self._url} broke off while it embedded (status {status})")
        if NOT_A_NUMBER.search(said):
            return EmbedderRejected(f"model {self._model!r} made a value that is not a number{quoted}")
        if status == 413:
            return TooLong(f"Ollama at {self._url}, or a server before it, takes no request of this size")
        if status in REFUSED_STATUS:
            return Doubtful(f"Ollama at {self._url} refused a text with status {status}{quoted}")
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


def gets_key(url: str, environment: Mapping[str, str]) -> bool:
    """
    Whether the key in the environment was given for the server at `url`: that of ollama.com, or the one that
    `OLLAMA_HOST` names, unless others could read it on the way.
    """
    here = origin(url)
    if here is None:
        return False
    if here == KEY_HOST:
        return True
    given_for = environment.get(HOST_VARIABLE, "")
    there = origin(given_for) if given_for else None
    if there is not None and "://" not in given_for and ":" not in given_for.rpartition("]")[2]:
        there = (there[0], there[1], 11434)
    return here == there and (here[0] == "https" or is_loopback(here[1]))


def _keep_alive(value: str) -> float | str:
    # Ollama takes a bare number of seconds only as a JSON number; -1 means for ever.
    return float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else value
