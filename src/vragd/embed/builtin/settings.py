"""The settings of the builtin model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vragd.embed.settings import EmbedderSettings
from vragd.terms.fields import Integer


class BuiltinEmbedder(EmbedderSettings):
    """MiniLM inside the package: English, 384 dimensions, no server, no network."""

    type: Literal["builtin"] = "builtin"
    threads: Integer = Field(default=0, ge=0, le=64)

    @property
    def is_english(self) -> bool:
        return True

    @property
    def sets_the_scale(self) -> bool:
        return True


Settings = BuiltinEmbedder
