"""`vragd init`: write a commented configuration for a vault."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from vragd.cli.render import out, say
from vragd.errors import UsageError
from vragd.system.files import disk_error
from vragd.system.places import MACOS, config_path, data_dir, expanded

# Where Obsidian keeps the list of vaults it knows: native, Flatpak, Snap, macOS.
OBSIDIAN_LISTS = (
    ("~/Library/Application Support/obsidian/obsidian.json",)
    if MACOS
    else (
        "~/.config/obsidian/obsidian.json",
        "~/.var/app/md.obsidian.Obsidian/config/obsidian/obsidian.json",
        "~/snap/obsidian/current/.config/obsidian/obsidian.json",
    )
)

TEMPLATE = """\
# vragd: what is indexed, by which model, and where. Every key: config.example.yaml of the project.
# Check this file with: vragd config check

stores:
  notes:
    sources:
      - path: {path}
        # name: {label}           # shown in hits; the folder's own name if not given
        # include: ["*.md", "*.markdown", "*.txt"]
        # exclude: ["Private/", "*.draft.md"]
        # Obsidian's own "Excluded files" are left out without being named here.
    embedder:
      type: {embedder:22}# English, in this process; no server, no network
      # type: {by_model:20}# any model Ollama serves, for instance:
      # model: embeddinggemma
    backend:
      type: {backend}
"""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("init", parents=[common], help="write a configuration for a vault")
    sub.add_argument("vault", nargs="?", help="the vault's folder; without it, those Obsidian knows are offered")
    sub.add_argument("--force", action="store_true", help="replace an existing configuration")
    sub.set_defaults(command=_init)


def _init(args: argparse.Namespace) -> int:
    file = config_path(args.config)
    if file.exists() and not args.force:
        raise UsageError(f"there is a configuration already: {file}", hint="edit it, or use --force to replace it")
    vault = expanded(args.vault).absolute() if args.vault else _choose(known_vaults())
    if not vault.is_dir():
        raise UsageError(f"{vault} is not a folder", hint="name the vault's own folder")
    from vragd.config import load, settings

    text = TEMPLATE.format(
        path=json.dumps(str(vault), ensure_ascii=False),
        label=re.sub(r"\s+", " ", vault.name),
        embedder=settings.default_embedder().type,
        by_model=settings.of_model("embeddinggemma").type,
        backend=settings.default_backend().type,
    )

    parsed = load.parse(text, str(file))
    load.check_places(
        [(name, source) for name, store in parsed.stores.items() for source in store.sources],
        data_dir(args.data_dir, None),
    )
    if not (vault / ".obsidian").is_dir():
        say(f"note: {vault} has no .obsidian folder; it is indexed all the same")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise disk_error(error, str(file)) from error
    out(f"wrote {file}")
    out("next: vragd run, or vragd service install")
    return 0


def known_vaults() -> list[Path]:
    """The vaults Obsidian lists in its own configuration that are there now, the latest opened first."""
    found: dict[Path, float] = {}
    for name in OBSIDIAN_LISTS:
        try:
            document = json.loads(expanded(name).read_bytes())
            vaults = document["vaults"].values()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        for vault in vaults:
            if isinstance(vault, dict) and isinstance(vault.get("path"), str) and Path(vault["path"]).is_dir():
                opened = vault.get("ts")
                found[Path(vault["path"])] = float(opened) if isinstance(opened, int | float) else 0.0
    return sorted(found, key=lambda path: -found[path])


def _choose(vaults: list[Path]) -> Path:
    if not vaults:
        raise UsageError("Obsidian lists no vault on this machine", hint="vragd init ~/path/to/your/vault")
    if not sys.stdin.isatty():
        listed = "\n".join(f"  vragd init {json.dumps(str(vault), ensure_ascii=False)}" for vault in vaults)
        raise UsageError("which vault?", hint=f"one of those Obsidian lists:\n{listed}")
    for number, vault in enumerate(vaults, 1):
        out(f"{number}. {vault}")
    say(f"Which one? [1-{len(vaults)}]")
    answer = sys.stdin.readline().strip() or "1"
    if not answer.isdigit() or not 1 <= int(answer) <= len(vaults):
        raise UsageError(f"{answer!r} is not one of 1 to {len(vaults)}")
    return vaults[int(answer) - 1]
