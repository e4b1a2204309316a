"""What `vragd mcp install` does and says."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vragd.errors import UsageError, VragdError
from vragd.mcp.install import toml
from vragd.mcp.install.clients import (
    AGENTS_LINE,
    CLAUDE_CODE,
    CLIENTS,
    Client,
    file_of,
    files_of,
    keys_in,
    keys_of_entry,
)
from vragd.mcp.install.editing import Edited
from vragd.mcp.install.program import options
from vragd.mcp.text import seen
from vragd.system.files import vault_around
from vragd.system.places import MACOS
from vragd.system.program import lasting

CLI_S = 60.0
CLAUDE_REMOVES = ("claude", "mcp", "remove", "--scope", "user", "vragd")


def install(args: Namespace) -> int:
    """Put the bridge into the file of `args.client`, take it out, or print what would be put in."""
    if args.client is None and not args.only_print:
        raise UsageError("into which assistant?", hint=f"one of: {', '.join(CLIENTS)}; or --print")
    client = CLIENTS["claude-desktop" if args.client is None else args.client]
    project = None if args.project is None else Path(args.project).expanduser().absolute()
    if project is not None and not client.in_project:
        raise UsageError(f"{client.title} has no file of a project that is known", hint="leave out --project")
    if project is not None and not project.is_dir():
        raise UsageError(f"there is no folder {project}", hint="--project takes the folder of the project")
    if project is not None and not args.only_print and (vault := vault_around(project / client.in_project)):
        hint = "vragd never writes in a vault: --print shows what to put there"
        raise UsageError(f"{project / client.in_project} is inside the vault {vault}", hint=hint)
    given = options(args.config, args.data_dir, args.socket, os.environ)
    words = [*lasting(sys.executable, os.environ.get("PATH", "")), "mcp", *given]
    path = file_of(client, macos=MACOS, project=project)
    if args.client == CLAUDE_CODE and project is None:
        _by_its_own_command(words, undo=args.undo, only_print=args.only_print)
    elif args.only_print:
        _print(args.client, client, words, path)
    elif args.undo:
        _undo(client, [] if project else files_of(client, macos=MACOS), path)
    else:
        _edit(client, words, path)
    if not args.undo:
        _say(f"\nFor AGENTS.md or CLAUDE.md, without which assistants seldom look:\n\n{AGENTS_LINE}")
    return 0


def _undo(client: Client, files: Sequence[Path], path: Path) -> None:
    """Take it out of the first of the files that has it; `path` is the one to name where none does."""
    for place in files or [path]:
        edited = Edited(place, client.kind)
        if edited.undo(keys_of_entry(client, edited.says)):
            _say(f"{place}: vragd was taken out.")
            return
    _say(f"{path}: vragd is not in it, nothing was changed.")


def _edit(client: Client, words: Sequence[str], path: Path) -> None:
    edited = Edited(path, client.kind)
    is_new = edited.text is None
    if not edited.install(keys_in(client, edited.says), client.entry(words)):
        _say(f"{path}: vragd is in it already.")
        return
    _say(f"{path}: vragd was put in. Start {client.title} anew.")
    if not is_new:
        _say(f"What it was before is in {edited.backup.name} beside it.")
    _say("The same command with --undo behind it takes vragd out again.")


def _print(name: str | None, client: Client, words: Sequence[str], path: Path) -> None:
    keys, entry = client.keys, client.entry(words)
    with suppress(VragdError):  # for a file that cannot be read it is to be put in by hand
        keys = keys_in(client, Edited(path, client.kind).says)
    if client.kind == "toml":
        said = toml.put("", keys, entry).rstrip("\n")
    else:
        for key in reversed(keys):
            entry = {key: entry}
        said = json.dumps(entry, indent=2, ensure_ascii=False)
    where = f"Into {path}:" if name else "Into the file of your assistant, most of which take this:"
    _say(f"{where}\n\n{said}")


def _by_its_own_command(words: Sequence[str], *, undo: bool, only_print: bool) -> None:
    """Claude Code writes its file while it runs: it is asked to do it itself."""
    command = CLAUDE_REMOVES if undo else ["claude", "mcp", "add", "--scope", "user", "vragd", "--", *words]
    found = shutil.which("claude")
    if only_print or found is None:
        why = "" if only_print else " (claude was not found along PATH)"
        _say(f"Type{why}:\n\n{shlex.join(command)}")
        return
    if not undo and run([found, "mcp", "get", "vragd"]).returncode == 0:
        run([found, *CLAUDE_REMOVES[1:]])  # it would refuse to put in another
    done = run([found, *command[1:]])
    if done.returncode:
        raise claude_says(done, command)
    _say("Claude Code: vragd was taken out." if undo else "Claude Code: vragd was put in, for all projects.")


def claude_says(done: subprocess.CompletedProcess[str], command: Sequence[str]) -> VragdError:
    """What its command refused, with what to type by hand."""
    said = " ".join(seen(done.stderr or done.stdout).split())[:500]
    return VragdError(f"claude says: {said or f'status {done.returncode}'}", hint=shlex.join(command))


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the assistant's own command. Raises VragdError where it does not answer."""
    try:
        return subprocess.run(  # noqa: S603  the user's own program, without a shell
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=CLI_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise VragdError(f"claude did not answer: {type(error).__name__}", hint=shlex.join(command)) from None


def _say(text: str) -> None:
    sys.stdout.write(seen(text) + "\n")
