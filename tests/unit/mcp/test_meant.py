"""An assistant is known by its name or title however they are spelt; what may be several is asked back."""

from __future__ import annotations

import pytest

from vragd.errors import UsageError
from vragd.mcp.install.clients import CLIENTS, meant


def test_each_is_found_by_its_name_and_its_title() -> None:
    for name, client in CLIENTS.items():
        assert meant(name) == meant(client.title) == meant(name.upper().replace("-", "")) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [("gemini", "gemini-cli"), ("vs code", "vscode"), ("copilot", "copilot-cli"), ("lmst", "lm-studio")],
)
def test_what_only_one_begins_with_is_enough(said: str, name: str) -> None:
    assert meant(said) == name


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("claude", "claude may be claude-desktop or claude-code", "vragd mcp install claude-desktop"),
        ("cusror", "cusror is no assistant that is known", "cursor? one of: claude-desktop, "),
        ("xyzzy", "xyzzy is no assistant that is known", "one of: claude-desktop, "),
        ("-", "- is no assistant that is known", "one of: "),
    ],
)
def test_what_is_none_or_several_is_said(said: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        meant(said)
    assert refused.value.message == message
    assert refused.value.hint.startswith(hint)
