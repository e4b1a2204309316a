"""`vragd map`: a picture of a store's notes, placed by meaning, as SVG, PNG or JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from vragd.cli.connect import Session
from vragd.cli.render import out_whole, plural, say
from vragd.errors import UsageError, VragdError

WAIT_S, SAY_S = 1, 10.0
Drawn = dict[str, Any]
FORMATS = (".svg", ".png", ".json")
WHY = {
    "too_slow": "it takes too long",
    "too_much_memory": "it takes too much memory",
    "crashed": "what places them crashed",
    "not_kept": "their places cannot be kept",
}


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("map", parents=[common], help="a picture of a vault: its notes placed by meaning")
    sub.add_argument(
        "--out", metavar="FILE", required=True,
        help="what to write: a name that ends in .svg, .png (points alone) or .json; - prints SVG",
    )  # fmt: skip
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.set_defaults(command=_map)


class Asked(Protocol):
    """Who answers: a `Session`."""

    @property
    def is_daemon(self) -> bool: ...

    def request(self, method: str, target: str, body: Any = None, *, timeout_s: float = 35.0) -> Any: ...


def _map(args: argparse.Namespace) -> int:
    mode = os.umask(0)  # the file is the user's own: with a daemon or without, it has the rights they give files
    os.umask(mode)
    form = ".svg" if args.out == "-" else Path(args.out).suffix.lower()
    if (kind := Path(args.out).name.lower()) in FORMATS:
        raise UsageError(f"{args.out} has no name before {kind}", hint="vragd map --out map.svg")
    if form not in FORMATS:
        raise UsageError(f"{args.out} is no .svg, .png or .json", hint="vragd map --out map.svg")
    if args.out != "-":
        _refuse(Path(args.out), ())
    with Session(args) as session:
        data = made(session, args.out, form, args.store)
    if args.out == "-":
        out_whole(data.decode())
        return 0
    os.umask(mode)
    Path(args.out).write_bytes(data)
    say(f"wrote {args.out}")
    return 0


def made(session: Asked, file: str, form: str, stores: Sequence[str]) -> bytes:
    """What is to be in the file, which may be in no source. `form` is one of FORMATS. Raises VragdError."""
    if file != "-":
        known = session.request("GET", "/v1/stores")["stores"]
        _refuse(Path(file), [Path(path) for one in known for path in one["sources"]])
    pictures = _pictures(session, stores)
    drawn = None if form == ".json" else _the_one(pictures, session.is_daemon)
    for one in pictures:
        _say_rest(one, session.is_daemon)
    if drawn is None:
        return json.dumps({"pictures": pictures}, ensure_ascii=False).encode("utf-8", "replace")
    return _image(drawn, form)


def _refuse(file: Path, sources: Sequence[Path]) -> None:
    """Nothing is written where notes are, wherever links lead."""
    from vragd.cli.purge.thing import Vaults

    if (vault := Vaults.of(sources).around(file)) is not None:
        raise UsageError(f"{file} is inside the vault {vault}", hint="vragd never writes in a vault: another name")
    if file.is_dir():
        raise UsageError(f"{file} is a folder", hint="name a file in it")


def _pictures(session: Asked, stores: Sequence[str]) -> list[Drawn]:
    """Of every store that is asked for, once they are laid out."""
    began, said, wait_s = time.monotonic(), -SAY_S, 0
    while True:
        asked = urlencode([("wait_s", str(wait_s)), *(("store", store) for store in stores)])
        pictures: list[Drawn] = session.request("GET", f"/v1/map?{asked}", timeout_s=150.0)["pictures"]
        if all(one["state"] != "computing" for one in pictures):
            return pictures
        took, wait_s = time.monotonic() - began, WAIT_S
        if sys.stderr.isatty() and took - said >= SAY_S:
            said = took
            say("placing notes by meaning …" + (f" {took:.0f} s so far" if took >= SAY_S else ""))


def _say_rest(one: Drawn, is_daemon: bool) -> None:
    if one["reason"]:
        say(f"note: {one['store']!r} could not be laid out anew: {_why(one)}{' (vragd logs)' if is_daemon else ''}")
    if _has_words_alone(one):
        say(f"note: {one['store']!r} keeps words alone: it has no vectors to place its notes by")
    elif one["without"]:
        has = plural(one["without"], "note of", "notes of")
        say(f"note: {has} {one['store']!r} not in the picture: no vector yet (vragd status)")


def _why(one: Drawn) -> str:
    reason: str = one["reason"]
    return WHY.get(reason, reason.replace("_", " "))


def _the_one(pictures: list[Drawn], is_daemon: bool) -> Drawn:
    """An image is of one store. Raises UsageError for several, VragdError where there is nothing to be seen."""
    seen = [one for one in pictures if one["notes"]]
    if len(seen) > 1:
        names = ", ".join(one["store"] for one in seen)
        raise UsageError(f"{len(seen)} stores have notes: {names}", hint="--store NAME draws one; .json takes all")
    if not seen and pictures and all(map(_has_words_alone, pictures)):
        raise VragdError("there is nothing to place: without a model no note has a vector", hint="vragd models")
    failed = next((one for one in pictures if one["reason"]), None)
    if not seen and failed is not None:
        room = "the data directory: is there room, may it be written?" if failed["reason"] == "not_kept" else ""
        hint = "vragd logs" if is_daemon else room
        raise VragdError(f"the notes of {failed['store']!r} could not be placed: {_why(failed)}", hint=hint)
    if not seen:
        raise VragdError("there is no note with a vector yet", hint="vragd status says how far indexing is")
    return seen[0]


def _has_words_alone(one: Drawn) -> bool:
    return bool(one.get("words_alone"))  # a daemon of before does not say


def _image(picture: Drawn, form: str) -> bytes:
    if form == ".png":
        from vragd.cli.map.png import drawn
    else:
        from vragd.cli.map.svg import drawn
    draw: Callable[[Drawn], bytes] = drawn
    return draw(picture)
