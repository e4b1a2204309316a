"""
One pool of connections to an OpenAI-compatible server, with its own patience, and its answers as errors of ours.

No message says what a text says: what a server answers about a text may quote it, so it is not quoted.
"""

from __future__ import annotations

import base64
import binascii
import email.utils
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np

from vragd.embed.ledger import Bill, Meter
from vragd.embed.openai.key import key_of
from vragd.embed.openai.settings import OpenAIEmbedder
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

BUSY_S, LONGEST_BUSY_S = 1.0, 300.0
"""How long a server is left alone that says it is busy and not for how long, and at most whatever it says."""

# OpenAI, vLLM, llama.cpp (with status 500), text-embeddings-inference and Ollama, over the years.
TOO_LONG = re.compile(
    r"maximum (context|input|model|sequence) length|context (length|size|window)|too large to process|too (long|many)"
    r"|must have (less|fewer|at most)|max(imum)? [\d,]+ tokens|tokens per request|maximum allowed batch size",
    re.I,
)
NOT_A_NUMBER = re.compile(r"\b(NaN|[+-]?Inf)\b", re.I)
RUNNER_DIED = re.compile(r"\bEOF\b")
MOST_USED = 10**9
"""No request takes more tokens: who says so says nothing."""
REFUSED_STATUS = frozenset({400, 422})
BUSY_STATUS = frozenset({429, 503})

Wait = Callable[[float], object]


