"""
The settings of embedders, as docs/backends.md says to write them: `EmbedderSettings`, and what prompts are.

Loads no embedder: the configuration is read by commands that never embed.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator

from vragd.embed.prompts import TEXT
from vragd.terms.embedders import TYPES
from vragd.terms.settings import EmbedderSettings as EmbedderSettings  # packages have it from here


def _holds_the_text(value: str | None) -> str | None:
    if value is not None and value.count(TEXT) != 1:
        raise ValueError(f'a prompt holds {TEXT} once, as in "query: {TEXT}"; "{TEXT}" alone is none')
    return value


Prompt = Annotated[str | None, AfterValidator(_holds_the_text)]
"""What is put around a text, which is `{text}`; None leaves it to what is known of the model."""


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
