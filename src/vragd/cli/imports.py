"""`vragd import`: passages and vectors that another program made, as a store of their own."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli import bucket
from vragd.cli.connect import load
from vragd.cli.moving import Told, broken_off, outcome, size_of
from vragd.cli.offers import seconds_for
from vragd.cli.render import ago, plural, say, sized
from vragd.errors import UsageError
from vragd.system.files import private_dir, write_atomic
from vragd.system.places import expanded

if TYPE_CHECKING:
    from vragd.config.load import Loaded
    from vragd.stores.moves.sound import Ready


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "import", parents=[common], help="make a store of what another program embedded",
        description="Makes a store of passages and vectors that are there already. What is imported is only read, and"
        " the store is frozen: no folder feeds it. docs/moving.md says more.",
    )  # fmt: skip
    sub.add_argument("kind", choices=KINDS, help="what it is")
    sub.add_argument("path", help="the file, or the folder")
    sub.add_argument("-s", "--store", required=True, help="what the store is to be called")
    sub.add_argument(
        "--ollama", dest="model", metavar="MODEL", help="its vectors are of this Ollama model (else: one in use)"
    )
    sub.add_argument("--collection", metavar="NAME", help="which of several that the folder holds")
    sub.add_argument("--reembed", action="store_true", help="embed the texts again, and leave the vectors")
    sub.add_argument(
        "--unchecked", action="store_true", help="take the vectors though no model here made them: no text finds them"
    )
    sub.add_argument("-n", "--dry-run", action="store_true", help="say what would be done")
    bucket.add_flags(sub)
    sub.set_defaults(command=_import)


KINDS = ("jsonl", "llamaindex", "chroma", "vector-rag-tool")


def _import(args: argparse.Namespace) -> int:
    from vragd.stores import elsewhere
    from vragd.stores.moves import foreign, imported, nearby, places, sound, transfer

    if args.reembed and args.unchecked:
        raise UsageError("--reembed makes new vectors, --unchecked takes the old ones", hint="leave one of them out")
    loaded, path = load(args), expanded(args.path).absolute()
    origin: Ready
    with ExitStack() as stack:
        found = foreign.open_as(args.kind, path, args.collection)
        stack.callback(found.close)
        transfer.check_some(sound.Sound(found, with_vector=not args.reembed))
        candidates = elsewhere.embedders(loaded.config, args.model)
        if args.reembed:
            origin = stack.enter_context(sound.embedded_again(found, candidates[0], loaded.data_dir))
        else:
            origin, told_of = sound.of_known_model(found, candidates, loaded.data_dir, unchecked=args.unchecked)
            if told_of:
                say(f"its vectors are of {told_of}")
        place = stack.enter_context(bucket.maybe(args) if bucket.wanted(args) else _imported(loaded, args.store))
        assert place is not None
        places.place_outside_notes(place, loaded)
        transfer.check(place, args.store, origin.shape, origin.count)
        _announce(args, origin, path, place.where())
        if args.dry_run:
            return 0
        if not bucket.wanted(args):
            private_dir(private_dir(loaded.data_dir) / bucket.IMPORTED)
        mark = None if bucket.wanted(args) else imported.unfinished(loaded.data_dir, args.store)
        if mark and not imported.imported_file(loaded.data_dir, args.store).exists():
            write_atomic(mark, [])
        with Told(origin.count) as told, broken_off(told, args.store, place.where()):
            info = transfer.make(place, args.store, origin.shape)
            if mark:  # one that is whole is so until now: what cannot be put there changes nothing
                write_atomic(mark, [])
            with_text = getattr(place.settings, "remote_text", None)
            moved = transfer.transfer(origin, place.backend, info.name, told.progress, with_text)
        outcome(moved, args.store, place.where(), imported=mark is not None)
        if mark:
            if args.kind != "jsonl":  # which is offered nowhere
                nearby.remember_origin(loaded.data_dir, args.store, path)
            mark.unlink(missing_ok=True)
    size = size_of(path)
    say(f"{path} was only read: it takes {sized(size)}, and may go when nobody else uses it")
    if origin.shape.space:
        at = " --backend URL" if bucket.wanted(args) else ""
        say(f"try: vragd query{at} -s {args.store} …")
        if not at:
            say("it is asked by that name alone: a question that names no store asks those on notes")
    return 0


def _imported(loaded: Loaded, name: str) -> Any:
    from vragd.stores.moves import imported, places

    places.check_free(loaded, imported.checked_name(name))
    return imported.opened_import(loaded.data_dir, name)


def _announce(args: argparse.Namespace, origin: Ready, path: Path, where: str) -> None:
    from vragd.stores.moves import transfer

    size, count = size_of(path), origin.count
    what = plural(count, "passage") if count is not None else "passages"
    shape = origin.shape
    model = shape.model or "a model nobody knows: vragd.open_backend alone asks it"
    say(f"{origin.title}: {what}, {shape.dimension:,}-d {shape.metric}, {sized(size)}; of {model}")
    need = transfer.needs_mib(shape, count)
    took = "" if args.reembed or count is None else f", in about {ago(seconds_for(size, count))}"
    again = " All texts are embedded again." if args.reembed else ""
    room = f": about {need} MiB" if need else ""
    say(f"It becomes store {args.store} in {where}{room}{took}.{again}")
