"""The routes in the process of one command, or of a program of somebody's: what is theirs is as it was afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, SourceSettings, StoreSettings, no_embedder
from vragd.daemon.local import Local
from vragd.errors import DaemonBusy


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o022)
    yield 0o022
    os.umask(before)


def now() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_mask_of_new_files_is_as_it_was_also_where_nothing_was_begun(tmp_path: Path, umask: int) -> None:
    (tmp_path / "vault").mkdir()
    store = StoreSettings(sources=(SourceSettings(path=tmp_path / "vault"),), backend=MemoryBackend(type="memory"))
    loaded = Loaded(Config(stores={"notes": store}), None, tmp_path / "data", tmp_path / "s")
    local = Local(loaded)
    try:
        assert now() == 0o077
        assert local.request("GET", "/v1/stores", None)["stores"][0]["name"] == "notes"
        with pytest.raises(DaemonBusy):
            Local(loaded)
        assert now() == 0o077
    finally:
        local.close()
    assert now() == umask


def test_every_answer_about_notes_says_that_nobody_watches(tmp_path: Path, umask: int) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault/a.md").write_text("heron\n")
    backend, embedder = MemoryBackend(type="memory"), no_embedder()
    store = StoreSettings(sources=(SourceSettings(path=tmp_path / "vault"),), backend=backend, embedder=embedder)
    local = Local(Loaded(Config(stores={"notes": store}), None, tmp_path / "data", tmp_path / "s"))
    try:
        before = local.request("POST", "/v1/recent", {})
        assert before["degraded"][0] == "no_daemon"
        answer = local.request("POST", "/v1/sync", {})
        while not answer["done"]:
            answer = local.request("POST", "/v1/sync", {"tickets": answer["tickets"], "wait_s": 5})
        assert "no_daemon" not in answer["degraded"], "it says how far a scan is, and tells of no note"
        for target, body in (("/v1/recent", {}), ("/v1/get", {"note": "a"}), ("/v1/links", {"note": "a"})):
            assert local.request("POST", target, body)["degraded"] == ["no_daemon"], target
    finally:
        local.close()
