"""
The types of embedders. Standard library only, so that commands may look here.

A type is a folder: `settings.py` with a class `Settings`, and `embedder.py` with `create(settings)`.
docs/backends.md says how to write one, here or in a package of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vragd.system.packages import Types

if TYPE_CHECKING:
    from vragd.embed.base import Embedder

REGISTRY = {
    "builtin": "vragd.embed.builtin",
    "none": "vragd.embed.none",
    "ollama": "vragd.embed.ollama",
    "onnx": "vragd.embed.onnx",
    "openai": "vragd.embed.openai",
}

DEFAULT = "builtin"
BY_MODEL = "ollama"
"""Who is asked for a model that is named on the command line."""
WORDS_ALONE = "none"
"""What stands for no model at all."""

TYPES = Types("embedder", REGISTRY, "vragd.embedders")


def create_embedder(kind: str, settings: Any) -> Embedder:
    """The embedder of type `kind`. Does not contact a server. Raises ConfigError for an unknown type."""
    embedder: Embedder = TYPES.load(kind, "embedder").create(settings)
    return embedder
