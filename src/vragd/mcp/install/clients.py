"""The assistants that are known: where each keeps its servers, and how it writes one down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vragd.errors import UsageError, nearest
from vragd.system.places import expanded, xdg

Entry = dict[str, Any]
Kind = Literal["json", "toml"]


class Client(NamedTuple):
    """`places` are where its file may be, the first that exists counts; `keys` lead to the entry in it."""

    title: str
    places: Callable[[bool], Sequence[Path]]
    keys: tuple[str, ...] = ("mcpServers", "vragd")
    entry: Callable[[Sequence[str]], Entry] = lambda words: {"command": words[0], "args": list(words[1:])}
    kind: Kind = "json"
    in_project: str = ""


def _at(path: str) -> Callable[[bool], Sequence[Path]]:
    return lambda macos: [expanded(path)]


def _below(folder: str, *names: str) -> Callable[[bool], Sequence[Path]]:
    """In the user's folder of settings."""
    return lambda macos: [xdg("XDG_CONFIG_HOME", "~/.config") / folder / name for name in names]


def _application(folder: str, name: str) -> Callable[[bool], Sequence[Path]]:
    """In the platform's place for data of applications."""
    here = _below(folder, name)
    return lambda macos: [expanded("~/Library/Application Support") / folder / name] if macos else here(macos)


def _typed(words: Sequence[str]) -> Entry:
    return {"type": "stdio", "command": words[0], "args": list(words[1:])}


def _local(words: Sequence[str]) -> Entry:
    return {"type": "local", "command": list(words), "enabled": True}


CLAUDE_CODE = "claude-code"
CLIENTS: Mapping[str, Client] = {
    "claude-desktop": Client("Claude Desktop", _application("Claude", "claude_desktop_config.json")),
    CLAUDE_CODE: Client("Claude Code", _at("~/.claude.json"), in_project=".mcp.json"),
    "cursor": Client("Cursor", _at("~/.cursor/mcp.json"), in_project=".cursor/mcp.json"),
    "lm-studio": Client("LM Studio", _at("~/.lmstudio/mcp.json")),
    "copilot-cli": Client("GitHub Copilot CLI", _at("~/.copilot/mcp-config.json")),
    "antigravity": Client("Antigravity", _at("~/.gemini/config/mcp_config.json")),
    "vscode": Client("VS Code", _application("Code/User", "mcp.json"), ("servers", "vragd"), _typed,
                     in_project=".vscode/mcp.json"),
    "codex": Client("Codex", _at("~/.codex/config.toml"), ("mcp_servers", "vragd"), kind="toml"),
    "zed": Client("Zed", _below("zed", "settings.json"), ("context_servers", "vragd")),
    "gemini-cli": Client("Gemini CLI", _at("~/.gemini/settings.json")),
    "opencode": Client("opencode", _below("opencode", "opencode.json", "opencode.jsonc"), ("mcp", "vragd"), _local),
}  # fmt: skip

AGENTS_LINE = (
    "Before you answer anything that my own notes may know (my work, plans, people, decisions, what I read or wrote),"
    " call the `search` tool of the MCP server `vragd`, and name the notes you use."
)
"""For AGENTS.md or CLAUDE.md: without such a line assistants seldom look."""


def meant(said: str) -> str:
    """
    Which of CLIENTS somebody means: by its name or title, however they are spelt, or how only one begins.

    Raises UsageError where it is none, or may be several.
    """
    plain = _plain(said)
    names = {name: {_plain(name), _plain(client.title)} for name, client in CLIENTS.items()}
    found = [name for name, spelt in names.items() if plain in spelt]
    found = found or [name for name, spelt in names.items() if plain and any(one.startswith(plain) for one in spelt)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{said} may be {' or '.join(found)}", hint=f"vragd mcp install {found[0]}")
    near = nearest(said, CLIENTS)
    also = f"{near}? " if near else ""
    raise UsageError(f"{said} is no assistant that is known", hint=f"{also}one of: {', '.join(CLIENTS)}")


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def file_of(client: Client, *, macos: bool, project: Path | None = None) -> Path:
    """The file that is changed; it may not exist."""
    if project is not None:
        return project / client.in_project
    return next(iter(files_of(client, macos=macos)), client.places(macos)[0])


def files_of(client: Client, *, macos: bool) -> list[Path]:
    """Those of the user's that are there, the one that is changed first."""
    return [place for place in client.places(macos) if place.exists()]


def value_at(keys: Sequence[str], found: Any) -> Any:
    """What a file that says `found` has at these keys; None where it has nothing."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def keys_in(client: Client, found: Any) -> tuple[str, ...]:
    """Where the entry is to stand in a file that says `found`: opencode's second version has its servers further in."""
    if client.title == "opencode" and isinstance(value_at(("mcp", "servers"), found), dict):
        return ("mcp", "servers", "vragd")
    return client.keys


def keys_of_entry(client: Client, found: Any) -> tuple[str, ...]:
    """Where the entry does stand, also if the file has come to another form since; as `keys_in` if nowhere."""
    meant = keys_in(client, found)
    return next((keys for keys in (meant, client.keys) if value_at(keys, found) is not None), meant)
