"""The prompts of the models people use, and what makes two sets of prompts the same."""

from __future__ import annotations

import re

import pytest

from vragd.embed.prompts import NONE, TABLE, TEXT, Prompts, prompts_for

INSTRUCTION = "Represent this sentence for searching relevant passages: Q"
WEB = "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"

KNOWN = [
    ("embeddinggemma", "title: none | text: D", "task: search result | query: Q"),
    ("embeddinggemma:300m-qat-q8_0", "title: none | text: D", "task: search result | query: Q"),
    ("nomic-embed-text", "search_document: D", "search_query: Q"),
    ("hf.co/nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0", "search_document: D", "search_query: Q"),
    ("nomic-embed-text-v2-moe:latest", "search_document: D", "search_query: Q"),
    ("jeffh/intfloat-multilingual-e5-large:f16", "passage: D", "query: Q"),
    ("e5-small-v2", "passage: D", "query: Q"),
    ("jeffh/intfloat-multilingual-e5-large-instruct:f16", "D", f"{WEB}Query: Q"),
    ("qwen3-embedding:0.6b", "D", f"{WEB}Query:Q"),
    ("dengcao/Qwen3-Embedding-4B:Q4_K_M", "D", f"{WEB}Query:Q"),
    ("mxbai-embed-large", "D", INSTRUCTION),
    ("snowflake-arctic-embed:335m", "D", INSTRUCTION),
    ("snowflake-arctic-embed2:568m", "D", "query: Q"),
    ("hf.co/Casual-Autopsy/snowflake-arctic-embed-l-v2.0-gguf", "D", "query: Q"),
    ("bge-large", "D", INSTRUCTION),
    ("hf.co/CompendiumLabs/bge-small-en-v1.5-gguf", "D", INSTRUCTION),
    ("bge-large-zh-v1.5", "D", "为这个句子生成表示以用于检索相关文章：Q"),
    ("bge-m3", "D", "Q"),
    ("all-minilm:33m", "D", "Q"),
    ("granite-embedding:278m", "D", "Q"),
    ("nobody/has-heard-of-it", "D", "Q"),
]


@pytest.mark.parametrize(("model", "document", "query"), KNOWN, ids=[row[0] for row in KNOWN])
def test_a_model_is_asked_as_its_card_says(model: str, document: str, query: str) -> None:
    prompts = prompts_for(model)
    assert (prompts.document_text("D"), prompts.query_text("Q")) == (document, query)


def test_a_namespace_is_not_taken_for_a_model() -> None:
    assert prompts_for("nomic-embed-text/other") == NONE
    assert prompts_for("other:nomic-embed-text") == NONE


@pytest.mark.parametrize("pattern", [row[0] for row in TABLE])
def test_every_row_is_reached(pattern: str) -> None:
    reached = [next((p for p, _ in TABLE if re.search(p, _name(model))), None) for model, _, _ in KNOWN]
    assert pattern in reached


def test_every_template_holds_the_text_once() -> None:
    for _, prompts in TABLE:
        assert prompts.document.count(TEXT) == prompts.query.count(TEXT) == 1


def test_braces_in_a_text_stay_as_they_are() -> None:
    prompts = prompts_for("embeddinggemma")
    assert prompts.document_text("{text} {0} {") == "title: none | text: {text} {0} {"


def test_identity_tells_prompts_apart_and_only_those() -> None:
    assert prompts_for("bge-large").identity == prompts_for("mxbai-embed-large:335m").identity
    assert Prompts("a{text}", "{text}").identity != Prompts("{text}", "a{text}").identity


def test_identity_is_the_same_in_every_release() -> None:
    # A change here makes every user embed every note again.
    assert prompts_for("nomic-embed-text").identity == '["search_document: {text}", "search_query: {text}"]'


def _name(model: str) -> str:
    return model.rsplit("/", 1)[-1].split(":", 1)[0].lower()
