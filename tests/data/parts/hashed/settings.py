"""The settings of the hashed words."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vragd.embed.settings import EmbedderSettings
from vragd.terms.fields import Integer


class HashedEmbedder(EmbedderSettings):
    """Words hashed into a vector: texts are near that share words. No model, no server."""

    type: Literal["hashed"]
    dimension: Integer = Field(default=256, ge=16, le=4096)


Settings = HashedEmbedder
