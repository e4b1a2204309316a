"""`vragd config show|check|path`."""

from __future__ import annotations

import argparse
from typing import Any

from vragd.cli.connect import load
from vragd.cli.reasons import on_sending
from vragd.cli.render import json_out, out, out_whole, say, within
from vragd.system.places import config_path


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
            sub.add_argument("--json", action="store_true", help="the answer as JSON")
        sub.set_defaults(command=command)


def _show(args: argparse.Namespace) -> int:
    from vragd.config import at_hand
    from vragd.config.showing import shown

    at_hand.refuse_missing(args.config)
    loaded = load(args)
    document = shown(loaded.config.model_dump(mode="json"))
    document["paths"] = {"data": str(loaded.data_dir), "socket": str(loaded.socket)}
    if args.json:
        json_out(document)
    else:
        import yaml

        out_whole(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())
    return 0


def _check(args: argparse.Namespace) -> int:
    from vragd.config import types
    from vragd.stores import overlooked, trial

    loaded = load(args, required=True)
    for what in overlooked.away(loaded.config):
        say(within(f"note: {what}"))
    if not loaded.config.stores:
        say("note: it names no store")
    for fault in types.packages(loaded.config):
        say(f"note: {fault}")
    for what in (*trial.unread(loaded.config), *overlooked.idle_patterns(loaded.config)):
        say(within(f"note: {what}"))
    for what in (*overlooked.open_elsewhere(loaded), *overlooked.kept_apart(loaded)):
        say(within(what if what.startswith(" ") else f"note: {what}"))
    trial.can_run(loaded)
    for name, store in loaded.config.stores.items():
        if store.rerank is not None and store.rerank.sends_to:
            say(within(f"note: each question to store {name} goes to {store.rerank.sends_to},"))
            say(f"  with up to {store.rerank.top} passages: to be re-ranked")
        if sending := trial.sent(store):
            say(within(f"note: when store {name} is first embedded by its model, or anew:"))
            say(within(f"  {on_sending(sending)}"))
    out(f"{loaded.file}: fine")
    return 0


def _path(args: argparse.Namespace) -> int:
    out_whole(str(config_path(args.config)))
    return 0
