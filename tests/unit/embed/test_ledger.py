"""What a model is sent is counted durably, and is never more than its limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.clock import FakeClock
from tests.fakes.openai import FakeOpenAI, tokens_of
from vragd.embed.ledger import FILE, MONTHS, Ledger, Unreadable, about_tokens, most_tokens, sent_of
from vragd.embed.openai.embedder import OpenAI, create
from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.embed.registry import create_embedder
from vragd.errors import EmbedderLimit, EmbedderRefused, EmbedderUnavailable

LIMIT = 50_000
NOVEMBER = 1_796_064_000.0  # 2026-11-30 18:40 UTC
A_DAY_S = 86_400.0

Limited = Callable[..., OpenAI]


@pytest.fixture
def limited(server: FakeOpenAI, tmp_path: Path) -> Iterator[Limited]:
    """Makes embedders that count in one place, with a limit unless another is said."""
    with ExitStack() as opened:

        def make(clock: FakeClock | None = None, **more: Any) -> OpenAI:
            asked = settings(server, **{"monthly_tokens": LIMIT} | more)
            made = create(asked, tmp_path, clock or FakeClock(wall=NOVEMBER))
            assert isinstance(made, OpenAI)
            return opened.enter_context(closing(made))

        yield make


def settings(server: FakeOpenAI, **more: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder(type="openai", model="fake-embed", url=server.base, **more)


def spent(server: FakeOpenAI) -> int:
    """What the server made out of all it was sent."""
    return sum(map(tokens_of, server.embedded_texts))


TEXTS = [f"{n} " + "a passage of a note " * 100 for n in range(8)]  # 2,000 bytes each


def fill(embedder: OpenAI) -> int:
    """Send notes until no more may be sent; how many batches were."""
    for n in range(1_000):
        try:
            embedder.embed_documents([f"{n} {text}" for text in TEXTS])
        except EmbedderLimit:
            return n
    raise AssertionError("nothing stopped it")


def test_what_the_server_was_sent_is_what_was_counted(server: FakeOpenAI, tmp_path: Path, limited: Limited) -> None:
    embedder = limited()
    embedder.embed_documents(TEXTS)
    embedder.embed_query("a question")
    told = sent_of(settings(server, monthly_tokens=LIMIT), tmp_path, FakeClock(wall=NOVEMBER))
    assert told == ("2026-11", spent(server), LIMIT, None)


def test_no_more_is_sent_than_the_limit_and_nothing_is_sent_to_find_out(server: FakeOpenAI, limited: Limited) -> None:
    embedder = limited()
    assert fill(embedder) > 1
    so_far = spent(server)
    assert LIMIT * 0.4 < so_far <= LIMIT
    n_requests = len(server.headers)
    for _ in range(3):
        with pytest.raises(EmbedderLimit, match=r"50,000 tokens a month is reached.*in 2026-11") as caught:
            embedder.embed_documents(["little"])
        assert "monthly_tokens" in caught.value.hint
        assert "2026-12-01" in caught.value.hint
    assert len(server.headers) == n_requests


def test_questions_go_on_and_end_at_the_limit_too(server: FakeOpenAI, limited: Limited) -> None:
    embedder = limited()
    fill(embedder)
    assert embedder.embed_query("a question").shape == (server.dimension,)
    with pytest.raises(EmbedderLimit):
        for n in range(1_000):
            embedder.embed_query(f"{n} " + "a long question " * 100)
    assert spent(server) <= LIMIT


def test_the_count_goes_on_after_a_restart_and_the_month_begins_anew(server: FakeOpenAI, limited: Limited) -> None:
    clock = FakeClock(wall=NOVEMBER)
    fill(limited(clock))
    again = limited(clock)
    assert fill(again) == 0
    clock.pass_(A_DAY_S)
    assert again.embed_documents(TEXTS).shape == (len(TEXTS), server.dimension)
    assert again.space("c").dimension == server.dimension


def test_a_clock_that_lost_its_time_counts_all_the_same(server: FakeOpenAI, tmp_path: Path, limited: Limited) -> None:
    for n in range(MONTHS):
        Ledger(tmp_path, FakeClock(wall=NOVEMBER - n * 31 * A_DAY_S)).add("another", 1)
    fill(limited(FakeClock(wall=0.0)))
    assert spent(server) <= LIMIT


def test_a_raised_limit_is_another_embedder_of_the_same_space(server: FakeOpenAI, limited: Limited) -> None:
    before = limited()
    space = before.space("c")
    fill(before)
    raised = limited(monthly_tokens=2 * LIMIT)
    raised.embed_documents(TEXTS)
    assert raised.space("c").is_like(space)


def test_a_limit_in_money_is_counted_by_the_price(server: FakeOpenAI) -> None:
    asked = settings(server, monthly_cost=0.001, price_per_million=0.02, monthly_tokens=60_000)
    assert (asked.most_tokens, asked.limit_key) == (LIMIT, "monthly_cost")
    for wrong, why in (
        ({"monthly_cost": 1.0}, "price_per_million"),
        ({"monthly_cost": 0.0001, "price_per_million": 0.02}, "buys 5,000 tokens"),
        ({"monthly_tokens": 10}, "50000"),
        ({"price_per_million": 0}, "greater than 0"),
    ):
        with pytest.raises(ValidationError, match=why):
            settings(server, **wrong)


@pytest.mark.parametrize("fault", ["down", "busy", "key"])
def test_what_was_refused_or_reached_nobody_is_not_counted(
    server: FakeOpenAI, tmp_path: Path, limited: Limited, fault: str
) -> None:
    embedder = limited()
    embedder.space("c")
    before = spent(server)
    if fault == "down":
        server.stop()
    elif fault == "busy":
        server.extra_headers = {"retry-after": "30"}
        server.fail_next(1, 429, "busy")
    else:
        server.key = "another"
    with pytest.raises(EmbedderUnavailable):
        embedder.embed_documents(TEXTS)
    assert Ledger(tmp_path, FakeClock(wall=NOVEMBER)).sent(settings(server, monthly_tokens=LIMIT).account) == before


def test_counts_that_cannot_be_read_stop_a_limited_embedder_alone(
    server: FakeOpenAI, tmp_path: Path, limited: Limited
) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(EmbedderRefused, match="cannot be read") as caught:
        limited().embed_query("a question")
    assert "remove it" in caught.value.hint
    unlimited = limited(monthly_tokens=None, price_per_million=0.02)
    assert unlimited.embed_query("a question").shape == (server.dimension,)
    assert (tmp_path / FILE).read_text() == "{"
    with pytest.raises(Unreadable):
        Ledger(tmp_path).sent("x")


def test_without_a_place_to_count_nothing_is_sent(server: FakeOpenAI) -> None:
    embedder = create_embedder("openai", settings(server, monthly_tokens=LIMIT))
    with closing(embedder), pytest.raises(EmbedderRefused, match="cannot be counted"):
        embedder.embed_query("a question")
    assert not server.headers


def test_who_is_on_this_machine_and_has_no_limit_is_not_counted(server: FakeOpenAI, tmp_path: Path) -> None:
    with closing(create_embedder("openai", settings(server), tmp_path)) as embedder:
        embedder.embed_query("a question")
    assert list(tmp_path.iterdir()) == []


def test_several_count_at_once_and_lose_nothing(tmp_path: Path) -> None:
    clock = FakeClock(wall=NOVEMBER)

    def count() -> None:
        for _ in range(20):
            Ledger(tmp_path, clock).add("a", 3)
            Ledger(tmp_path, clock).add("b", 1, most=30)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Ledger(tmp_path, clock).sent("a"), Ledger(tmp_path, clock).sent("b")) == (240, 30)


@pytest.mark.parametrize("text", ["", "plain English words", "Über die Brücke", "书" * 50, "🦊🦊", "1.2.3-x\n\n"])
def test_what_is_put_down_first_is_never_less_than_what_is_counted_in_the_end(text: str) -> None:
    assert 0 < about_tokens([text]) <= most_tokens([text])
