"""
What the settings of every type of embedder say, whatever else they hold.

Loads no embedder: the configuration is read by commands that never embed.
"""

from __future__ import annotations

from typing import Annotated

from vragd.embed.registry import BY_MODEL, DEFAULT, TYPES
from vragd.terms.fields import Settings
from vragd.terms.variants import OneOf


class EmbedderSettings(Settings):
    """The settings of an embedder. A subclass has a field `type: Literal["NAME"]`."""

    type: str

    @property
    def title(self) -> str:
        """The type, and the model where the type has several: as a space's title begins."""
        return self.type

    def leaves_machine(self) -> bool:
        """Whether the text of notes may be sent to another machine."""
        return False

    @property
    def longest_call_s(self) -> float:
        """How long one call may wait for somebody else; 0 if it never does."""
        return 0.0


AnyEmbedder = Annotated[EmbedderSettings, OneOf(TYPES)]


def default_embedder() -> EmbedderSettings:
    """The settings of a store that says nothing of an embedder."""
    settings: EmbedderSettings = TYPES.settings(DEFAULT).model_validate({"type": DEFAULT})
    return settings


def of_model(model: str) -> EmbedderSettings:
    """The settings that the mere name of a model means. Raises pydantic's ValidationError for an empty one."""
    settings: EmbedderSettings = TYPES.settings(BY_MODEL).model_validate({"type": BY_MODEL, "model": model})
    return settings
