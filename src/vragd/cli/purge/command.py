"""`vragd purge`: say what is vragd's, ask, remove it."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.commands import spelt
from vragd.cli.connect import data_dir_of, load
from vragd.cli.purge.running import holder_of, refusal, stop
from vragd.cli.render import json_out, out, plural, say, sized, within
from vragd.errors import ConfigError, UsageError, VragdError
from vragd.system.places import config_path

if TYPE_CHECKING:
    from vragd.cli.purge.thing import Found, Left, Thing, Vaults
    from vragd.config.load import Loaded
    from vragd.system.lock import Holder

FAILED = VragdError.exit_status
ELSEWHERE = (
    "data of another --data-dir; vragd purge --data-dir DIR does",
    "what mcp install --project wrote; --undo there takes it out",
)
"""What nobody here can know of."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "purge",
        parents=[common],
        help="take off this machine what vragd put there",
        description="Lists what is vragd's, asks, stops the daemon, and removes it. Your notes stay, and so does"
        " everything that vragd did not make.",
    )
    sub.add_argument("-y", "--yes", action="store_true", help="do not ask; what others may feed stays")
    sub.add_argument("--dry-run", action="store_true", help="only list it")
    sub.add_argument("--config-too", action="store_true", help="the configuration file, too")
    sub.add_argument("--shared-too", action="store_true", help="vectors that other machines may feed, too")
    sub.add_argument("--json", action="store_true", help="what was removed and what was left, as JSON")
    sub.set_defaults(command=_purge)


def _purge(args: argparse.Namespace) -> int:
    if args.json and not (args.yes or args.dry_run):
        raise UsageError("with --json nobody is asked", hint="vragd purge --json --yes, or --dry-run")
    from vragd.system import log

    log.set_up(level="error")  # on standard error: what is not ours to log goes nowhere else
    loaded = _loaded(args)
    data = loaded.data_dir if loaded else data_dir_of(args)
    vaults, holder = _vaults(args, loaded, data), holder_of(data)
    refused = refusal(data, holder)
    found = _look(args, loaded, data, vaults, holder)
    asked = _shared(args, loaded, found)
    if not args.json:
        _print(found, holder if refused is None else None)
        for what in ELSEWHERE:
            say(f"not looked for: {what}")
        if refused is not None and args.dry_run:
            say(refused.message)
    if args.dry_run or not (found.things or asked):
        if args.json:
            _json(found, done=not args.dry_run)
        return 0
    if refused is not None:
        raise refused
    if not _agreed(args):
        say("nothing was removed")
        return 1
    wanted = list[tuple[str, str]]()
    for name, where in asked:
        if _asked(f"Remove what store {name} has in {where}? Others may feed it."):
            wanted.append((name, where))
        else:
            found.left.append(_shared_left(name, where))
    _list_shared(loaded, wanted, found)
    return _done(args, data, found)


def _loaded(args: argparse.Namespace) -> Loaded | None:
    """The configuration; None where it cannot be used, which is no reason to stay."""
    try:
        return load(args)
    except ConfigError as error:
        say(f"note: {error.message}")
        say("note: the configuration cannot be used; what it alone knows of is not looked for")
        return None


def _vaults(args: argparse.Namespace, loaded: Loaded | None, data: Path) -> Vaults:
    from vragd.cli.init import known_vaults
    from vragd.cli.purge.thing import Vaults, paths_in
    from vragd.stores.registry import Registry

    folders = known_vaults()
    if loaded is not None:
        for entry in Registry(loaded).entries().values():
            folders += [source.path for source in entry.settings.sources] if entry.settings else []
            if entry.damaged:
                say(within(f"note: {entry.damaged}"))
                folders += paths_in(data / "stores" / entry.name / "store.json")
    else:  # whatever may be a source, lest one is taken for ours
        for file in (config_path(args.config), *data.glob("stores/*/store.json")):
            folders += paths_in(file)
    return Vaults.of(folders)


def _kept(loaded: Loaded | None) -> dict[str, str]:
    """By store, what files its backend keeps in its folder; under '' those of a store that nobody knows."""
    from vragd.config.settings import kept_by
    from vragd.stores.registry import Registry

    entries = Registry(loaded).entries() if loaded else {}
    backends = {name: entry.settings.backends if entry.settings else (None,) for name, entry in entries.items()}
    return {"": kept_by(None), **{name: "|".join(map(kept_by, some)) for name, some in backends.items()}}


def _look(
    args: argparse.Namespace, loaded: Loaded | None, data: Path, vaults: Vaults, holder: Holder | None
) -> Found:  # fmt: skip
    from vragd.cli.purge import outside
    from vragd.cli.purge.running import other
    from vragd.cli.purge.thing import Found
    from vragd.cli.service.managers import manager

    why = other(args, loaded, data, holder)
    found = Found()
    outside.units(manager(), vaults, found)
    _leave(found, why)
    _look_at_data(data, vaults, _kept(loaded), found)
    outside.sockets([loaded.socket] if loaded else [], holder.socket if holder else None, vaults, found)
    common = Found()
    outside.logs(data, loaded, vaults, common)
    outside.completion(vaults, common)
    outside.assistants(args.assistants(), vaults, common)
    outside.configuration(args, vaults, common)
    _leave(common, why)
    return Found(found.things + common.things, found.left + common.left)


def _leave(found: Found, why: str | None) -> None:
    """With a reason, nothing of this goes: it may be another daemon's as well."""
    from vragd.cli.purge.thing import Left

    if why is not None:
        found.left += [Left(f"{one.path} ({one.said})" if one.said else str(one.path), why) for one in found.things]
        found.things.clear()


