"""Where nothing may leave the machine, nothing does: whatever the environment, a server or a url would have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.answering import Answering
from tests.fakes.openai import FakeOpenAI
from tests.harness import until, vragd

SECRET = "pangolin"


class Recorder(Answering):
    """A proxy, or a server elsewhere: writes down what it is sent, and says that it is none."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        with self.lock:
            self.heard.append(f"{method} {target} {dict(headers)}".encode() + body)
        return 502, {}


def test_no_byte_of_a_note_leaves_a_store_that_does_not_allow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder() as proxy, Recorder() as elsewhere, FakeOpenAI() as near, vragd(tmp_path / "home") as daemon:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
            for spelt in (name, name.upper()):
                monkeypatch.setenv(spelt, f"http://{proxy.host}")
        monkeypatch.setenv("no_proxy", "")
        near.redirect_to = f"http://{elsewhere.host}"
        far = f"http://{elsewhere.host.replace('127.0.0.1', '0.0.0.0')}"  # spelt as no address of this machine

        def model(url: str, kind: str = "openai") -> dict[str, Any]:
            return {"type": kind, "model": "fake-embed", "url": url}

        embedders = {
            "redirected": model(near.base), "far": model(f"{far}/v1"), "far-too": model(far, "ollama"),
            "named": model("http://notes.example.com/v1"),
        }  # fmt: skip
        stores: dict[str, Any] = {}
        for store, embedder in embedders.items():
            folder = tmp_path / store
            folder.mkdir()
            (folder / "a.md").write_text(f"a {SECRET} sleeps in {store}\n")
            stores[store] = {"sources": [{"path": str(folder)}], "embedder": embedder}
        daemon.configure(stores=stores)
        daemon.start(idle=False)
        until(lambda: all(store["trouble"] for store in daemon.status()["stores"]), "each to say what it lacks", 60)
        until(lambda: len(daemon.paths(SECRET)) == len(stores), "all to be found by their words", 60)
        assert {hit["store"] for hit in daemon.query(f"{SECRET} asleep")["hits"]} == set(stores)
        assert (proxy.heard, elsewhere.heard) == ([], [])
        assert near.headers, "it was asked, and led nobody on"
