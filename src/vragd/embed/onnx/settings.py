"""The settings of a model in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from vragd.embed.settings import EmbedderSettings, Prompt
from vragd.terms.fields import Integer, PathText


class OnnxEmbedder(EmbedderSettings):
    """A model in a folder of sentence-transformers' layout, run in this process by ONNX Runtime."""

    type: Literal["onnx"]
    path: PathText
    weights: str | None = Field(default=None, pattern=r"^[^/\\]+(/[^/\\]+)*\.onnx$")
    threads: Integer = Field(default=0, ge=0, le=64)
    dimensions: Integer | None = Field(default=None, ge=8, le=65536)
    document_prompt: Prompt = None
    query_prompt: Prompt = None

    @property
    def title(self) -> str:
        return f"{self.type}/{Path(self.path).name}"


Settings = OnnxEmbedder
