"""How relevant passages are to a question, by a re-ranking endpoint. No message says what a passage says."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Literal

import httpx

from vragd.embed.remote import Silent, asks_proxy, by_environment, encodable, over_http, verifies
from vragd.errors import EmbedderRefused, EmbedderUnavailable
from vragd.system.secrets import Unfit, can_be_sent, secret_in

Speaks = Literal["documents", "texts"]

MOST_CHARS = 4_000
"""Of a passage: what is longer is cut by such models anyhow, and some refuse it."""
MOST = 1e30
"""No model says more, and of larger ones differences are none any more."""
MOST_BYTES = 4 << 20
"""Of an answer: some repeat every passage in it."""


class Reranker:
    """
    A connection pool to one endpoint. Any thread; contacts nobody before it is asked. Raises as `by_environment`.

    `speaks`, `key_file` and `timeout_s` are as the configuration has them for `rerank`; `model` may be empty.
    `is_local`: it is on this machine.
    """

    def __init__(
        self, url: str, speaks: Speaks, model: str, key_file: str | None, timeout_s: float, *, is_local: bool
    ) -> None:
        self._url, self._speaks, self._model, self._key_file, self._timeout_s = url, speaks, model, key_file, timeout_s
        with by_environment():
            self._client = httpx.Client(
                timeout=timeout_s,
                trust_env=asks_proxy(url),
                follow_redirects=False,  # whoever listens must not send passages, or the key, on to another host
                verify=verifies(url, is_local=is_local),
            )

    def relevance(self, question: str, passages: Sequence[str]) -> list[float]:
        """
        A number for each passage, higher for one that answers the question better; its scale is the model's.

        Raises EmbedderUnavailable. Blocks for `timeout_s`, and for no more than as long again where an answer's body
        comes in drops.
        """
        url, texts = self._url, [encodable(text[:MOST_CHARS]) for text in passages]
        body: dict[str, Any] = {"query": encodable(question), self._speaks: texts}
        if self._model:
            body["model"] = self._model
        if self._speaks == "texts":
            body["truncate"] = True
        key = self._key()
        answer = self._answer(body, {"authorization": f"Bearer {key}"} if key else {})
        try:
            return _numbers(json.loads(answer), len(texts))
        except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
            raise EmbedderUnavailable(
                f"the re-ranker at {url} answered with something that is no number for each passage",
                hint="see rerank.url, and rerank.speaks: documents or texts",
            ) from None

    def _answer(self, body: dict[str, Any], headers: dict[str, str]) -> bytes:
        """What is answered: httpx bounds neither its size nor the time of all of it."""
        url, timeout_s, loading = self._url, self._timeout_s, "a larger rerank.timeout_s helps"
        ends, found = time.monotonic() + timeout_s, bytearray()
        with (
            over_http(url, timeout_s, timeout_s, loading),
            self._client.stream("POST", url, json=body, headers=headers) as answer,
        ):
            if answer.status_code != 200:
                raise EmbedderUnavailable(f"the re-ranker at {url} failed with status {answer.status_code}")
            for piece in answer.iter_bytes():
                found += piece
                if len(found) > MOST_BYTES:
                    raise EmbedderUnavailable(f"the re-ranker at {url} answered with more than {MOST_BYTES >> 20} MiB")
                if time.monotonic() > ends:
                    raise Silent(f"{url} did not answer within {timeout_s:g} s", hint=loading)
        return bytes(found)

    def close(self) -> None:
        """Close the pool. Never raises for a second call."""
        self._client.close()

    def _key(self) -> str:
        if self._key_file is None:
            return ""
        try:
            key = secret_in(self._key_file)
        except Unfit as error:
            raise EmbedderRefused(f"rerank.key_file {error}", hint=error.hint) from None
        if not key or not can_be_sent(key):
            raise EmbedderRefused(f"there is no key in {self._key_file}, which rerank.key_file names")
        return key


def _numbers(document: Any, count: int) -> list[float]:
    """By passage. Raises ValueError, TypeError or LookupError for what is not one finite number for each."""
    rows = document["results"] if isinstance(document, dict) else document
    found = {row["index"]: float(row["relevance_score"] if "relevance_score" in row else row["score"]) for row in rows}
    if (
        len(rows) != count
        or sorted(found) != list(range(count))
        or not all(abs(number) < MOST for number in found.values())
    ):
        raise ValueError
    return [found[index] for index in range(count)]
