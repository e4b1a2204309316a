"""An assistant's file after `vragd mcp install` and `--undo`: as it was, or not there if it was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.mcp.test_installing import home
from vragd.cli.main import main
from vragd.mcp.install.leaving import entries

__all__ = ["home"]

PLACES = {"cursor": ".cursor/mcp.json", "antigravity": ".gemini/config/mcp_config.json", "codex": ".codex/config.toml"}


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("text", ["", " ", "\n", "\r\n \r\n", "\ufeff"])
def test_a_file_that_said_nothing_is_there_again(home: Path, name: str, text: str) -> None:
    path = home / PLACES[name]
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode())
    before = everything(home)
    for words in ([], ["--config", "/other.yaml"], ["--undo"]):  # the second is another entry
        assert main(["mcp", "install", name, *words]) == 0
    assert everything(home) == before


@pytest.mark.parametrize("name", PLACES)
def test_one_that_said_nothing_stays_where_somebody_emptied_ours(home: Path, name: str) -> None:
    path = home / PLACES[name]
    path.parent.mkdir(parents=True)
    path.touch()
    assert main(["mcp", "install", name]) == 0
    path.write_bytes(path.read_bytes() + b"\n")
    assert main(["mcp", "install", name, "--undo"]) == 0
    assert "vragd" not in path.read_text()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", PLACES)
def test_folders_that_were_not_there_are_not_there_again(home: Path, name: str) -> None:
    for words in ([], ["--config", "/other.yaml"], ["--undo"]):
        assert main(["mcp", "install", name, *words]) == 0
    assert everything(home) == {}


def test_it_is_taken_out_of_opencodes_file_also_after_that_has_come_to_another_form(home: Path) -> None:
    path = home / ".config/opencode/opencode.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert main(["mcp", "install", "opencode"]) == 0
    (mcp,) = json.loads(path.read_text()).values()
    path.write_text(json.dumps({"mcp": {**mcp, "servers": {"a": {}}}}))
    assert main(["mcp", "install", "opencode", "--undo"]) == 0
    assert json.loads(path.read_text()) == {"mcp": {"servers": {"a": {}}}}


def test_it_is_taken_out_of_the_one_of_opencodes_files_that_has_it(home: Path) -> None:
    path = home / ".config/opencode/opencode.jsonc"
    path.parent.mkdir(parents=True)
    path.write_text("{} // mine\n")
    assert main(["mcp", "install", "opencode"]) == 0
    path.with_suffix(".json").write_text('{"mcp": {}}')
    assert [one.path for one in entries()] == [path]
    assert main(["mcp", "install", "opencode", "--undo"]) == 0
    assert everything(path.parent) == {"opencode.jsonc": b"{} // mine\n", "opencode.json": b'{"mcp": {}}'}


def test_a_folder_that_was_there_or_has_something_else_by_now_stays(home: Path) -> None:
    (home / ".gemini").mkdir()
    assert main(["mcp", "install", "antigravity"]) == 0
    assert main(["mcp", "install", "antigravity", "--undo"]) == 0
    assert everything(home) == {".gemini": None}
    assert main(["mcp", "install", "cursor"]) == 0
    (home / ".cursor/rules").touch()
    assert main(["mcp", "install", "cursor", "--undo"]) == 0
    assert everything(home) == {".gemini": None, ".cursor": None, ".cursor/rules": b""}


@pytest.mark.parametrize("there", [True, False])
def test_what_a_symbolic_link_leads_to_is_as_it_was(home: Path, there: bool) -> None:
    (home / ".cursor").mkdir()
    (home / ".cursor/mcp.json").symlink_to("../dotfiles/cursor/mcp.json")
    if there:
        (home / "dotfiles/cursor").mkdir(parents=True)
        (home / "dotfiles/cursor/mcp.json").touch()
    before = everything(home)
    for words in ([], ["--undo"]):
        assert main(["mcp", "install", "cursor", *words]) == 0
    assert (home / ".cursor/mcp.json").is_symlink()
    assert everything(home) == before
