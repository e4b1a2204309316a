"""`vragd add`, `remove` and `list`: the folders that are searched, in the configuration file."""

from __future__ import annotations

import argparse
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.connect import data_dir_of
from vragd.cli.control import reload, say_failed, status_of
from vragd.cli.init import not_a_commands, write_new
from vragd.cli.offers import offers, print_offers
from vragd.cli.reasons import on_sending
from vragd.cli.render import json_out, out, say, the_page, within
from vragd.errors import ConfigError, UsageError
from vragd.system.places import config_path, data_dir, named, socket_path

if TYPE_CHECKING:
    from vragd.config.settings import Config, SourceSettings

Status = dict[str, Any]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("add", parents=[common], help="search another vault or folder, too")
    sub.add_argument("path", nargs="+", help="its folder; it is only ever read")
    sub.add_argument("-s", "--store", help="the store it belongs to (default: the only one, or notes)")
    sub.add_argument("--name", help="what hits call it (default: the folder's own name)")
    sub.set_defaults(command=_add, makes_config=True)
    sub = commands.add_parser("remove", parents=[common], help="search a vault or folder no more; it stays as it is")
    sub.add_argument("path", nargs="+", help="its folder, or what hits call it")
    sub.add_argument("-s", "--store", help="only in this store")
    sub.set_defaults(command=_remove)
    sub = commands.add_parser("list", parents=[common], help="the vaults and folders that are searched")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_list)


def _add(args: argparse.Namespace) -> int:
    from vragd.config import edit

    if args.name and len(args.path) > 1:
        raise UsageError("--name is for one folder", hint="add them one by one")
    folders = [named(path) for path in args.path]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder", hint="name the vault's own folder")
    file = config_path(args.config)
    if not file.exists():
        _refuse_if_gone(args, file)
        return write_new(args, folders)
    text = before = _read(file)
    store = _store_for(_parsed(text, file), args.store)
    if store not in _parsed(text, file).stores:
        not_a_commands(data_dir_of(args), store)
    done = []
    for folder in folders:
        parsed = _parsed(text, file)
        if same := [one for name, _, one in _sources(parsed) if name == store and _key(one.path) == _key(folder)]:
            if not _is(same[0], folder):
                raise UsageError(
                    f"another folder of that name is in store {store}, written with other code points: {same[0].path}",
                    hint="rename one of them: vragd takes both for one name",
                )
            say(within(f"as is  {folder} is in store {store} already"))
            continue
        source = {"path": str(folder)} | ({"name": args.name} if args.name else {})
        text = edit.with_source(text, str(file), store, source)
        done.append(f"added  {folder} to store {store}")
    if text != before:
        _write(args, file, text, done)
        _say_what_leaves(_parsed(text, file), store, folders)
        print_offers(offers(data_dir_of(args), folders), "       ")
        _tell(args, file)
    return 0


def _refuse_if_gone(args: argparse.Namespace, file: Path) -> None:
    """Raise ConfigError where a daemon goes on with what the file said: another would take all of that out."""
    status = status_of(args)
    if status and status["config"] and _key(status["config"]) == _key(file):
        raise ConfigError(
            f"{file} is gone, and the daemon goes on with what it said",
            hint="put it back; or vragd init with every folder that vragd status lists, then vragd reload",
        )


def _say_what_leaves(parsed: Config, store: str, folders: Sequence[Path]) -> None:
    """What embedding these folders sends to another machine, before the daemon knows of them."""
    from vragd.stores import trial

    settings = parsed.stores[store]
    new = tuple(source for source in settings.sources if any(_is(source, folder) for folder in folders))
    if sending := trial.sent(settings.model_copy(update={"sources": new})):
        say(within(on_sending(sending)))


def _remove(args: argparse.Namespace) -> int:
    from vragd.config import edit

    file = config_path(args.config)
    text, done = _read(file) if file.exists() else "", []
    for path in args.path:
        folder = named(path)
        found = [
            (store, number, source)
            for store, number, source in _sources(_parsed(text, file))
            if (_is(source, folder) or _composed(source.label) == _composed(path)) and args.store in (None, store)
        ]
        if not found:
            made = [
                name for _, name, source in _of_commands(args)
                if (_is(source, folder) or _composed(source.label) == _composed(path)) and args.store in (None, name)
            ]  # fmt: skip
            if made:
                raise UsageError(f"{path} is in a store that a command made", hint=f"vragd store delete {made[0]}")
            known = dict.fromkeys(str(source.path) for _, _, source in _sources(_parsed(text, file)))
            hint = f"one of: {', '.join(known)}" if known else "vragd list: it names no folder"
            raise UsageError(f"{path} is in no store of {file}", hint=hint)
        if len(found) > 1:
            raise UsageError(
                f"{path} is in several stores", hint=f"-s {' or -s '.join(store for store, _, _ in found)}"
            )
        ((store, number, source),) = found
        text = edit.without_source(text, str(file), store, number)
        done.append(f"removed {source.path} from store {store}; the folder stays as it is")
    _write(args, file, text, done)
    _tell(args, file)
    return 0


