"""
An OpenAI-compatible server on 127.0.0.1 that enforces OpenAI's limits, with the knobs of `FakeOllama` and its own.

Its base url is `fake.base`. What of `FakeOllama` is of Ollama alone (its models' digests, loading) does not show.
"""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.fakes.ollama import Answer, FakeOllama
from tests.fakes.ollama_rules import texts_of

MOST_TEXTS, MOST_TOKENS, MOST_TOKENS_A_REQUEST = 2048, 8192, 300_000


def tokens_of(text: str) -> int:
    """About as many as a tokenizer makes."""
    return len(text.encode()) // 4 + 1


@dataclass
class FakeOpenAI(FakeOllama):
    """`digest` is that of the weights, which nobody is told."""

    embed_path: ClassVar[str] = "/v1/embeddings"
    vectors_key: ClassVar[str] = "data"
    routes: ClassVar[Mapping[str, tuple[str, ...]]] = {"/v1/embeddings": ("POST",), "/v1/models": ("GET",)}

    key: str = ""
    """Whoever asks must have it."""
    most_texts: int = MOST_TEXTS
    noise: float = 0.0
    """Added to every number of a vector, another each time."""
    as_base64: bool = False
    """As servers that take no `encoding_format` seriously."""
    shuffled: str = ""
    """Vectors come in another order: `true` to their indexes, or `false`."""
    index: str = ""
    """Indexes are `doubled`, `missing` or `text`."""
    too_long: tuple[int, str] = (400, "This model's maximum context length is 8192 tokens, however you requested more")
    """How it is said, where `context_chars` is exceeded."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._random = random.Random(7)

    @property
    def base(self) -> str:
        return f"{self.url}/v1"

    def answered(self, path: str, body: Mapping[str, Any]) -> Answer:
        if path == "/v1/models":
            return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in sorted(self.models)]}
        if path != self.embed_path:
            return 404, b"404 page not found"
        if self.key and self.headers[-1].get("authorization") != f"Bearer {self.key}":
            said = self.headers[-1].get("authorization", "")
            return _error(401, f"Incorrect API key provided: {said}", "invalid_api_key")
        return self._refusal(body) or self._made(body)

    def _refusal(self, body: Mapping[str, Any]) -> Answer | None:
        texts = texts_of(body)
        if not {str(body.get("model")), f"{body.get('model')}:latest"} & self.models:
            return _error(404, f"The model `{body.get('model')}` does not exist", "model_not_found")
        if body.get("encoding_format", "float") not in ("float", "base64"):
            return _error(400, "Invalid value for 'encoding_format'", "invalid_value")
        if not texts or not all(isinstance(text, str) and text for text in texts):
            return _error(400, "'$.input' is invalid. Please check the API reference", "")
        if len(texts) > self.most_texts:
            return _error(400, f"'$.input' is invalid: {len(texts)} items, maximum array length exceeded; too many", "")
        limit = self.context_chars
        if any(tokens_of(t) > MOST_TOKENS or (limit is not None and len(t) > limit) for t in texts):
            return _error(*self.too_long, "")
        if sum(map(tokens_of, texts)) > MOST_TOKENS_A_REQUEST:
            return _error(400, f"Requested too much, max {MOST_TOKENS_A_REQUEST} tokens per request", "max_tokens")
        if self.poison and any(self.poison in text for text in texts):
            return _error(500, "input could not be embedded: NaN", "")
        return None

    def _made(self, body: Mapping[str, Any]) -> Answer:
        texts = texts_of(body)
        vectors = self.spoilt([self._noisy(self.vector(text)) for text in texts])
        self.embedded_texts.extend(texts)
        rows = [{"object": "embedding", "index": n, "embedding": self._packed(row)} for n, row in enumerate(vectors)]
        if self.shuffled:
            rows = rows[1:] + rows[:1]
        if self.shuffled == "false":
            rows = [{**row, "index": n} for n, row in enumerate(rows)]
        for n, row in enumerate(rows):
            if self.index == "doubled":
                row["index"] = max(0, n - 1)
            elif self.index == "text":
                row["index"] = str(n)
            elif self.index == "missing":
                del row["index"]
        usage = {"prompt_tokens": sum(map(tokens_of, texts)), "total_tokens": sum(map(tokens_of, texts))}
        return 200, {"object": "list", "data": rows, "model": "whatever", "usage": usage}

    def _noisy(self, row: list[float]) -> list[float]:
        return [value + self.noise * self._random.uniform(-1, 1) for value in row] if self.noise else row

    def _packed(self, row: Sequence[float] | None) -> object:
        if not self.as_base64 or row is None:
            return row
        return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode()


def _error(status: int, message: str, code: str) -> Answer:
    return status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code or None}}
