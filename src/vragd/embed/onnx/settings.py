"""The settings of a model in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from vragd.embed.settings import EmbedderSettings, Prompt
from vragd.terms.fields import Integer, PathText
from vragd.terms.settings import Named

NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*$"
MAIN = "main"
"""The revision that a hub gives where nobody says which."""


class OnnxEmbedder(EmbedderSettings):
    """
    A model of sentence-transformers' layout, run in this process by ONNX Runtime: in the folder `path`, or the `model`
    of that name on a hub, which `vragd models download` fetched.
    """

    only_how = frozenset({"local_files_only"})

    type: Literal["onnx"]
    path: PathText | None = None
    model: str | None = Field(default=None, pattern=NAME, max_length=96)
    revision: str = Field(default=MAIN, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/-]*$", max_length=100)
    local_files_only: bool = False
    weights: str | None = Field(default=None, pattern=r"^[^/\\]+(/[^/\\]+)*\.onnx$")
    threads: Integer = Field(default=0, ge=0, le=64)
    dimensions: Integer | None = Field(default=None, ge=8, le=65536)
    document_prompt: Prompt = None
    query_prompt: Prompt = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> OnnxEmbedder:
        if (self.path is None) == (self.model is None):
            raise ValueError("expected path: FOLDER, or model: OWNER/NAME, and not both")
        if self.model is None and (self.revision != MAIN or self.local_files_only):
            raise ValueError("revision and local_files_only are of a model: OWNER/NAME, not of a path")
        if self.model is not None and ("--" in self.model or ".." in self.model or ".." in self.revision):
            raise ValueError("no model and no revision of a hub is called like that: -- and .. are in no name")
        return self

    @property
    def title(self) -> str:
        return f"{self.type}/{Path(self.path or self.model or '').name}"

    @property
    def named(self) -> Named | None:
        if self.model is None:
            return None
        return Named(self.model, self.revision, self.weights, self.local_files_only)


Settings = OnnxEmbedder
