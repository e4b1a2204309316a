"""A model by its name, under a real daemon: it asks no hub, works by words meanwhile, and takes what came."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.hub import FakeHub
from tests.folders import bundled, tiny
from tests.harness import until, vragd
from tests.terminal import on_terminal

NAME = "someone/all-MiniLM-L6-v2"
MEAN = {"pooling_mode": "mean", "embedding_dimension": 16, "include_prompt": True}

pytestmark = pytest.mark.slow


def test_a_store_is_one_of_words_until_its_model_was_fetched_and_then_takes_it_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeHub({NAME: bundled(tmp_path / "hub/m")}) as hub, vragd(tmp_path) as daemon:
        embedder = {"type": "onnx", "model": NAME}
        daemon.configure(stores={"notes": {"sources": [{"path": str(daemon.vault)}], "embedder": embedder}})
        (daemon.vault / "brew.md").write_text("Pour hot water slowly over ground coffee.\n")
        (daemon.vault / "tax.md").write_text("The annual return is due at the end of May.\n")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        daemon.start(idle=False)
        until(lambda: daemon.paths("coffee") == ["brew.md"], "the note to be found by its words")
        until(lambda: daemon.store["trouble"], "the missing model to be said")
        assert daemon.store["trouble"]["hint"] == f"vragd models download {NAME}"
        assert "vragd models download" in daemon.run("status").stdout
        assert hub.asked == [], "nobody but the command asks"
        said = daemon.run("models", "download", "--yes")
        assert said.returncode == 0, said.stderr
        assert "store notes takes it by itself where vragd runs" in said.stderr
        n_asked = len(hub.asked)
        until(lambda: not daemon.status()["degraded"], "the model to be taken", 60)
        assert daemon.paths("preparing filter coffee by hand", top_k=1) == ["brew.md"]
        assert len(hub.asked) == n_asked
        assert daemon.problems() == []
        daemon.stop()
        hub.models.clear()  # who has it needs no hub
        daemon.start()
        assert daemon.paths("preparing filter coffee by hand", top_k=1, mode="vector") == ["brew.md"]


def test_on_a_terminal_it_asks_and_shows_how_far_it_is(tmp_path: Path) -> None:
    with FakeHub({"a/b": tiny(tmp_path / "hub/b", MEAN)}) as hub, vragd(tmp_path) as daemon:
        env = {**daemon.env, "HF_ENDPOINT": hub.url}
        shown, status = on_terminal("models", "download", "a/b", env=env, cwd=tmp_path, columns=200, typed=b"n\n")
        assert (status, "Fetch it? [y/N]" in shown, "a/b was not fetched" in shown) == (1, True, True)
        shown, status = on_terminal("models", "download", "a/b", env=env, cwd=tmp_path, columns=200, typed=b"y\n")
        assert status == 0
        assert "onnx/model.onnx" in shown
        assert str(tmp_path / "data/models/a--b" / hub.commit("a/b")) in shown.replace("\n", "").replace("\r", "")
