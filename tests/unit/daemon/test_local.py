"""The routes in the process of one command, or of a program of somebody's: what is theirs is as it was afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.moved import indexed
from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, SourceSettings, StoreSettings, no_embedder
from vragd.daemon.local import Local
from vragd.errors import DaemonBusy, NotFound


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


def test_nothing_that_was_withdrawn_since_is_told_of_by_any_route(tmp_path: Path) -> None:
    loaded = indexed(
        tmp_path,
        {"open.md": "heron [[out]]", "out.md": "# Said\nheron #quiet\n- [ ] call", "gone.md": "heron",
         "Private/in.md": "heron #hidden"},
    )  # fmt: skip
    vault = tmp_path / "vault"
    (vault / "out.md").write_text("---\nvragd: false\n---\n# Said\nheron #quiet\n- [ ] call")
    (vault / "gone.md").unlink()
    (vault / ".obsidian").mkdir()
    (vault / ".obsidian/app.json").write_text('{"userIgnoreFilters": ["Private/"]}')
    local = Local(loaded)
    try:
        assert [one["note"]["path"] for one in local.request("POST", "/v1/recent", {})["notes"]] == ["open.md"]
        assert local.request("POST", "/v1/tags", {})["tags"] == []
        assert local.request("POST", "/v1/tasks", {})["tasks"] == []
        assert len(local.request("POST", "/v1/links", {"note": "open"})["unresolved"]) == 1
        for note in ("out", "gone", "Private/in.md"):
            for route in ("/v1/get", "/v1/outline"):
                with pytest.raises(NotFound):
                    local.request("POST", route, {"note": note})
        for state in ("", "?state=indexed", "?state=failed"):  # what was begun may have got to some of them by now
            rows = local.request("GET", f"/v1/files{state}", None)["files"]
            assert {row["path"] for row in rows if row["state"] not in ("skipped", "pending")} <= {"open.md"}, state
        assert local.request("POST", "/v1/get", {"note": "open"})["text"]
        local.close()
        local = Local(loaded)
        rows = local.request("GET", "/v1/files", None)["files"]
        told = [row["path"] for row in rows if row["state"] == "indexed"]
        assert told == ["open.md"], "in the first answer of a command, too"
        (vault / "open.md").write_text("---\nvragd: false\n---\nheron [[out]]")
        with pytest.raises(NotFound):  # each answer is as of now
            local.request("POST", "/v1/get", {"note": "open"})
    finally:
        local.close()
