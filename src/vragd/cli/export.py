"""`vragd export`: a store in a file that other programs read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vragd.cli import bucket
from vragd.cli.connect import load
from vragd.cli.moving import Told, said
from vragd.cli.render import plural, say
from vragd.errors import UsageError
from vragd.system.places import expanded

if TYPE_CHECKING:
    from vragd.stores.moves.written import Vectors


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("export", parents=[common], help="write a store's passages and vectors to a file")
    sub.add_argument("name", metavar="STORE", help="what the store is called")
    sub.add_argument(
        "--out", required=True, metavar="FILE",
        help="NAME.jsonl, lines of JSON; NAME.npy, vectors, and lines in NAME.jsonl beside it; or - for stdout",
    )  # fmt: skip
    sub.add_argument("--no-text", action="store_true", help="leave the text of passages out")
    sub.add_argument("--no-vectors", action="store_true", help="leave the vectors out")
    sub.add_argument("--force", action="store_true", help="replace files that are there")
    bucket.add_flags(sub)
    sub.set_defaults(command=_export)


def _export(args: argparse.Namespace) -> int:
    from vragd.stores.moves import places, written

    vectors = _vectors(args)
    loaded, text = load(args), not args.no_text
    out = expanded(args.out).absolute()
    if args.out != "-":
        places.outside_notes(out, loaded)
    with bucket.maybe(args) as place, places.origin_of(loaded, args.name, place) as origin:
        if args.out == "-":
            if sys.stdout is None:
                raise UsageError("standard output is closed: there is nobody to write to")
            if sys.stdout.isatty():
                raise UsageError("standard output is a terminal", hint="vragd export STORE --out - | zstd > FILE")
            done = written.stream(origin, sys.stdout.buffer, text=text, vectors=vectors)
        else:
            with Told(origin.count) as told:
                done = written.export(
                    origin, out, text=text, vectors=vectors, replace=args.force, progress=told.progress
                )  # fmt: skip
    say(f"{plural(done.n_written, 'passage')} of {origin.title}" + _in(done.files))
    if done.n_bare and vectors == "lines":
        say(f"{plural(done.n_bare, 'of them has', 'of them have')} no vector yet")
    said(done.left_out)
    return 0


def _vectors(args: argparse.Namespace) -> Vectors:
    suffix = Path(args.out).suffix
    if Path(args.out).name in (".npy", ".jsonl", ".ndjson"):
        raise UsageError(f"--out: {args.out!r} has no name before its ending", hint="--out NAME.jsonl")
    if suffix == ".npz":
        raise UsageError(
            ".npz is not written", hint="--out NAME.npy: NumPy maps it into memory, and its records stand beside it"
        )
    if suffix == ".npy":
        if args.no_vectors:
            raise UsageError("--no-vectors leaves nothing for a .npy", hint="--out NAME.jsonl")
        return "beside"
    if args.out != "-" and suffix not in (".jsonl", ".ndjson"):
        hint = f"--out {args.out}.jsonl"
        raise UsageError(f"--out: expected a name that ends in .jsonl or .npy, found {args.out!r}", hint=hint)
    return "none" if args.no_vectors else "lines"


def _in(files: list[Path]) -> str:
    return f" in {' and '.join(map(str, files))}" if files else ""