class Line:
    """One connection pool to the server, with its own patience. Every failure leaves it as one of ours."""

    def __init__(self, settings: OpenAIEmbedder, meter: Meter, *, timeout_s: float, is_local: bool) -> None:
        self._settings, self._meter, self._url = settings, meter, settings.url
        self._timeout_s = timeout_s
        self._connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        self._busy_until = 0.0  # monotonic
        with by_environment():
            self._client = httpx.Client(
                timeout=httpx.Timeout(timeout_s, connect=self._connect_s),
                trust_env=asks_proxy(settings.url),
                follow_redirects=False,  # whoever listens must not send the notes, or the key, on to another host
                verify=verifies(settings.url, is_local=is_local),
            )

    def embed(self, texts: Sequence[str], *, quote: bool = False) -> list[Any]:
        """
        What the server gives for `texts`, in their order: lists of numbers or arrays, unchecked.

        `quote` puts the server's own words into errors: only for texts that are not a user's.
        Raises EmbedderUnavailable, EmbedderLimit before anything is sent, EmbedderRejected, or TooLong when a text or
        all of them are too long.
        """
        wait_s = self._busy_until - time.monotonic()
        if wait_s > 0:
            raise EmbedderUnavailable(f"{self._url} asked to be left alone for {wait_s:.0f} s", retry_after_s=wait_s)
        body = {
            "model": self._settings.model,
            "input": [encodable(text).replace("\0", " ") for text in texts],  # some servers cut there
            "encoding_format": "float",
        }
        key = key_of(self._settings, os.environ)
        with self._meter.request(body["input"]) as bill, self._translated(bill):
            # not the header of the pool: a key may change, and is in nobody's repr
            headers = {"authorization": f"Bearer {key}"} if key else {}
            answer = self._client.post(f"{self._url}/embeddings", json=body, headers=headers)
            bill.tokens = _used(answer)
        if answer.status_code != 200:
            raise self._from_status(answer, key, quote=quote)
        return self._rows(answer, len(texts))

    def close(self) -> None:
        """Close the pool. Never raises for a second call."""
        self._client.close()

    @contextmanager
    def _translated(self, bill: Bill) -> Iterator[None]:
        loading = "it may be loading the model; a larger timeout helps if it recurs"
        with over_http(self._url, self._connect_s, self._timeout_s, loading):
            try:
                yield
            except httpx.ConnectTimeout:
                bill.tokens = 0
                raise
            except httpx.ConnectError:
                bill.tokens = 0
                raise EmbedderUnavailable(
                    f"no embedder answers at {self._url}", hint="start the server, or see the embedder's url"
                ) from None

    def _from_status(self, answer: httpx.Response, key: str, *, quote: bool) -> EmbedderUnavailable | EmbedderRejected:
        status, (said, code) = answer.status_code, _said(answer)
        if key:
            said = said.replace(key, "…")
        quoted = f": {said[:300]}" if quote and said else ""
        if status in (401, 403):
            return EmbedderRefused(
                f"{self._url} refuses us (status {status}): no key, or not the right one",
                hint="see key_file and key_env of the embedder",
            )
        if code == "insufficient_quota" or status == 402:
            return EmbedderRefused(
                f"{self._url} says that the quota is used up (status {status})", hint="see its account"
            )
        if status in BUSY_STATUS:
            return self._busy(answer)
        if status == 404:
            return EmbedderUnavailable(
                f"{self._url} has no model {self._settings.model!r}, or no /embeddings{quoted}",
                hint=f"its models: curl {self._url}/models; most urls end with /v1",
            )
        if 300 <= status < 400:
            return EmbedderUnavailable(
                f"{self._url} sends us elsewhere (status {status}), where no note is sent",
                hint="see the embedder's url",
            )
        if status == 413 or TOO_LONG.search(said):
            return TooLong(f"{self._url} says that a text is too long for {self._settings.model!r}{quoted}")
        if RUNNER_DIED.search(said):
            return Broke(f"{self._url} broke off while it embedded (status {status})")
        if NOT_A_NUMBER.search(said):
            return Doubtful(f"model {self._settings.model!r} made a value that is not a number{quoted}")
        if status in REFUSED_STATUS:
            return Doubtful(f"{self._url} refused a text with status {status}{quoted}")
        return EmbedderUnavailable(f"{self._url} failed with status {status}{quoted}", hint="the server's log says why")

    def _busy(self, answer: httpx.Response) -> EmbedderUnavailable:
        wait_s = min(_retry_after_s(answer.headers), LONGEST_BUSY_S)
        self._busy_until = time.monotonic() + wait_s
        return EmbedderUnavailable(
            f"{self._url} is busy (status {answer.status_code}), and asked again in {wait_s:.0f} s",
            retry_after_s=wait_s,
        )

    def _rows(self, answer: httpx.Response, count: int) -> list[Any]:
        try:
            data = answer.json()["data"]
            found = [(each["index"], each["embedding"]) for each in data] if data else []
        except (ValueError, TypeError, LookupError, RecursionError):
            raise EmbedderUnavailable(
                f"{self._url} answered with something that is not OpenAI's JSON, or says of no vector whose it is",
                hint="check what listens there; most urls end with /v1",
            ) from None
        if len(found) != count:
            raise Doubtful(f"{self._url} answered with {len(found)} vectors for {count} texts")
        rows = dict(found) if all(type(index) is int for index, _ in found) else {}
        if sorted(rows) != list(range(count)):
            raise EmbedderUnavailable(
                f"{self._url} does not say which vector is of which text: its indexes are none, or there twice",
                hint="an update of the server may help",
            )
        return [_numbers(rows[index]) for index in range(count)]


def _used(answer: httpx.Response) -> int | None:
    """How many tokens an answer was charged with; none for a refusal. None where the server does not say."""
    if answer.status_code != 200:
        return 0
    try:
        used = answer.json()["usage"]["total_tokens"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return used if type(used) is int and 0 < used <= MOST_USED else None


def _numbers(row: Any) -> Any:
    """A row as it came, decoded where it is base64: some servers send nothing else."""
    if not isinstance(row, str):
        return row
    try:
        return np.frombuffer(base64.b64decode(row, validate=True), dtype="<f4")
    except (binascii.Error, ValueError):
        raise EmbedderRejected("the embedder answered with a vector that is neither numbers nor base64") from None


def _said(answer: httpx.Response) -> tuple[str, str]:
    """What a failed request was answered, in words and as a code; every server has a form of its own."""
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return "", ""
    error = found.get("error", found) if isinstance(found, dict) else found
    if not isinstance(error, dict):
        return str(error), ""
    said = error.get("message") or error.get("detail") or error.get("error") or ""
    return str(said), str(error.get("code") or error.get("type") or "")


def _retry_after_s(headers: httpx.Headers) -> float:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
            return float(value) * unit
    try:
        at = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, at.timestamp() - time.time())
    except (ValueError, TypeError):
        return BUSY_S
