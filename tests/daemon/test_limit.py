"""A real daemon whose embedder has a limit of tokens a month: what is above it waits, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai import FakeOpenAI, tokens_of
from tests.harness import until, vragd

pytestmark = pytest.mark.slow  # it fills a month

LIMIT, N_NOTES = 50_000, 60


def text_of(n: int) -> str:
    """About 1,500 tokens in several passages, with a word of its own."""
    return "\n\n".join(
        f"Paragraph {part} on beast{n} and {part * n} more. " + "It sleeps a lot. " * 60 for part in range(6)
    )


def test_what_is_above_the_limit_waits_is_found_by_words_and_is_embedded_when_it_is_raised(tmp_path: Path) -> None:
    with FakeOpenAI() as server, vragd(tmp_path / "home") as daemon:
        embedder: dict[str, Any] = {"type": "openai", "model": "fake-embed", "url": server.base}

        def configure(limit: int | None) -> None:
            stores = {
                "notes": {"sources": [{"path": str(daemon.vault)}], "embedder": embedder | {"monthly_tokens": limit}}
            }
            daemon.configure(stores=stores)

        configure(LIMIT)
        (daemon.vault / "first.md").write_text("a pangolin sleeps\n")
        daemon.start()
        for n in range(N_NOTES):
            (daemon.vault / f"{n}.md").write_text(text_of(n))
        until(lambda: "embedder_limit" in daemon.status()["degraded"], "the limit", 60)
        assert daemon.run("sync", "--wait").returncode == 4, "no waiting mends that"

        def waiting() -> dict[str, dict[str, Any]]:
            return daemon.files("pending")

        until(lambda: daemon.store["notes"] == N_NOTES + 1, "all to be found by words", 60)
        assert sum(map(tokens_of, server.embedded_texts)) <= LIMIT
        store = daemon.store
        assert (store["sent"]["most_tokens"], store["sent"]["tokens"] <= LIMIT) == (LIMIT, True)
        assert 0 < len(waiting()) < N_NOTES
        path, row = next(iter(waiting().items()))
        assert row["reason"] == f"by_words: {store['trouble']['message']}"
        said = daemon.run("status").stdout
        assert "limit of 50,000 tokens a month is reached" in said
        assert "monthly_tokens" in said
        assert "of 50,000 at most" in said
        assert daemon.paths(f"beast{path.removesuffix('.md')}", top_k=1) == [path]
        assert daemon.paths("pangolin", mode="vector", top_k=1) == ["first.md"], "questions go on"

        daemon.stop()
        n_asked = len(server.embedded_texts)
        daemon.start(idle=False)
        until(lambda: "embedder_limit" in daemon.status()["degraded"], "the limit of before", 60)
        assert sum("Paragraph" in text for text in server.embedded_texts[n_asked:]) == 0
        assert daemon.paths("beast1", top_k=1) == ["1.md"]

        configure(2_000_000)
        reloaded = daemon.run("reload")
        assert (reloaded.returncode, "to be sent" in reloaded.stderr) == (0, False), reloaded.stderr
        until(lambda: not daemon.status()["degraded"] and not daemon.status()["pending"], "all to be embedded", 120)
        assert waiting() == {}
        notes = [text for text in server.embedded_texts if "Paragraph" in text]
        assert len(notes) == len(set(notes)), "nothing is paid for twice"
        assert daemon.problems() == []
