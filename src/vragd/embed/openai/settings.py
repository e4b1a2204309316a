"""The settings of a model behind an OpenAI-compatible server."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from vragd.embed.settings import EmbedderSettings, Prompt
from vragd.terms.fields import Integer, PathText, Seconds
from vragd.terms.hosts import elsewhere, stays_private

LEAST_TOKENS = 50_000
"""The smallest limit: a request for notes may take half of that."""
Money = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class OpenAIEmbedder(EmbedderSettings):
    """
    A model behind an OpenAI-compatible server: llama.cpp, LM Studio, vLLM, text-embeddings-inference, OpenAI.

    Where both are set, `key_file` is read, and `key_env` is not.
    """

    only_how = frozenset(
        {"allow_remote", "key_env", "key_file", "batch_size", "batch_chars", "timeout_s", "query_timeout_s",
         "monthly_tokens", "monthly_cost", "price_per_million"}
    )  # fmt: skip

    type: Literal["openai"]
    url: str
    model: str = Field(min_length=1)
    query_model: str | None = Field(default=None, min_length=1)
    allow_remote: bool = False
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    key_file: PathText | None = None
    dimensions: Integer | None = Field(default=None, ge=8, le=65536)
    document_prompt: Prompt = None
    query_prompt: Prompt = None
    batch_size: Integer = Field(default=16, ge=1, le=2048)
    batch_chars: Integer = Field(default=100_000, ge=1_000, le=1_000_000)
    timeout_s: Seconds = 60.0
    query_timeout_s: Seconds = 3.0
    monthly_tokens: Integer | None = Field(default=None, ge=LEAST_TOKENS, le=10**15)
    monthly_cost: Money | None = None
    price_per_million: Money | None = None

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not re.match(r"^https?://[^/\s?#]+(/[^\s?#]*)?$", value):
            raise ValueError("expected something like http://127.0.0.1:8080/v1")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _key_is_kept(self) -> OpenAIEmbedder:
        if (self.key_env or self.key_file) and not stays_private(self.url):
            raise ValueError("a key would be sent so that others can read it: the url must begin with https")
        return self

    @model_validator(mode="after")
    def _limit_is_one(self) -> OpenAIEmbedder:
        if self.monthly_cost is not None:
            if self.price_per_million is None:
                raise ValueError("monthly_cost is counted by price_per_million: say what a million tokens cost")
            if (most := self._affordable(self.monthly_cost, self.price_per_million)) < LEAST_TOKENS:
                raise ValueError(f"monthly_cost buys {most:,} tokens: expected {LEAST_TOKENS:,} and more")
        return self

    @staticmethod
    def _affordable(cost: float, price: float) -> int:
        return int(cost / price * 1e6)

    @property
    def title(self) -> str:
        return f"{self.type}/{self.model}"

    @property
    def account(self) -> str:
        is_counted = self.sends_to or self.most_tokens is not None or self.price_per_million is not None
        return f"{self.url} {self.model}" if is_counted else ""

    @property
    def most_tokens(self) -> int | None:
        limits = [] if self.monthly_tokens is None else [self.monthly_tokens]
        if self.monthly_cost is not None and self.price_per_million is not None:
            limits.append(self._affordable(self.monthly_cost, self.price_per_million))
        return min(limits, default=None)

    @property
    def limit_key(self) -> str:
        return "monthly_tokens" if self.most_tokens == self.monthly_tokens else "monthly_cost"

    @property
    def price(self) -> float | None:
        return self.price_per_million

    def leaves_machine(self) -> bool:
        return self.allow_remote  # a url elsewhere is refused without it

    @property
    def sends_to(self) -> str:
        return elsewhere(self.url) if self.allow_remote else ""

    @property
    def longest_call_s(self) -> float:
        return self.timeout_s


Settings = OpenAIEmbedder
