"""What a daemon that is to be started will send to another machine is said before it is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.openai import FakeOpenAI
from vragd.cli.reasons import on_sending, on_sent
from vragd.cli.sending import say_at_start
from vragd.config.load import Loaded, load
from vragd.daemon.local import Local

SAID = (
    "store notes: 2 texts, about 10 bytes or 2 tokens, to be sent to 0.0.0.0;"
    " without a limit: monthly_tokens sets one\n"
)


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Loaded]:
    vault = tmp_path / "Vault"
    vault.mkdir()
    for name in ("a", "b"):
        (vault / f"{name}.md").write_text(f"note{name}")

    def made(url: str, model: str = "fake-embed", **more: Any) -> Loaded:
        embedder = {"type": "openai", "model": model, "url": url, "allow_remote": True}
        store = {"sources": [{"path": str(vault)}], "embedder": embedder, "backend": {"type": "memory"}}
        file = tmp_path / "c.yaml"
        file.write_text(yaml.safe_dump({"stores": {"notes": store, **more}}))
        return load(file, data_dir=str(tmp_path / "data"), socket=str(tmp_path / "s"), required=True)

    return made


@pytest.mark.slow
def test_it_is_said_until_that_model_has_embedded_them(
    configured: Callable[..., Loaded], capsys: pytest.CaptureFixture[str]
) -> None:
    def said(loaded: Loaded) -> str:
        say_at_start(loaded)
        return capsys.readouterr().err

    with FakeOpenAI() as server:
        # an address of no machine, which the system connects to itself: not spelt as one that stays here
        url = server.base.replace("127.0.0.1", "0.0.0.0")
        loaded = configured(url)
        assert said(loaded) == SAID
        local = Local(loaded)
        try:
            answer = local.request("POST", "/v1/sync", {})
            until = time.monotonic() + 30
            while not answer["done"]:
                assert time.monotonic() < until
                answer = local.request("POST", "/v1/sync", {"tickets": answer["tickets"], "wait_s": 5})
        finally:
            local.close()
        assert said(loaded) == ""
        assert said(configured(url, "fake-embed:latest")) == SAID
        (catalog,) = (loaded.data_dir / "stores").glob("*/catalog.db")
        catalog.write_bytes(b"no database " * 500)
        assert said(loaded) == SAID, "a new one is begun in its place"


def test_nothing_is_said_of_what_stays_here(
    configured: Callable[..., Loaded], capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = configured("http://127.0.0.1:1")
    (loaded.data_dir / "stores/made").mkdir(parents=True)
    (loaded.data_dir / "stores/made/store.json").write_text("{")
    say_at_start(loaded)
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_counted_holds_up_no_start(
    configured: Callable[..., Loaded], capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = configured("http://0.0.0.0:1")
    (loaded.data_dir / "stores/made").mkdir(parents=True)
    hangs = loaded.data_dir / "stores/made/store.json"
    os.mkfifo(hangs)
    say_at_start(loaded, 0.1)
    assert capsys.readouterr().err.startswith("what is sent elsewhere could not be counted")
    os.close(os.open(hangs, os.O_WRONLY | os.O_NONBLOCK))  # who reads it goes on


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"limit_key": "monthly_tokens"}, "x; without a limit: monthly_tokens sets one"),
        ({"limit_key": ""}, "x"),
        ({"cost": 0.0042, "most_tokens": 90_000}, "x, for about 0.0042; the limit is 90,000 tokens a month"),
        (
            {"cost": 1234.5, "most_tokens": 50_000},
            "x, for about 1,234.50; the limit is 50,000 tokens a month: what is above it waits, found by its words",
        ),
    ],
)
def test_what_is_sent_is_said_with_what_it_costs_and_what_is_the_most(more: dict[str, Any], said: str) -> None:
    amount = "2 texts, about 240,000 bytes or 60,000 tokens, to be sent to x"
    told = on_sending({"host": "x", "texts": 2, "n_bytes": 240_000, "tokens": 60_000, **more})
    assert told == amount.removesuffix("x") + said


def test_what_was_sent_is_said_with_its_month_and_the_most() -> None:
    sent = {"month": "2026-11", "tokens": 1_234, "cost": None, "most_tokens": None}
    assert on_sent(sent) == "1,234 tokens in 2026-11"
    assert on_sent(sent | {"cost": 0.5, "most_tokens": 50_000}) == (
        "1,234 tokens in 2026-11, about 0.50, of 50,000 at most"
    )
