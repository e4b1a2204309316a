"""`vragd store copy`: what a store holds into another backend, without embedding anything."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from vragd.cli import bucket
from vragd.cli.connect import load
from vragd.cli.moving import Told, broken_off, outcome
from vragd.cli.render import plural, say
from vragd.errors import UsageError

if TYPE_CHECKING:
    from vragd.stores.elsewhere import Place
    from vragd.stores.moves.sound import Sound


def add(group: Any, common: argparse.ArgumentParser) -> None:
    sub = group.add_parser(
        "copy", parents=[common], help="copy what a store holds into another backend, without embedding",
        description="Copies the passages and vectors of a store into an index of another backend. Nothing is embedded,"
        " nothing there is deleted; run again, it goes on where it was. docs/moving.md says how a store itself moves.",
    )  # fmt: skip
    sub.add_argument("name", metavar="STORE", help="what is copied: a store, or what was imported")
    sub.add_argument("to", metavar="NAME", help="what the index is to be called there")
    sub.add_argument("--from", dest="origin", metavar="URL", help="where it is now, if that is another backend, too")
    sub.add_argument("-n", "--dry-run", action="store_true", help="say what would be done")
    bucket.add_flags(sub)
    sub.set_defaults(command=_copy)


def _copy(args: argparse.Namespace) -> int:
    from vragd.stores.moves import places, sound, transfer

    if not bucket.wanted(args):
        raise UsageError("--backend says where to", hint="such as --backend sqlite:PATH; docs/backends.md has them all")
    loaded = load(args)
    with ExitStack() as stack:
        place = stack.enter_context(bucket.maybe(args))
        assert place is not None
        source = None if args.origin is None else stack.enter_context(bucket.named("--from", args.origin))
        if source is not None and source.where() == place.where() and args.name == args.to:
            raise UsageError(f"{args.name} cannot be copied onto itself", hint="name another index, or another place")
        places.place_outside_notes(place, loaded)
        found = stack.enter_context(places.origin_of(loaded, args.name, source))
        found.with_text = False  # one that was put without its text is as it was
        origin = sound.Sound(found)
        transfer.check_some(origin)
        transfer.check(place, args.to, origin.shape, origin.count)
        _announce(origin, place, args.to)
        if args.dry_run:
            return 0
        with Told(origin.count) as told, broken_off(told, args.to, place.where()):
            info = transfer.make(place, args.to, origin.shape)
            with_text = getattr(place.settings, "remote_text", None)
            moved = transfer.transfer(origin, place.backend, info.name, told.progress, with_text)
        outcome(moved, args.to, place.where())
    say(f"try: vragd query --backend URL -s {args.to} …")
    return 0


def _announce(origin: Sound, place: Place, name: str) -> None:
    from vragd.stores.moves import transfer

    count, shape = origin.count, origin.shape
    what = plural(count, "passage") if count is not None else "passages"
    say(f"{origin.title}: {what}, {shape.dimension:,}-d {shape.metric}, of {shape.model or 'a model nobody knows'}")
    text = "with its text" if getattr(place.settings, "remote_text", False) else "without text (?remote_text=true)"
    need = transfer.needs_mib(shape, count)
    room = f": about {need} MiB there" if need else ""
    say(f"It is copied to {name} in {place.where()}, {text}{room}, nothing is embedded.")
    if advice := place.settings.advice(count):
        say(advice)
