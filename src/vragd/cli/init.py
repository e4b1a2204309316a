"""`vragd init`: write a commented configuration for a vault."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vragd.cli.commands import spelt
from vragd.cli.offers import offers, print_offers
from vragd.cli.page import seen
from vragd.cli.reasons import on_language
from vragd.cli.render import out, plural, say, within
from vragd.errors import UsageError
from vragd.system.files import disk_error, vault_around, write_atomic
from vragd.system.places import MACOS, config_path, data_dir, expanded, named

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

STORE = "notes"
S_A_NOTE, S_A_NOTE_OF_WORDS = 0.05, 0.002
"""Rough: a note is some four passages, of which two cores embed about 100 a second (`python -m bench bulk`)."""
MEASURED_FROM_S = 5.0
"""What is sooner done than that by the rough measure is not measured."""
MANY_FOREIGN = 0.2
LATEST = 1e18
"""Of a moment in milliseconds: what is more is none, and may be no float."""
WORDS_ALONE = "no model and no vectors: words alone are searched"
TEMPLATE = """\
# vragd: what is indexed, by which model, and where. Every key: config.example.yaml of the project.
# Check this file with: vragd config check

stores:
  {store}:
    sources:
      - path: {path}{named}
        # name: {label}           # shown in hits; the folder's own name if not given
        # include: ["*.md", "*.markdown", "*.txt"]
        # exclude: ["Private/", "*.draft.md"]
        # Obsidian's own "Excluded files" are left out without being named here.
    embedder:
      type: {embedder:22}# {said}
      # type: {by_model:20}# any model Ollama serves, for instance:
      # model: embeddinggemma
    backend:
      type: {backend}
