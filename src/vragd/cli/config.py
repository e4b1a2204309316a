"""`vragd config show|check|path`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli.connect import load
from vragd.cli.render import json_out, out, say
from vragd.errors import ConfigError, VragdError
from vragd.system.places import config_path

if TYPE_CHECKING:
    from vragd.config.load import Loaded
    from vragd.config.settings import Config


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    top = commands.add_parser("config", help="show, check or find the configuration")
    group = top.add_subparsers(metavar="ACTION", required=True)
    for name, command, text in (
        ("show", _show, "the configuration in force, defaults included"),
        ("check", _check, "whether the file can be used"),
        ("path", _path, "where the file is looked for"),
    ):
        sub = group.add_parser(name, parents=[common], help=text)
        if name == "show":
            sub.add_argument("--json", action="store_true")
        sub.set_defaults(command=command)


def _show(args: argparse.Namespace) -> int:
    loaded = load(args)
    document = loaded.config.model_dump(mode="json")
    document["paths"] = {"data": str(loaded.data_dir), "socket": str(loaded.socket)}
    if args.json:
        json_out(document)
    else:
        import yaml

        out(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())
    return 0


def _check(args: argparse.Namespace) -> int:
    loaded = load(args, required=True)
    for name, store in loaded.config.stores.items():
        for source in store.sources:
            if not source.path.is_dir():
                say(f"note: source {source.path} of store {name} is not there now")
    if not loaded.config.stores:
        say("note: it names no store")
    _check_packages(loaded.config)
    _can_run(loaded)
    out(f"{loaded.file}: fine")
    return 0


def _check_packages(config: Config) -> None:
    """Notes on what installed packages register. Raises ConfigError where a store needs what cannot be used."""
    from vragd.backends import registry as backends
    from vragd.embed import registry as embedders

    for store in config.stores.values():
        for types, name in ((backends.TYPES, store.backend.type), (embedders.TYPES, store.embedder.type)):
            if name not in types.ours:
                types.load(name, types.noun)
    for fault in (*backends.TYPES.faults(), *embedders.TYPES.faults()):
        say(f"note: {fault}")


def _can_run(loaded: Loaded) -> None:
    """Raise what the daemon would: for places it cannot use, for an embedder or a backend it cannot make."""
    from tempfile import TemporaryDirectory

    from vragd.backends.registry import create_backend
    from vragd.embed.registry import create_embedder
    from vragd.system.files import could_be_private

    could_be_private(loaded.data_dir)
    could_be_private(loaded.socket.parent)
    for name, store in loaded.config.stores.items():
        try:
            create_embedder(store.embedder.type, store.embedder).close()
            with TemporaryDirectory() as empty:
                create_backend(store.backend.type, store.backend, Path(empty)).close()
        except VragdError as error:
            raise ConfigError(f"store {name!r}: {error.message}", hint=error.hint) from error


def _path(args: argparse.Namespace) -> int:
    out(str(config_path(args.config)))
    return 0
