"""Our entries in the files of all assistants that are known, for whoever takes vragd off this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vragd.errors import VragdError
from vragd.mcp.install.clients import CLAUDE_CODE, CLIENTS, files_of, keys_of_entry
from vragd.mcp.install.editing import Edited
from vragd.mcp.install.installing import CLAUDE_REMOVES, claude_says, run
from vragd.system.files import vault_around
from vragd.system.places import MACOS


class Entry(NamedTuple):
    """One that is there; `fault` is why it cannot be taken out, if it cannot."""

    name: str
    title: str
    path: Path
    fault: str = ""


def entries() -> Iterator[Entry]:
    """Those in the user's own files. Files of projects are known to nobody but their owners."""
    for name, path in [(name, path) for name, client in CLIENTS.items() for path in files_of(client, macos=MACOS)]:
        client = CLIENTS[name]
        try:
            edited = Edited(path, client.kind)
            there = edited.has(keys_of_entry(client, edited.says))
        except VragdError as error:
            if "vragd" in edited_text(path):
                yield Entry(name, client.title, path, error.message)
            continue
        if there:
            vault = vault_around(edited.real)
            yield Entry(name, client.title, path, f"it is inside the vault {vault}" if vault else "")


def edited_text(path: Path) -> str:
    """What can be read of a file that cannot be understood."""
    try:
        return path.read_text("utf-8", "replace") if path.is_file() else ""
    except OSError:
        return ""


def take_out(entry: Entry) -> None:
    """Take it out, as `vragd mcp install NAME --undo` does. Raises VragdError."""
    program = shutil.which("claude") if entry.name == CLAUDE_CODE else None
    if program is not None:
        done = run([program, *CLAUDE_REMOVES[1:]])
        if done.returncode:
            raise claude_says(done, CLAUDE_REMOVES)
        return
    client = CLIENTS[entry.name]
    edited = Edited(entry.path, client.kind)
    edited.undo(keys_of_entry(client, edited.says))