"""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("init", parents=[common], help="write a configuration for a vault, or several")
    sub.add_argument("vault", nargs="*", help="the vault's folder; without one, those Obsidian knows are offered")
    sub.add_argument("--force", action="store_true", help="replace an existing configuration; it is kept beside")
    sub.add_argument("--words-only", action="store_true", help="search by words alone: no model, no vectors")
    sub.add_argument("-y", "--yes", action="store_true", help="ask nothing: without a folder, all that Obsidian knows")
    sub.set_defaults(command=_init)


def _init(args: argparse.Namespace) -> int:
    file = config_path(args.config)
    if file.exists() and not args.force:
        hint = "vragd add PATH adds a vault to it; --force replaces it"
        raise UsageError(f"there is a configuration already: {file}", hint=hint)
    if args.vault:
        return write_new(args, [named(vault) for vault in args.vault])
    vaults = known_vaults()
    return write_new(args, outermost(vaults) if args.yes and vaults else _choose(vaults))


def not_a_commands(data: Path, store: str) -> None:
    """Raise UsageError for a store that a command made: one of its name in the file would take its place."""
    from vragd.stores.registry import made_by_command

    if made_by_command(data, store):
        raise UsageError(
            f"store {store!r} was made by a command, and one in the configuration would take its place",
            hint=f"vragd add PATH -s NAME, of another store; or vragd store delete {store} first",
        )


def write_new(args: argparse.Namespace, folders: Sequence[Path]) -> int:
    """Write a configuration of these folders, where none is or another is kept beside; say what is in them."""
    from vragd.config import load

    file = config_path(args.config)
    if vault := vault_around(file):
        raise UsageError(f"{file} is inside the vault {vault}", hint="vragd never writes in a vault: another --config")
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder", hint="name the vault's own folder")
        if file.is_symlink() and folder.resolve() in Path(os.path.realpath(file)).parents:
            hint = "vragd never writes in a folder it searches: another --config"
            raise UsageError(f"{file} leads into {folder}", hint=hint)
    words_only = getattr(args, "words_only", False)
    store = getattr(args, "store", None) or STORE
    not_a_commands(data_dir(args.data_dir, None), store)
    text = configured(folders, str(file), getattr(args, "name", None), store, words_only=words_only)
    parsed = load.parse(text, str(file))
    load.check_places(
        [(name, source) for name, store in parsed.stores.items() for source in store.sources],
        data_dir(args.data_dir, None),
    )
    for folder in folders:
        if not (folder / ".obsidian").is_dir():
            say(f"note: {folder} has no .obsidian folder; it is indexed all the same")
    _replace(file, text)
    out(f"wrote {file}")
    for folder in folders:
        for line in said_of(folder, words_only=words_only):
            out(within(f"      {spelt(line)}"))
    print_offers(offers(data_dir(args.data_dir, None), folders), "      ")
    out(spelt("next: vragd run --detach, then vragd sync --wait, which returns when all is searchable"))
    out(spelt("or:   vragd run, in this terminal; vragd service install, at every login"))
    return 0


def _replace(file: Path, text: str) -> None:
    """
    Write a configuration where `file` leads to, whoever links to it keeps the link; one that was there is kept beside.
    Killed in the middle of it, one of both is there.
    """
    file = Path(os.path.realpath(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file.exists():
            if not file.is_file():
                raise UsageError(f"{file} is no ordinary file", hint="--config FILE names another")
            kept = file.with_name(file.name + ".bak")
            write_atomic(kept, [file.read_bytes()])
            kept.chmod(file.stat().st_mode & 0o777)
            out(f"kept  {kept}")
    except OSError as error:
        raise disk_error(error, str(file)) from error
    write_atomic(file, [text.encode()])


def configured(
    folders: Sequence[Path], file: str, name: str | None = None, store: str = STORE, *, words_only: bool = False
) -> str:  # fmt: skip
    """The text of a new configuration. Raises ConfigError for what cannot stand in it."""
    from vragd.config import settings
    from vragd.config.edit import quoted, with_source

    first, *others = folders
    embedder = settings.no_embedder() if words_only else settings.StoreSettings().embedder
    text = TEMPLATE.format(
        store=store,
        path=quoted(str(first)),
        named=f"\n        name: {quoted(name)}" if name else "",
        label=seen(re.sub(r"\s+", " ", first.name))[0],
        embedder=embedder.type,
        said=WORDS_ALONE if words_only else "English, in this process; no server, no network",
        by_model=settings.of_model("embeddinggemma").type,
        backend=settings.StoreSettings().backend.type,
    )
    taken = {name or first.name}
    for folder in others:
        source = {"path": str(folder)}
        if folder.name in taken:  # two of one name in a store are not told apart
            source["name"] = f"{folder.parent.name}-{folder.name}"
        taken.add(source.get("name", folder.name))
        text = with_source(text, file, store, source)
    return text


def said_of(folder: Path, *, words_only: bool = False) -> list[str]:
    """
    How many notes there are, and about how long this machine takes for them, in a sentence; and in two lines more what
    to take instead of the builtin model where it will do badly.
    """
    from vragd.config.settings import StoreSettings
    from vragd.stores.folder import looked_at

    with looked_at(folder) as found:
        if found is None:
            return [f"{folder}: its notes are counted once vragd runs"]
        notes, hidden = len(found.notes), found.n_hidden
        excluded = f", {hidden:,} excluded by Obsidian" if hidden else ""
        seconds = notes * (S_A_NOTE_OF_WORDS if words_only else S_A_NOTE)
        between = seconds, seconds
        if not words_only and seconds > MEASURED_FROM_S:
            between = found.seconds_to_index(StoreSettings().embedder) or between
        lines = [f"{folder}: {plural(notes, 'note')}{excluded}, {roughly(*between)}"]
        if not words_only and (share := found.share_foreign()) >= MANY_FOREIGN:
            lines += on_language(share)
        return lines


def roughly(seconds: float, now: float) -> str:
    """How long an index takes, in words: by how long on a machine that does nothing else, and by how it is `now`."""
    most = max(2 * seconds, now)  # as fast as it is at first no machine goes on for long
    if most < 20:
        return "a few seconds to index"
    if most < 90:
        between = f"{max(10, round(seconds, -1)):.0f} to {round(most, -1):.0f} s"
    else:
        between = f"{max(1, round(seconds / 60))} to {math.ceil(most / 60)} min"
    return f"{between} to index, longer while the machine is busy"


def outermost(folders: Sequence[Path]) -> list[Path]:
    """Those that are in no other of them: what is in one is found with it."""
    return [one for one in folders if not any(other in one.parents for other in folders)]


def known_vaults() -> list[Path]:
    """The vaults Obsidian lists in its own configuration that are there now, the latest opened first."""
    found: dict[Path, float] = {}
    for name in OBSIDIAN_LISTS:
        try:
            document = json.loads(expanded(name).read_bytes())
            vaults = document["vaults"].values()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        for vault in vaults:
            if isinstance(vault, dict) and isinstance(vault.get("path"), str) and Path(vault["path"]).is_dir():
                opened = vault.get("ts")
                known = isinstance(opened, int | float) and abs(opened) < LATEST
                found[Path(vault["path"])] = float(opened or 0) if known else 0.0
    return sorted(found, key=lambda path: -found[path])


def _as_typed(path: str) -> str:
    """As a shell takes it: in double quotes, but for what means something to it there."""
    return shlex.quote(path) if re.search(r'[$`"\\!]', path) else f'"{path}"'


def _choose(vaults: list[Path]) -> list[Path]:
    if not vaults:
        raise UsageError("Obsidian lists no vault on this machine", hint="vragd init ~/path/to/your/vault")
    if not sys.stdin.isatty():
        listed = "\n".join(f"  vragd init {_as_typed(str(vault))}" for vault in vaults)
        raise UsageError("which vault?", hint=f"one of those Obsidian lists, or --yes for all:\n{listed}")
    for number, vault in enumerate(vaults, 1):
        out(within(f"{number}. {vault}"))
    say("Which? One number or several; Enter takes all" if len(vaults) > 1 else "Enter takes it")
    return chosen(sys.stdin.readline(), vaults)


def chosen(answer: str, vaults: list[Path]) -> list[Path]:
    """Those an answer means: numbers from 1, all if it is empty. Raises UsageError."""
    words = answer.replace(",", " ").split()
    if not words or words == ["all"]:
        return outermost(vaults)
    for word in words:
        if not word.isdecimal() or not 1 <= int(word) <= len(vaults):
            raise UsageError(f"{word!r} is not one of 1 to {len(vaults)}")
    return [vaults[number - 1] for number in dict.fromkeys(map(int, words))]
