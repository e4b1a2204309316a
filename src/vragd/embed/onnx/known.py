"""Models whose folders hold weights for ONNX; sizes are those of 32-bit weights."""

from __future__ import annotations

from vragd.embed.known import Model

KNOWN = (
    Model("multilingual-e5-small", 470, "about 100", 384, "MIT",
          "{type: onnx, path: ~/models/multilingual-e5-small}"),
    Model("bge-small-en-v1.5", 133, "English", 384, "MIT", "{type: onnx, path: ~/models/bge-small-en-v1.5}"),
)  # fmt: skip
