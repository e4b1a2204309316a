"""Our entries in assistants' files, found and taken out for good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.mcp.test_installing import claude, home
from vragd.cli.main import main
from vragd.errors import VragdError
from vragd.mcp.install.leaving import entries, take_out

__all__ = ["home"]


def test_entries_are_found_and_taken_out_one_by_one(home: Path) -> None:
    assert list(entries()) == []
    for name in ("cursor", "codex", "opencode"):
        assert main(["mcp", "install", name]) == 0
    (home / ".gemini").mkdir()
    (home / ".gemini/settings.json").write_text('{"mcpServers": {"other": {}}}')
    found = list(entries())
    assert [(one.name, one.fault) for one in found] == [("cursor", ""), ("codex", ""), ("opencode", "")]
    for one in found:
        take_out(one)
    assert list(entries()) == []
    assert json.loads((home / ".gemini/settings.json").read_text()) == {"mcpServers": {"other": {}}}


def test_a_file_that_cannot_be_understood_is_named_if_it_may_have_one(home: Path) -> None:
    for folder, text in ((".cursor", '{"mcpServers": {"vragd": '), (".lmstudio", '{"mcpServers": ')):
        (home / folder).mkdir()
        (home / folder / "mcp.json").write_text(text)
    (found,) = entries()
    assert (found.name, "was left as it is" in found.fault) == ("cursor", True)


def test_a_file_in_a_vault_is_left(home: Path) -> None:
    assert main(["mcp", "install", "cursor"]) == 0
    (home / ".cursor/.obsidian").mkdir()
    (found,) = entries()
    assert "inside the vault" in found.fault


@pytest.mark.slow
def test_claude_code_is_told_to_do_it_itself_where_it_is_there(home: Path) -> None:
    (home / ".claude.json").write_text('{"mcpServers": {"vragd": {"command": "vragd"}}, "more": 1}')
    (found,) = entries()
    claude(home, "exit 1")
    with pytest.raises(VragdError, match="claude says"):
        take_out(found)
    (home / "bin/claude").unlink()
    take_out(found)
    assert json.loads((home / ".claude.json").read_text())["more"] == 1
    assert list(entries()) == []
