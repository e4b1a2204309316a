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
from vragd.cli.sending import say_at_start
from vragd.config.load import Loaded, load
from vragd.daemon.local import Local

SAID = "store notes: 2 texts, about 10 bytes or 2 tokens, to be sent to 0.0.0.0\n"


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
