"""Models of Ollama's library that embed; sizes are those of what it downloads."""

from __future__ import annotations

from vragd.embed.known import Model

KNOWN = (
    Model("embeddinggemma", 622, "100 and more", 768, "Gemma", "{type: ollama, model: embeddinggemma}"),
    Model("bge-m3", 1200, "100 and more", 1024, "MIT", "{type: ollama, model: bge-m3}"),
    Model("qwen3-embedding:0.6b", 639, "100 and more", 1024, "Apache-2.0",
          '{type: ollama, model: "qwen3-embedding:0.6b"}'),
    Model("snowflake-arctic-embed2", 1200, "many", 1024, "Apache-2.0",
          "{type: ollama, model: snowflake-arctic-embed2}"),
    Model("nomic-embed-text", 274, "English", 768, "Apache-2.0", "{type: ollama, model: nomic-embed-text}"),
    Model("mxbai-embed-large", 670, "English", 1024, "Apache-2.0", "{type: ollama, model: mxbai-embed-large}"),
)  # fmt: skip
