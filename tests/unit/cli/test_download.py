"""`vragd models download`, as it is typed: what it says, what it asks, what it leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.fakes.hub import FakeHub
from tests.folders import tiny
from tests.terminal import on_terminal
from vragd.cli.main import main
from vragd.config import load
from vragd.stores.fetching import Wanted, settings_of
from vragd.terms.settings import Named

NAME = "someone/small"
MEAN = {"pooling_mode": "mean", "embedding_dimension": 16, "include_prompt": True}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that the environment names, and a configuration with one store."""
    for name, value in (("CONFIG", "c.yaml"), ("DATA_DIR", "data"), ("SOCKET", "s")):
        monkeypatch.setenv(f"VRAGD_{name}", str(tmp_path / value))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "vault").mkdir()
    configure(tmp_path, {"type": "builtin"})
    with FakeHub({NAME: tiny(tmp_path / "hub/m", MEAN)}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def configure(home: Path, embedder: Mapping[str, object], **others: Mapping[str, object]) -> None:
    """A store `notes` of that embedder, and `others` by their names."""
    stores = {
        name: {"sources": [{"path": str(home / "vault")}], "embedder": dict(each)}
        for name, each in {"notes": embedder, **others}.items()
    }
    (home / "c.yaml").write_text(yaml.safe_dump({"stores": stores}))


def test_it_says_what_comes_from_where_and_nothing_comes_unless_that_is_meant(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "download", NAME]) == 2
    said = capsys.readouterr().err
    assert f"{NAME}, commit {hub.commit(NAME)[:12]}: 5 files, " in said
    assert "nothing of your notes is sent" in said
    assert "nobody can be asked" in said
    assert hub.fetched() == []
    assert main(["models", "download", NAME, "--yes"]) == 0
    told = capsys.readouterr()
    folder = tmp_path / "data/models/someone--small" / hub.commit(NAME)
    assert told.out == f"{folder}\n"
    assert f"in the configuration: embedder: {{type: onnx, model: {NAME}}}" in told.err
    assert (folder / "onnx/model.onnx").is_file()


def test_without_a_name_it_is_what_the_stores_name_and_check_says_what_is_missing(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "download"]) == 0
    assert "no store names a model that would have to be fetched" in capsys.readouterr().err
    configure(tmp_path, {"type": "onnx", "model": NAME})
    assert main(["config", "check"]) == 2
    assert f"Try: vragd models download {NAME}" in capsys.readouterr().err
    assert hub.asked == []
    assert main(["models", "download", "--yes", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["models"]
    assert (row["model"], row["revision"], row["commit"]) == (NAME, "main", hub.commit(NAME))
    assert row["fetched_bytes"] == row["bytes"] > 1_000
    assert main(["config", "check"]) == 0
    capsys.readouterr()
    assert main(["models", "download", "--json"]) == 0, "nothing is asked where nothing is fetched"
    assert json.loads(capsys.readouterr().out)["models"][0]["fetched_bytes"] == 0


@pytest.mark.parametrize("revision", ["1.0", "20240101", "no", "v1.5", "1e3"])
def test_the_line_for_the_configuration_is_read_there_as_it_was_meant(revision: str, tmp_path: Path) -> None:
    line = settings_of(Wanted("onnx", Named(NAME, revision, "onnx/a, b.onnx", here_only=False)))
    configure(tmp_path, yaml.safe_load(line))
    named = load.parse((tmp_path / "c.yaml").read_text(), "c.yaml").stores["notes"].embedder.named
    assert named == Named(NAME, revision, "onnx/a, b.onnx", here_only=False)


@pytest.mark.parametrize(
    ("flag", "given", "what"),
    [
        ("--weights", "../x.onnx/", "no file of weights"),
        ("--weights", "model.bin", "no file of weights"),
        ("--revision", "", "no revision of a model"),
        ("--revision", "a b", "no revision of a model"),
        ("--revision", "a..b", "no revision of a model"),
    ],
)
def test_what_is_wrong_beside_the_name_is_told_as_that(
    flag: str, given: str, what: str, hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "download", NAME, flag, given]) == 2
    assert f"{given!r} is {what}" in capsys.readouterr().err
    assert hub.asked == []


def test_what_is_never_to_be_fetched_is_not_nor_a_name_that_is_none(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, {"type": "onnx", "model": NAME, "local_files_only": True})
    for words in ((), (NAME,), (NAME, "--revision", "main")):
        assert main(["models", "download", *words, "--yes"]) == 2
        assert "local_files_only" in capsys.readouterr().err
    assert main(["models", "download", "multilingual-e5-small", "--yes"]) == 2
    assert "did you mean intfloat/multilingual-e5-small?" in capsys.readouterr().err
    assert hub.asked == []


def test_a_model_that_is_never_to_be_fetched_does_not_keep_others_from_it(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    never = {"type": "onnx", "model": "a/never", "local_files_only": True}
    configure(tmp_path, never, more={"type": "onnx", "model": NAME}, again={"type": "onnx", "model": "a/never"})
    assert main(["models", "download", "--yes", "--json"]) == 0
    told = capsys.readouterr()
    assert [row["model"] for row in json.loads(told.out)["models"]] == [NAME]
    assert "a/never is not to be fetched: local_files_only of store notes" in told.err
    assert not [path for _, path, _ in hub.asked if "never" in path]


@pytest.mark.slow
def test_a_no_to_one_model_is_none_to_the_others_and_what_was_fetched_is_told(hub: FakeHub, tmp_path: Path) -> None:
    names = ("a/first", "b/second", "c/third")
    hub.models = dict.fromkeys(names, hub.models[NAME])
    first, second, third = ({"type": "onnx", "model": name} for name in names)
    configure(tmp_path, first, second=second, third=third)
    words = ("models", "download", "--json")
    shown, status = on_terminal(*words, env=dict(os.environ), cwd=tmp_path, columns=200, typed=b"y\nn\ny\n")
    assert status == 1
    assert "b/second was not fetched" in shown
    rows = json.loads(shown[shown.index("{\n") :])["models"]
    assert [row["model"] for row in rows] == ["a/first", "c/third"]


def test_a_purge_takes_what_was_fetched_and_what_came_of_more(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("model.data", "model.onnx.data", "model.onnx_data", "model.onnx_data_1"):
        (hub.models[NAME] / "onnx" / name).write_bytes(b"x")
    assert main(["models", "download", NAME, "--yes"]) == 0
    assert len(list((tmp_path / "data/models/someone--small").rglob("onnx/*"))) == 5
    (tmp_path / "data/models/a--b/c/onnx").mkdir(parents=True)
    (tmp_path / "data/models/a--b/c/onnx/model.onnx.part").write_bytes(b"x")
    (tmp_path / "data/models/mine.txt").write_text("mine")
    capsys.readouterr()
    assert main(["purge", "--yes"]) == 0
    assert [path.name for path in (tmp_path / "data").rglob("*") if path.is_file()] == ["mine.txt"]
