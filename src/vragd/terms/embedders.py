"""The types of embedders there are. Standard library only, so that commands may look here."""

from __future__ import annotations

from vragd.system.packages import Types

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
BY_HUB = "onnx"
"""Who runs a model that was fetched by its name on a hub."""
WORDS_ALONE = "none"
"""What stands for no model at all."""

TYPES = Types("embedder", REGISTRY, "vragd.embedders")
