"""Models whose folders hold weights for ONNX; sizes are those of 32-bit weights."""

from __future__ import annotations

from vragd.embed.known import Model

KNOWN = (
    Model("multilingual-e5-small", 470, "about 100", 384, "MIT",
          "{type: onnx, model: intfloat/multilingual-e5-small}"),
    Model("bge-small-en-v1.5", 133, "English", 384, "MIT", "{type: onnx, model: BAAI/bge-small-en-v1.5}"),
)  # fmt: skip

NAMES = (
    "BAAI/bge-base-en-v1.5", "BAAI/bge-large-en-v1.5", "BAAI/bge-m3", "BAAI/bge-small-en-v1.5",
    "intfloat/multilingual-e5-base", "intfloat/multilingual-e5-large", "intfloat/multilingual-e5-small",
    "mixedbread-ai/mxbai-embed-large-v1", "nomic-ai/nomic-embed-text-v1.5", "sentence-transformers/all-MiniLM-L6-v2",
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "thenlper/gte-base", "thenlper/gte-large",
    "thenlper/gte-small",
)  # fmt: skip
"""Of Hugging Face, as people write them: what a name may mean that is spelled otherwise."""
