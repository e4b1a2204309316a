"""
Which stores there are: those of the configuration, and those made on the command line.

The latter keep their settings in `stores/NAME/store.json` of the data directory; the user's own file
is never written.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from vragd.config.load import Loaded, check_places
from vragd.config.settings import STORE_NAME, SourceSettings, StoreSettings, check_store_name
from vragd.errors import StoreExists, UnknownStore, UsageError, VragdError, one_of
from vragd.system.failpoints import reach
from vragd.system.files import disk_error, private_dir, write_atomic
from vragd.system.log import error_fields
from vragd.system.places import literal

log = structlog.get_logger()

_REMOTE, _EMPTIED = "remote", "emptied"
"""Files of a store's folder: the places where it ever had vectors, and those of them that a command emptied."""

Origin = Literal["config", "command", "left"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A store that exists. `left`: its data is there, but no settings that name it can be found or read."""

    name: str
    origin: Origin
    settings: StoreSettings | None
    damaged: str = ""
    """Why what a command wrote of it cannot be read."""


class Registry:
    """Reads and writes below `data_dir/stores`. Not thread-safe: it belongs to the event loop."""

    def __init__(self, loaded: Loaded) -> None:
        self._config = loaded.config
        self._data_dir = loaded.data_dir
        self.root = loaded.data_dir / "stores"

    def folder(self, name: str) -> Path:
        """Where everything of a store is kept."""
        return self.root / name

    def entries(self) -> dict[str, Entry]:
        """Every store, by name, sorted."""
        found = {name: Entry(name, "config", settings) for name, settings in self._config.stores.items()}
        if self.root.is_dir():
            for folder in self.root.iterdir():
                if folder.is_dir() and folder.name not in found and not folder.name.startswith("."):  # a doomed one
                    settings, damaged = self._read(folder)
                    found[folder.name] = Entry(folder.name, "command" if settings else "left", settings, damaged)
        return dict(sorted(found.items()))

    def known(self, name: str) -> Entry:
        """The store called `name`, or UnknownStore naming those there are."""
        entries = self.entries()
        if name not in entries:
            raise UnknownStore(
                f"there is no store {name!r}",
                hint=one_of(name, list(entries), "vragd init, or vragd store create"),
            )
        return entries[name]

    def check(self, name: str, settings: StoreSettings, *, replace: bool = False) -> None:
        """
        Whether `create` may be called. Raises UsageError, ConfigError, StoreExists.

        Looks at the places of every store's sources, which may hang: not for the event loop.
        """
        try:
            check_store_name(name)
        except ValueError as error:
            raise UsageError(str(error), hint=f"the pattern is {STORE_NAME}") from None
        entries = self.entries()
        if name in entries and (entries[name].origin == "config" or not replace):
            raise StoreExists(f"store {name!r} exists already", hint=f"vragd store info {name}")
        others = {n: e.settings for n, e in entries.items() if n != name and e.settings is not None}
        self._check_places({**others, name: settings})

    def create(self, name: str, settings: StoreSettings) -> Entry:
        """Remember a store made on the command line, which was checked."""
        private_dir(self.root)
        folder = private_dir(self.folder(name))
        reach("registry.folder_made")
        try:
            write_atomic(folder / "store.json", [settings.model_dump_json(indent=2).encode()])
        except VragdError:
            with suppress(OSError):  # it is not empty if the store has data: then the name is taken
                folder.rmdir()
            raise
        reach("registry.created")
        return Entry(name, "command", settings)

    def _check_places(self, stores: Mapping[str, StoreSettings]) -> None:
        check_places(
            [(n, source) for n, s in stores.items() for source in s.sources],
            self._data_dir,
            vectors=[(n, file) for n, s in stores.items() for one in s.backends for file in one.files()],
        )

    def remember_remote(self, name: str, *places: str) -> None:
        """Keep where else a store has vectors, beside where it had some before: for when its settings are gone."""
        had = _lines(self.folder(name) / _REMOTE)
        all_in_one = ", ".join(places)  # as it once was written
        known = tuple(dict.fromkeys((*(one for one in had if one != all_in_one or len(places) == 1), *places)))
        if known != had:
            write_atomic(self.folder(name) / _REMOTE, ["\n".join(known).encode()])
            reach("registry.remote_remembered")

    def remember_used(self, name: str, places: Collection[str]) -> None:
        """Vectors are put into these places from now on: whatever was taken out of them before."""
        emptied = _lines(self.folder(name) / _EMPTIED)
        if left := [one for one in emptied if one not in places]:
            if len(left) < len(emptied):
                write_atomic(self.folder(name) / _EMPTIED, ["\n".join(left).encode()])
        elif emptied:
            (self.folder(name) / _EMPTIED).unlink(missing_ok=True)

    def remote(self, name: str) -> tuple[str, ...]:
        """Where else a store ever had vectors, but where a command deleted them: one place each, the oldest first."""
        emptied = _lines(self.folder(name) / _EMPTIED)
        return tuple(one for one in _lines(self.folder(name) / _REMOTE) if one not in emptied)

    def left_elsewhere(self, name: str) -> tuple[str, ...]:
        """Those of `remote` that the settings of a store name no more: whoever forgets the store leaves them."""
        settings = self.known(name).settings
        return tuple(one for one in self.remote(name) if settings is not None and one not in settings.places)

    def remember_emptied(self, name: str, place: str) -> None:
        """A command deleted what a store left in a place: that is named no more, unless it is used again."""
        if name in self.entries() and place in self.left_elsewhere(name):
            emptied = _lines(self.folder(name) / _EMPTIED)
            write_atomic(self.folder(name) / _EMPTIED, ["\n".join((*emptied, place)).encode()])

    def delete(self, name: str) -> None:
        """Remove everything kept for a store. The vault is not touched. Raises DataDirError, and the store is kept."""
        folder = self.folder(self.known(name).name)
        if folder.exists():
            # out of sight first, so that a crash leaves no half store behind its name
            doomed = folder.with_name(f".{name}.{secrets.token_hex(4)}.deleted.tmp")
            try:
                folder.rename(doomed)
            except OSError as error:
                raise disk_error(error, str(folder)) from error
            reach("registry.doomed")
            try:
                shutil.rmtree(doomed)
            except OSError as error:  # it is a store no longer; the rest goes when the disk lets it
                log.warning("registry.remains_left", store=name, **error_fields(error))
            else:
                reach("registry.deleted")

    def sweep(self) -> None:
        """Finish deletions that a crash or a disk interrupted."""
        if self.root.is_dir():
            for doomed in self.root.glob(".*.deleted.tmp"):
                shutil.rmtree(doomed, ignore_errors=True)

    def _read(self, folder: Path) -> tuple[StoreSettings | None, str]:
        """What a command wrote; None where there is nothing, or with a reason nothing that can be read."""
        file = folder / "store.json"
        try:
            return StoreSettings.model_validate(json.loads(file.read_bytes())), ""
        except FileNotFoundError:
            return None, ""
        except (ValueError, OSError) as error:
            # One damaged store must not keep the others from starting; who gave a command is told where that matters.
            log.warning("store.settings_unreadable", store=folder.name, **error_fields(error))
            reason = error.strerror if isinstance(error, OSError) else "it is no store's settings"
            return None, f"{file} cannot be read: {reason}"


def _lines(file: Path) -> tuple[str, ...]:
    try:
        return tuple(file.read_text("utf-8").splitlines())
    except FileNotFoundError:
        return ()


def made_by_command(data_dir: Path, name: str) -> bool:
    """Whether a command made a store of this name, or an index on demand did."""
    return (data_dir / "stores" / name / "store.json").exists()


def with_once(settings: StoreSettings, path: Path, include: Sequence[str]) -> StoreSettings:
    """`settings` with what matches `include` below `path` among its sources, to be indexed on demand."""
    sources = list(settings.sources)
    for i, source in enumerate(sources):
        if path == source.path or source.path in path.parents:
            below = path.relative_to(source.path).as_posix()
            moved = include if below == "." else [_below(literal(below), pattern) for pattern in include]
            latest = list(dict.fromkeys(reversed([*source.include, *moved])))  # where some take back, the last decides
            sources[i] = source.model_copy(update={"include": tuple(reversed(latest))})
            break
    else:
        labels = {source.label for source in sources}
        label = path.name or "root"
        unique = next(n for n in (label, *(f"{label}-{i}" for i in range(2, 1000))) if n not in labels)
        sources.append(SourceSettings(path=path, name=unique, include=tuple(include), watch=False))
    return settings.model_copy(update={"sources": tuple(sources)})


def _below(folder: str, pattern: str) -> str:
    """A .gitignore pattern as it reads one `folder` further up, also one that takes back."""
    sign, bare = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    return f"{sign}/{folder}{bare if bare.startswith('/') else f'/**/{bare}'}"
