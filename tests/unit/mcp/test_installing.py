"""`vragd mcp install`: what it does and says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vragd.cli.main import main
from vragd.mcp.install.clients import AGENTS_LINE, CLIENTS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "VRAGD_CONFIG", "VRAGD_DATA_DIR", "VRAGD_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "claude-code"])
def test_each_is_printed_without_being_written(home: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["mcp", "install", name, "--print", "--config", "/c.yaml"]) == 0
    said = capsys.readouterr().out
    assert "/c.yaml" in said
    assert "vragd" in said
    assert AGENTS_LINE in said
    assert list(home.iterdir()) == []


def test_what_most_take_is_printed_without_a_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "install", "--print"]) == 0
    said = capsys.readouterr().out
    entry = json.loads(said[said.index("{") : said.rindex("}") + 1])["mcpServers"]["vragd"]
    assert Path(entry["command"]).is_absolute()
    assert entry["args"][-1] == "mcp"


def test_what_is_printed_has_the_form_of_the_file_that_is_there(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    path = home / ".config/opencode/opencode.json"
    path.parent.mkdir(parents=True)
    for text, keys in [('{"mcp": {"servers": {}}}', ["mcp", "servers"]), ("{}", ["mcp"]), ("{broken", ["mcp"])]:
        path.write_text(text)
        assert main(["mcp", "install", "opencode", "--print"]) == 0
        said = capsys.readouterr().out
        found = json.loads(said[said.index("{") : said.rindex("}") + 1])
        for key in keys:
            found = found[key]
        assert list(found) == ["vragd"]
        assert path.read_text() == text


def test_it_is_put_in_once_and_taken_out_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / ".gemini" / "settings.json"
    for words, said in (
        ([], "was put in"),
        ([], "in it already"),
        (["--undo"], "taken out"),
        (["--undo"], "not in it"),
    ):
        assert main(["mcp", "install", "gemini-cli", *words]) == 0
        assert said in capsys.readouterr().out
        assert path.exists() == ("--undo" not in words)


def test_a_project_has_its_own_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "install", "claude-code", "--project", str(home)]) == 0
    assert "vragd" in json.loads((home / ".mcp.json").read_text())["mcpServers"]
    assert main(["mcp", "install", "vscode", "--project", str(home)]) == 0
    assert json.loads((home / ".vscode/mcp.json").read_text())["servers"]["vragd"]["type"] == "stdio"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["install"], "into which assistant?"),
        (["install", "emacs"], "emacs is no assistant"),
        (["install", "zed", "--project", "."], "no file of a project"),
        (["install", "vscode", "--project", "/nowhere"], "no folder /nowhere"),
        (["install", "vscode", "--project", ""], "empty"),
        (["--undo"], "vragd mcp install"),
    ],
)
def test_what_cannot_be_is_told(home: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    assert main(["mcp", *words]) == 2
    assert says in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_file_that_cannot_be_read_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_text('{"mcpServers": {')
    assert main(["mcp", "install", "cursor"]) == 2
    assert "left as it is" in capsys.readouterr().err
    assert path.read_text() == '{"mcpServers": {'


def claude(home: Path, script: str) -> Path:
    """A `claude` that notes what it is told."""
    told = home / "told"
    (home / "bin").mkdir()
    program = home / "bin" / "claude"
    program.write_text(f'#!/bin/sh\necho "$*" >> {told}\n{script}\n')
    program.chmod(0o755)
    return told


def test_without_claude_its_command_is_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "install", "claude-code"]) == 0
    assert "claude mcp add --scope user vragd -- /" in capsys.readouterr().out
    assert main(["mcp", "install", "claude-code", "--undo"]) == 0
    assert "claude mcp remove --scope user vragd" in capsys.readouterr().out


@pytest.mark.slow
def test_claude_code_is_asked_to_do_it_itself(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = claude(home, 'test "$2" != get')
    assert main(["mcp", "install", "claude-code", "--print"]) == 0
    assert not told.exists()
    assert main(["mcp", "install", "claude-code", "--config", "/c.yaml"]) == 0
    get, add = told.read_text().splitlines()
    assert get == "mcp get vragd"
    assert add.startswith("mcp add --scope user vragd -- /")
    assert add.endswith(" mcp --config /c.yaml")
    assert main(["mcp", "install", "claude-code", "--undo"]) == 0
    assert told.read_text().splitlines()[2:] == ["mcp remove --scope user vragd"]


@pytest.mark.slow
def test_one_that_claude_code_has_is_replaced_and_its_complaint_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = claude(home, 'test "$2" != add || { echo "no such scope" >&2; exit 1; }')
    assert main(["mcp", "install", "claude-code"]) == 4
    assert [line.split()[1] for line in told.read_text().splitlines()] == ["get", "remove", "add"]
    assert "claude says: no such scope" in capsys.readouterr().err
