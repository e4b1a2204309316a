"""
The words a model was trained to see around a text, by model name.

A model asked without its prompts still answers, and finds less. Prompts are part of a `Space`:
changing a row here makes every vector of that model be computed again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

TEXT = "{text}"


@dataclass(frozen=True, slots=True)
class Prompts:
    """Two templates; each holds `{text}` once."""

    document: str = TEXT
    query: str = TEXT

    # Not str.format: a note may hold braces, and a template never holds anything but `{text}`.
    def document_text(self, text: str) -> str:
        """What to embed for a piece of a note."""
        return self.document.replace(TEXT, text)

    def query_text(self, text: str) -> str:
        """What to embed for a question."""
        return self.query.replace(TEXT, text)

    def changed(self, document: str | None, query: str | None) -> Prompts:
        """Those that are given in place of these."""
        return Prompts(self.document if document is None else document, self.query if query is None else query)

    @property
    def identity(self) -> str:
        """Equal exactly when both templates are equal, on every machine."""
        return json.dumps([self.document, self.query])


NONE = Prompts()
SEARCHING = Prompts(query="Represent this sentence for searching relevant passages: {text}")
WEB_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"

# As published on the models' cards. The first match wins, so a special case stands before its family.
TABLE: tuple[tuple[str, Prompts], ...] = (
    (r"^embeddinggemma", Prompts("title: none | text: {text}", "task: search result | query: {text}")),
    (r"^nomic-embed-text", Prompts("search_document: {text}", "search_query: {text}")),
    (r"^qwen3-embedding", Prompts(query=WEB_SEARCH + TEXT)),
    (r"(^|-)e5-.*instruct", Prompts(query=f"{WEB_SEARCH} {TEXT}")),
    (r"(^|-)e5(-|$)", Prompts("passage: {text}", "query: {text}")),
    (r"^mxbai-embed-", SEARCHING),
    (r"^snowflake-arctic-embed(2|-[ml]-v2)", Prompts(query="query: {text}")),
    (r"^snowflake-arctic-embed", SEARCHING),
    (r"^bge-(small|base|large)-zh", Prompts(query="为这个句子生成表示以用于检索相关文章：{text}")),
    (r"^bge-(small|base|large)", SEARCHING),
)


def prompts_for(model: str) -> Prompts:
    """
    The prompts of `model`, or none when the name is not known.

    Registry, namespace, tag and case do not count: `hf.co/Qwen/Qwen3-Embedding-0.6B-GGUF:Q8_0` is
    a `qwen3-embedding`, and so is `text-embedding-qwen3-embedding-0.6b`, as LM Studio says.
    """
    name = model.rsplit("/", 1)[-1].split(":", 1)[0].lower().removeprefix("text-embedding-")
    return next((prompts for pattern, prompts in TABLE if re.search(pattern, name)), NONE)