def _look_at_data(data: Path, vaults: Vaults, kept: dict[str, str], found: Found) -> None:
    from vragd.cli.purge.data import has_mark, inventory, removed
    from vragd.cli.purge.thing import Left, Thing

    if not data.is_symlink() and not data.exists():
        return
    if vault := vaults.around(data):
        found.left.append(Left(str(data), f"it is inside the vault {vault}: nothing is changed there"))
    elif data.is_symlink():
        found.left.append(Left(str(data), "it is a link: --data-dir with the folder that it leads to, if it is ours"))
    elif not has_mark(data):
        found.left.append(Left(str(data), "it has no lock of vragd's: nothing says that it is ours"))
    else:
        there = inventory(data, vaults, kept)
        found.left += there.foreign
        found.things.append(Thing("data", data, partial(removed, data, vaults, kept), there.size))
        found.things += _imported(data)


def _imported(data: Path) -> list[Thing]:
    """What was imported, which goes with the data directory: named, as no notes are there to make it again."""
    from vragd.cli.bucket import IMPORTED, imported
    from vragd.cli.purge.thing import Thing

    folder = data / IMPORTED
    if folder.is_symlink() or not folder.is_dir():
        return []
    said = {file: "it holds nothing" for file in folder.glob("*.db") if not file.stat().st_size}
    for row in imported(data, lambda file, error: said.setdefault(file, error.message)):
        count = plural(row["vectors"], "passage")
        said[folder / f"{row['name']}.db"] = f"store {row['name']}, {count}; {spelt('vragd export keeps it')}"
    return [Thing("imported", file, list, said=what) for file, what in said.items()]


def _shared(args: argparse.Namespace, loaded: Loaded | None, found: Found) -> list[tuple[str, str]]:
    """List what is elsewhere among what goes or what stays; what has to be asked about: store, place."""
    from vragd.cli.purge import outside

    outside.left_elsewhere(loaded, found)
    there = list(outside.elsewhere(loaded))
    if args.shared_too:
        _list_shared(loaded, there, found)
        return []
    if not (args.yes or args.dry_run):
        return there
    found.left += [_shared_left(name, where) for name, where in there]
    return []


def _list_shared(loaded: Loaded | None, there: list[tuple[str, str]], found: Found) -> None:
    """Put it before the data directory, which alone says what is there. The first one removes all."""
    from vragd.cli.purge.thing import Thing

    things = list[Thing]()
    for number, (name, where) in enumerate(there):
        remove = partial(_forgotten, loaded, [one for one, _ in there]) if number == 0 else list
        things.append(Thing("shared", where, remove, said=f"store {name}"))
    found.things[:0] = things


def _shared_left(name: str, where: str) -> Left:
    from vragd.cli.purge.thing import Left

    return Left(f"{where} (store {name})", "others may feed it: --shared-too removes what the store has there")


def _agreed(args: argparse.Namespace) -> bool:
    if args.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", hint="vragd purge --yes; or --dry-run, which only lists")
    return _asked("Remove all of that? Your notes stay.")


def _asked(question: str) -> bool:
    say(within(f"{question} [y/N]"))
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _done(args: argparse.Namespace, data: Path, found: Found) -> int:
    for thing in (one for one in found.things if one.kind == "service"):
        found.left += thing.remove()
    stop(data)
    kept: list[Left] = []
    for thing in (one for one in found.things if one.kind != "service"):
        kept += [left for left in thing.remove() if left not in found.left]
    found.left += kept
    if args.json:
        _json(found, done=not kept)
    else:
        for left in kept:
            _print_left(left)
        say("removed, but for what stays" if found.left else "removed: nothing of vragd's is left here")
        from vragd.cli.purge.program import removal

        say(f"The program itself goes as it came: {removal(Path(sys.prefix))}")
    return FAILED if kept else 0


def _forgotten(loaded: Loaded | None, names: list[str]) -> list[Left]:
    """Have the backends of these stores forget them."""
    from vragd.cli.purge.thing import Left
    from vragd.daemon.local import Local

    if loaded is None:  # then nobody knew of one
        return []
    try:
        local = Local(loaded)
    except VragdError as error:
        return [Left(f"what is elsewhere of {', '.join(names)}", error.message)]
    left = []
    try:
        for name in names:
            try:
                local.request("DELETE", f"/v1/stores/{name}", None)
            except VragdError as error:
                left.append(Left(f"what is elsewhere of store {name}", error.message))
    finally:
        local.close()
    return left


def _print(found: Found, stopped: Holder | None) -> None:
    for thing in found.things:
        said = f" ({thing.said})" if thing.said else ""
        out(within(f"{thing.kind:13} {_size(thing.size):>9}  {thing.path}{said}"), 25)
    for left in found.left:
        _print_left(left)
    if stopped is not None:
        say(f"a daemon runs (pid {stopped.pid}); it is stopped first")
    if not found.things:
        say("there is nothing of vragd's to remove")
    else:
        size = _size(sum(thing.size for thing in found.things))
        say(plural(len(found.things), "thing") + (f", {size}" if size else ""))


def _print_left(left: Left) -> None:
    out(within(f"stays  {left.path}"), 7)
    out(within(f"       {left.why}"), 7)


def _size(size: int) -> str:
    return sized(size) if size else ""


def _json(found: Found, *, done: bool) -> None:
    rows = [{"kind": one.kind, "path": str(one.path), "bytes": one.size} for one in found.things]
    left = [{"path": one.path, "why": one.why} for one in found.left]
    json_out({"things": rows, "left": left, "done": done})
