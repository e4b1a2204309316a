"""
What a configuration says that has no effect, and what it leaves out that is kept: for who has it checked. Blocks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from vragd.config.load import Loaded
from vragd.config.settings import Config, SourceSettings
from vragd.stores.registry import Registry, made_by_command
from vragd.system.places import as_on_disk
from vragd.vault.closed import ClosedPaths
from vragd.vault.fold import same_name_key

LOOK_S = 3.0
"""How long a folder is looked through; of what was not seen by then nothing is said."""


def away(config: Config) -> list[str]:
    """Folders that are not there as one now, a sentence each."""
    return [
        f"source {source.path} of store {name} {'is no folder' if source.path.exists() else 'is not there now'}"
        for name, store in config.stores.items() for source in store.sources
        if not os.path.isdir(as_on_disk(str(source.path)))
    ]  # fmt: skip


def idle_patterns(config: Config, clock: Callable[[], float] = time.monotonic) -> list[str]:
    """Patterns that keep nothing back in a folder as it is now, a sentence each."""
    found = []
    for name, store in config.stores.items():
        for source in store.sources:
            where = f"source {source.label} of store {name}"
            for key, pattern, near in _idle(source, clock):
                meant = f"; {near} is written otherwise" if near else ""
                found.append(f"{key} {pattern!r} of {where} matches nothing there now{meant}")
    return found


def kept_apart(loaded: Loaded) -> list[str]:
    """Stores with data that the configuration does not name, or names in place of a command's; a sentence each."""
    found = []
    for name, entry in Registry(loaded).entries().items():
        if entry.origin == "left" and not entry.damaged:
            folder = loaded.data_dir / "stores" / name
            found.append(f"store {name} is named by nobody, its data is kept: vragd store delete {name}; or, if it has")
            found.append(f"  another name now, stop vragd and rename {folder}: nothing is embedded again")
        elif entry.origin == "config" and made_by_command(loaded.data_dir, name):
            found.append(f"store {name} was made by a command; only the folders that are named here are searched in it")
    return found


def open_elsewhere(loaded: Loaded) -> list[str]:
    """Folders closed to assistants in one store, at least in part, and not likewise in another; a sentence each."""
    sources = [
        (name, source, Path(os.path.realpath(source.path)))
        for name, entry in Registry(loaded).entries().items() if entry.settings for source in entry.settings.sources
    ]  # fmt: skip
    return [
        f"assistants are shown in store {other} what {source.path} of store {name} closes: mcp is each one's own"
        for name, source, at in sources if source.mcp is not True
        for other, its, there in sources
        if name != other and its.mcp not in (False, source.mcp) and _share(at, there)
    ]  # fmt: skip


def _share(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents


def _idle(source: SourceSettings, clock: Callable[[], float]) -> Iterator[tuple[str, str, str]]:
    """Of each such pattern: its key, itself, and a path that it would match in another case."""
    closed = () if isinstance(source.mcp, bool) else source.mcp.exclude
    asked: dict[tuple[str, str], Callable[[str], bool]] = {
        **{("exclude", one): _matching(one) for one in source.exclude if not one.startswith("!")},
        **{("mcp.exclude", one): ClosedPaths((one,)) for one in closed if not one.startswith("!")},
    }
    near: dict[tuple[str, str], str] = {}
    until = clock() + LOOK_S
    folder = Path(as_on_disk(str(source.path)))
    for path in _entries(folder) if asked else ():
        if clock() > until:
            return
        for key in [key for key, matches in asked.items() if matches(path)]:
            del asked[key]
        for key in asked:
            if key not in near and ClosedPaths((key[1],))(path):
                near[key] = path
        if not asked:
            return
    if folder.is_dir():
        yield from ((*key, near.get(key, "")) for key in asked)


def _matching(pattern: str) -> Callable[[str], bool]:
    spec = GitIgnoreSpec.from_lines([same_name_key(pattern)])
    return lambda path: bool(spec.match_file(same_name_key(path)))


def _entries(folder: Path) -> Iterator[str]:
    """What is below a folder, relative to it, folders with a slash behind. None is followed by a link."""
    for at, folders, files in os.walk(folder):
        below = os.path.relpath(at, folder)
        start = "" if below == "." else f"{below}/"
        yield from (f"{start}{name}/" for name in folders)
        yield from (start + name for name in files)
