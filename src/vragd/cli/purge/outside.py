"""What vragd put outside its data directory: units, logs, sockets, completion, entries of assistants, configuration."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.completion.scripts import installed
from vragd.cli.control import default_log
from vragd.cli.purge.thing import Found, Left, Thing, Vaults, is_empty_of_ours, is_own_file, tidy, unlinked
from vragd.cli.service.managers import Manager, default_log_file
from vragd.cli.service.units import is_ours
from vragd.cli.steps import Remove, Run
from vragd.errors import NoManager, VragdError
from vragd.system.files import bytes_below
from vragd.system.places import MACOS, config_path, default_socket

if TYPE_CHECKING:
    from vragd.config.load import Loaded

_IN_A_LOG = {"event", "level", "timestamp"}
_NO_VAULT = "it is inside the vault {}: nothing is changed there"


def units(chosen: Manager, vaults: Vaults, into: Found) -> None:
    """The service of systemd or launchd."""
    files = [one.path for one in chosen.uninstall() if isinstance(one, Remove) and os.path.lexists(one.path)]
    if vault := next((vault for file in files if (vault := vaults.around(file))), None):
        into.left += [Left(str(file), _NO_VAULT.format(vault)) for file in files]
        return
    foreign = [file for file in files if not _is_unit(file)]
    into.left += [Left(str(file), "vragd did not write it") for file in foreign]
    files = [file for file in files if file not in foreign]
    links = [link for file in files for link in file.parent.glob(f"*.wants/{file.name}")]
    for number, file in enumerate(files):
        remove = partial(_uninstalled, chosen, [*files, *links], foreign) if number == 0 else list
        into.things.append(Thing("service", file, remove, _size(file)))


def _is_unit(file: Path) -> bool:
    with suppress(OSError):
        return is_own_file(file) and is_ours(file.read_text("utf-8", "replace"))
    return False


def _uninstalled(chosen: Manager, files: Sequence[Path], foreign: Sequence[Path]) -> list[Left]:
    """`foreign`: what the manager would take for ours, by its name."""
    with suppress(NoManager):
        chosen.check()
        names = {file.name for file in foreign}
        for step in chosen.uninstall():
            if isinstance(step, Run):
                _quietly(Run([word for word in step.argv if word not in names], tolerate=True))
            elif not (isinstance(step, Remove) and step.path in foreign):
                _quietly(step)
    return [left for file in files for left in unlinked(file)]


def _quietly(step: Any) -> None:
    from vragd.cli.steps import ask

    if isinstance(step, Run):
        ask(step.argv)
    elif isinstance(step, Remove):
        with suppress(OSError):  # it is said of what is there in the end
            step.path.unlink(missing_ok=True)
    else:
        step.do()


def logs(data: Path, loaded: Loaded | None, vaults: Vaults, into: Found) -> None:
    """The log files of whoever has this data directory, and the older ones beside them."""
    own = [default_log(data), *([default_log_file()] if MACOS else [])]
    places = list(own)
    if loaded is not None and loaded.config.log.file is not None:
        places.append(loaded.config.log.file)
    for place in dict.fromkeys(places):
        older = re.compile(re.escape(place.name) + r"(?:\.\d+)?")
        for file in sorted(place.parent.glob("*")) if place.parent.is_dir() else ():
            if not older.fullmatch(file.name):
                continue
            if vault := vaults.around(file):
                into.left.append(Left(str(file), _NO_VAULT.format(vault)))
            elif is_own_file(file) and _is_log(file, may_be_empty=place in own):
                into.things.append(Thing("log", file, partial(unlinked, file), _size(file)))
            else:
                into.left.append(Left(str(file), "it does not begin as a log of vragd's"))


def _is_log(file: Path, *, may_be_empty: bool) -> bool:
    try:
        with file.open("rb") as opened:
            first = opened.readline(65_536)
        return may_be_empty if not first else set(json.loads(first)) >= _IN_A_LOG
    except (OSError, ValueError, TypeError):
        return False


def sockets(places: Sequence[Path], held: Path | None, vaults: Vaults, into: Found) -> None:
    """Sockets that were left, and that of the daemon that is stopped (`held`); the folder goes with the last one."""
    for place in dict.fromkeys([*places, *([held] if held else []), default_socket()]):
        with suppress(OSError):
            if is_empty_of_ours(place.parent) and not vaults.around(place):  # a daemon that ended took its socket along
                into.things.append(Thing("folder", place.parent, partial(_without_socket, place)))
                continue
            info = place.lstat()
            if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.geteuid():
                into.left.append(Left(str(place), "it is no socket of yours"))
            elif vault := vaults.around(place):
                into.left.append(Left(str(place), _NO_VAULT.format(vault)))
            elif place != held and _answers(place):
                into.left.append(Left(str(place), "another daemon answers there"))
            else:
                into.things.append(Thing("socket", place, partial(_without_socket, place)))


def _without_socket(place: Path) -> list[Left]:
    if _answers(place):
        return [Left(str(place), "a daemon answers there")]
    with suppress(OSError):
        if stat.S_ISSOCK(place.lstat().st_mode):
            return unlinked(place)
    tidy(place.parent)
    return []


def _answers(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(place))
        except OSError:
            return False
    return True


def completion(vaults: Vaults, into: Found) -> None:
    """The files of `vragd completion --install`."""
    for file in installed():
        if vault := vaults.around(file):
            into.left.append(Left(str(file), _NO_VAULT.format(vault)))
        else:
            into.things.append(Thing("completion", file, partial(unlinked, file), _size(file)))


def assistants(module: Any, vaults: Vaults, into: Found) -> None:
    """The entries of `vragd mcp install`; `module` knows them (this room may not)."""
    for entry in module.entries():
        vault = vaults.around(entry.path)
        if why := entry.fault or (vault and _NO_VAULT.format(vault)):
            into.left.append(Left(f"{entry.path} ({entry.title})", why))
        else:
            into.things.append(Thing("assistant", entry.path, partial(_taken_out, module, entry), said=entry.title))


def _taken_out(module: Any, entry: Any) -> list[Left]:
    try:
        module.take_out(entry)
    except VragdError as error:
        return [Left(f"{entry.path} ({entry.title})", error.message)]
    return []


def configuration(args: argparse.Namespace, vaults: Vaults, into: Found) -> None:
    """The configuration file and what it was before its last change: the user's own, and removed only if asked for."""
    file = config_path(args.config)
    for one in (file, file.with_name(file.name + ".bak")):
        if not os.path.lexists(one):
            continue
        if vault := vaults.around(one):
            into.left.append(Left(str(one), _NO_VAULT.format(vault)))
        elif not args.config_too:
            into.left.append(Left(str(one), "it is yours: --config-too removes it, too"))
        elif not is_own_file(one):
            into.left.append(Left(str(one), "it is no ordinary file of yours"))
        else:
            into.things.append(Thing("configuration", one, partial(unlinked, one), _size(one)))


def elsewhere(loaded: Loaded | None) -> Iterator[tuple[str, str]]:
    """Each store whose vectors are where others may feed them, too, and where that is."""
    if loaded is None:
        return
    from vragd.stores.registry import Registry

    registry = Registry(loaded)
    for name, entry in registry.entries().items():
        if not registry.folder(name).exists():
            continue  # it never ran: nothing was put there
        settings = entry.settings
        if where := settings.elsewhere() if settings else ", ".join(registry.remote(name)):
            yield name, where


def left_elsewhere(loaded: Loaded | None, into: Found) -> None:
    """The places where a store had vectors once: no settings lead there, so nobody can have them removed."""
    if loaded is None:
        return
    from vragd.stores.registry import Registry

    registry = Registry(loaded)
    for name in registry.entries():
        for place in registry.left_elsewhere(name):
            into.left.append(Left(f"{place} (store {name})", "it is in no settings now: what is left is removed there"))


def _size(file: Path) -> int:
    return bytes_below(file) if file.is_dir() else file.lstat().st_size
