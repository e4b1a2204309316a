"""The settings of a store of words alone."""

from __future__ import annotations

from typing import ClassVar, Literal

from vragd.embed.settings import EmbedderSettings


class NoEmbedder(EmbedderSettings):
    """No model and no vectors: notes are found by their words."""

    gives_vectors: ClassVar[bool] = False

    type: Literal["none"] = "none"


Settings = NoEmbedder