def _list(args: argparse.Namespace) -> int:
    file = config_path(args.config)
    parsed = _parsed(_read(file), file) if file.exists() else None
    status = status_of(args) or {}
    known = {(row["name"], _key(one["path"])): one for row in status.get("stores", ()) for one in row["sources"]}
    rows = [
        {"store": store, "name": source.label, "path": str(source.path),
         "obsidian": (source.path / ".obsidian").is_dir(), "origin": origin,
         "state": _state(source, known.get((store, _key(source.path))), status)}
        for origin, store, source in (*_configured(parsed), *_of_commands(args))
    ]  # fmt: skip
    if args.json:
        json_out({"config": str(file), "sources": rows})
        return 0
    for row in rows:
        kind = "vault" if row["obsidian"] else "folder"
        said = within(f"{row['name']:20} {row['store']:12} {kind:7} {row['state']:24}")
        if the_page("never").width:  # a path alone may take a line
            out(said, 2)
            out(within(f"  {row['path']}"), 2)
        else:
            out(within(f"{said} {row['path']}"))
    if not rows:
        say(f"{file} names no folder" if parsed else f"there is no configuration at {file}: vragd add PATH writes one")
    return 0


STATES = {
    "new": "not looked at yet", "ok": "searched", "offline": "not there: kept as it was",
    "permission": "not readable: kept", "root_changed": "another folder: kept",
}  # fmt: skip


def _state(source: SourceSettings, known: Status | None, status: Status) -> str:
    if known:
        if known["state"] == "ok" and known["scanned_s_ago"] is None:
            return "being looked at" if known["watching"] != "off" else "as it was indexed"
        return STATES.get(known["state"], str(known["state"]))
    if not source.path.is_dir():
        return "not there"
    return "not taken up: vragd status" if status else "no daemon runs"


def _configured(parsed: Config | None) -> Iterator[tuple[str, str, SourceSettings]]:
    yield from (("config", store, source) for store, _, source in (_sources(parsed) if parsed else ()))


def _of_commands(args: argparse.Namespace) -> list[tuple[str, str, SourceSettings]]:
    """The folders of stores that `vragd index` and `vragd store create` made."""
    from vragd.cli.connect import load
    from vragd.stores.registry import Registry
    from vragd.system import log

    log.set_up(level="error")
    entries = Registry(load(args)).entries().values()
    return [
        ("command", one.name, source)
        for one in entries if one.origin == "command" and one.settings for source in one.settings.sources
    ]  # fmt: skip


def _sources(parsed: Config) -> Iterator[tuple[str, int, SourceSettings]]:
    for store, settings in parsed.stores.items():
        for number, source in enumerate(settings.sources):
            yield store, number, source


def _is(source: SourceSettings, folder: Path) -> bool:
    """Whether it is that folder, however composed; of two that are there and differ by that alone it is one."""
    if source.path.is_dir() and folder.is_dir():
        return source.path.samefile(folder)
    return _key(source.path) == _key(folder)


def _key(path: Path | str) -> str:
    """Equal for paths that lead to one place, however they are composed."""
    return _composed(os.path.realpath(path))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _store_for(parsed: Config, asked: str | None) -> str:
    names = list(parsed.stores)
    if asked:
        return asked
    if len(names) == 1 or "notes" in names:
        return "notes" if "notes" in names else names[0]
    if not names:
        return "notes"
    raise UsageError("to which store?", hint=" or ".join(f"-s {name}" for name in names))


def _read(file: Path) -> str:
    from vragd.config.load import read

    return read(file)


def _parsed(text: str, file: Path) -> Config:
    from vragd.config import load

    return load.parse(text, str(file))


def _write(args: argparse.Namespace, file: Path, text: str, done: Sequence[str]) -> None:
    """Replace the file, if what it will say can be used, and say what was `done`; what it said before is beside it."""
    from vragd.config import load
    from vragd.system.files import vault_around, write_atomic

    parsed = _parsed(text, file)
    try:
        load.check_places(
            [(name, source) for name, _, source in _sources(parsed)],
            data_dir(args.data_dir, parsed.paths.data),
            socket_path(args.socket, parsed.paths.socket),
            log_file=parsed.log.file,
            vectors=[(n, kept) for n, store in parsed.stores.items() for one in store.backends for kept in one.files()],
        )
    except ConfigError as error:
        called = "called" in error.message
        raise ConfigError(error.message, hint="--name NAME gives it another" if called else error.hint) from None
    there = file.resolve()  # whoever links to it keeps the link
    if not there.is_file():  # a device would be replaced by a file
        raise ConfigError(f"{file} is no ordinary file", hint="change what it is made from")
    was, mode = there.read_bytes(), there.stat().st_mode & 0o777
    folders = [
        source.path for one in (_parsed(was.decode("utf-8-sig"), file), parsed) for _, _, source in _sources(one)
    ]
    inside = vault_around(there) or next((one for one in folders if one.resolve() in there.parents), None)
    if inside:
        raise ConfigError(
            f"{there} is inside the vault {inside}, where vragd never writes",
            hint="edit it there, and then: vragd reload; or keep it elsewhere",
        )
    mark = "\ufeff" if was.startswith(b"\xef\xbb\xbf") else ""
    backup = there.with_name(there.name + ".bak")
    for path, content in ((backup, was), (there, (mark + text).encode())):
        write_atomic(path, [content])
        path.chmod(mode)
    for line in done:
        out(within(line))
    out(f"wrote  {file} (as it was: {backup})")


def _tell(args: argparse.Namespace, file: Path) -> None:
    """Have the daemon load its configuration again, and say whether it did."""
    status = status_of(args)
    if status is None:
        say("no daemon runs: vragd run, or vragd service start, takes it up")
        return
    if status["config"] is None or os.path.realpath(status["config"]) != os.path.realpath(file):
        say(f"the daemon that answers has another configuration: {status['config']}")
        return
    now = reload(args, status)
    say("the daemon has taken it up; vragd status says how far it is")
    say_failed(now)
