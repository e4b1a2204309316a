"""The settings of a model served by Ollama."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from vragd.embed.settings import EmbedderSettings
from vragd.terms.fields import Integer, Seconds
from vragd.terms.hosts import elsewhere


class OllamaEmbedder(EmbedderSettings):
    """A model served by Ollama."""

    only_how = frozenset({"allow_remote", "batch_size", "timeout_s", "query_timeout_s", "keep_alive"})

    type: Literal["ollama"]
    model: str = Field(min_length=1)
    url: str = "http://127.0.0.1:11434"
    allow_remote: bool = False
    dimensions: Integer | None = Field(default=None, ge=8, le=65536)
    batch_size: Integer = Field(default=16, ge=1, le=512)
    timeout_s: Seconds = 60.0
    query_timeout_s: Seconds = 3.0
    keep_alive: str = "10m"

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not re.match(r"^https?://[^/\s?#]+/?$", value):
            raise ValueError("expected something like http://127.0.0.1:11434")
        return value.rstrip("/")

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


Settings = OllamaEmbedder
