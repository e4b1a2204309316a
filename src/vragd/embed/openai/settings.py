"""The settings of a model behind an OpenAI-compatible server."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from vragd.embed.settings import EmbedderSettings, Prompt
from vragd.terms.fields import Integer, PathText, Seconds
from vragd.terms.hosts import elsewhere, stays_private


class OpenAIEmbedder(EmbedderSettings):
    """
    A model behind an OpenAI-compatible server: llama.cpp, LM Studio, vLLM, text-embeddings-inference, OpenAI.

    Where both are set, `key_file` is read, and `key_env` is not.
    """

    type: Literal["openai"]
    url: str
    model: str = Field(min_length=1)
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

    @property
    def title(self) -> str:
        return f"{self.type}/{self.model}"

    def leaves_machine(self) -> bool:
        return self.allow_remote  # a url elsewhere is refused without it

    @property
    def sends_to(self) -> str:
        return elsewhere(self.url) if self.allow_remote else ""

    @property
    def longest_call_s(self) -> float:
        return self.timeout_s


Settings = OpenAIEmbedder
