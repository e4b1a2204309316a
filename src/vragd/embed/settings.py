"""
What the settings of every type of embedder say, whatever else they hold.

Loads no embedder: the configuration is read by commands that never embed.
"""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from vragd.embed.prompts import TEXT
from vragd.embed.registry import TYPES
from vragd.terms.fields import Settings


def _holds_the_text(value: str | None) -> str | None:
    if value is not None and value.count(TEXT) != 1:
        raise ValueError(f'a prompt holds {TEXT} once, as in "query: {TEXT}"; "{TEXT}" alone is none')
    return value


Prompt = Annotated[str | None, AfterValidator(_holds_the_text)]
"""What is put around a text, which is `{text}`; None leaves it to what is known of the model."""


class EmbedderSettings(Settings):
    """The settings of an embedder. A subclass has a field `type: Literal["NAME"]`."""

    gives_vectors: ClassVar[bool] = True
    """Whether texts become vectors at all; in a store whose embedder gives none, words alone are searched."""

    type: str

    @property
    def title(self) -> str:
        """The type, and the model where the type has several: as a space's title begins."""
        return self.type

    def leaves_machine(self) -> bool:
        """Whether the text of notes may be sent to another machine."""
        return False

    @property
    def sends_to(self) -> str:
        """The host that the text of notes goes to, for people; "" where it stays on this machine."""
        return "another machine" if self.leaves_machine() else ""

    @property
    def is_english(self) -> bool:
        """Whether its model is known to do badly with notes in other languages."""
        return False

    @property
    def sets_the_scale(self) -> bool:
        """Whether the weights of ranking were measured with its vectors: what the cosines of others are moved to."""
        return False

    @property
    def longest_call_s(self) -> float:
        """How long one call may wait for somebody else; 0 if it never does."""
        return 0.0


def of_record(record: str) -> EmbedderSettings:
    """
    The settings that some version of vragd kept as JSON.

    Raises ConfigError for a type there is not any longer, ValueError for settings that it does not have.
    """
    document = json.loads(record)
    kind = document.get("type") if isinstance(document, dict) else None
    if not isinstance(kind, str):
        raise ValueError("an embedder's settings say their type")  # noqa: TRY004  of JSON, not of an argument
    settings = TYPES.settings(kind).model_validate_json(record)
    if not isinstance(settings, EmbedderSettings):
        raise ValueError(f"settings of embedder type {kind!r} are no EmbedderSettings")  # noqa: TRY004
    return settings
