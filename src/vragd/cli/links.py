"""`vragd links`: what a note links to and what links to it, what leads nowhere, what nothing leads to."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vragd.cli.connect import Session
from vragd.cli.query import as_name
from vragd.cli.reasons import say_behind
from vragd.cli.render import json_out, out, plural, say, within
from vragd.errors import UsageError
from vragd.search.headings import path_of

N_PLACES = 3
_PLACE = re.compile(r"(?:#.*|:\d+(?:-\d+)?)$", re.DOTALL)


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("links", parents=[common], help="what links to what, and what leads nowhere")
    sub.add_argument(
        "note",
        nargs="?",
        help="a path as hits print it, a name, or an id; with :FROM-TO, #HEADING or #^BLOCK a part of it",
    )
    sub.add_argument(
        "--unresolved",
        action="store_true",
        help="only links to no note, or to no place in it; of all notes without NOTE",
    )
    sub.add_argument("--orphans", action="store_true", help="the notes that no other note links to")
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    sub.add_argument("--json", action="store_true", help="the answer as JSON")
    sub.set_defaults(command=_links)


def _links(args: argparse.Namespace) -> int:
    if args.note is not None and args.orphans:
        raise UsageError("orphans are of all notes, not of one", hint="leave out the note, or --orphans")
    asked = {
        "note": named(args.note),
        "unresolved": args.unresolved,
        "orphans": args.orphans,
        "stores": args.store,
        "sources": args.source,
    }
    with Session(args) as session:
        answer = session.request("POST", "/v1/links", asked)
    if args.json:
        json_out(answer)
    else:
        print_links(answer, unresolved=args.unresolved, orphans=args.orphans)
    return 0


def print_links(answer: dict[str, Any], *, unresolved: bool = False, orphans: bool = False) -> None:
    """Links for people; what may be wrong with them goes to standard error."""
    if answer["note"]:
        _print_note(answer, only_unresolved=unresolved)
    else:
        _print_all(answer, names=unresolved, aside=unresolved or orphans)
    if n := answer["n_unread"]:
        say(f"note: the links of {plural(n, 'note')} are still to be read")
    say_behind(answer)


def named(note: str | None) -> str:
    """The note as the daemon is asked for it: what names a file from the current folder as its whole path."""
    if note is None:
        return ""
    if note.startswith(("./", "../", "~/")):
        for name in (note, _PLACE.sub("", note)):
            if (path := Path(name).expanduser()).exists():
                return as_name(f"{path.resolve()}{note[len(name) :]}")
    return as_name(note)


def place_of(answer: dict[str, Any]) -> str:
    """The note an answer is of, with the place or the lines in it that were asked for."""
    note, lines = answer["note"], answer.get("lines")  # a daemon of before tells of none
    behind = f"#{answer['place']}" if answer["place"] else ":{}-{}".format(*lines) if lines else ""
    return f"{note['source']}/{note['path']}{behind}"


def _print_note(answer: dict[str, Any], *, only_unresolved: bool) -> None:
    out(within(place_of(answer)))
    if not only_unresolved:
        _print_part("links to", (_going(link) for link in answer["out"]))
        _print_part("linked from", (_coming(link) for link in answer["back"]))
    else:
        _print_part("leads to no such place", (_going(link) for link in answer["out"] if link.get("missing")))
    _print_part("leads nowhere", (_going(link) for link in answer["unresolved"]))
    seen = [link for link in answer["out"] if link.get("missing") or not only_unresolved]
    if not any((seen, answer["unresolved"], answer["back"] and not only_unresolved)):
        it = "this part of it" if answer["place"] or answer.get("lines") else "it"
        say(f"no link of {it} leads nowhere" if only_unresolved else f"{it} links to no note, and none links to {it}")


def _print_part(title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        out(f"{title} ({len(found):,})")
    for line in found:
        out(within(f"  {line}"), 8)


def _going(link: dict[str, Any]) -> str:
    """A link by where it leads, or as it is written where it leads nowhere."""
    to = link["to"]
    file = f"{to['source']}/{to['path']}" if to else link["target"]
    file = "" if link["how"] == "self" else file
    place = f"#{link['subpath']}" if link["subpath"] else ""
    via = f"  via alias {link['target']!r}" if link["how"] == "alias" else ""
    return f"{link['line']:>4}  {file}{place}{_lacking(link)}{via}{_marks(link)}"


def _coming(link: dict[str, Any]) -> str:
    place = f"  #{link['subpath']}" if link["subpath"] else ""
    via = f"  via alias {link['target']!r}" if link["how"] == "alias" else ""
    return f"{link['of']['source']}/{link['of']['path']}:{link['line']}{place}{_lacking(link)}{via}{_marks(link)}"


def _lacking(link: dict[str, Any]) -> str:
    kinds = {"^": "block", "[": "footnote"}
    return f"  (no such {kinds.get(link['subpath'][:1], 'heading')})" if link.get("missing") else ""


def _marks(link: dict[str, Any]) -> str:
    under = f"  under {path_of(link['heading'])}" if link["heading"] else ""
    return ("  embedded" if link["embed"] else "") + ("  in a property" if link["kind"] == "property" else "") + under


def _print_all(answer: dict[str, Any], *, names: bool, aside: bool) -> None:
    """Counts are the answer, or beside it (`aside`)."""
    counts, misplaced = answer["counts"], answer.get("misplaced", ())  # a daemon of before tells of none
    if names:
        _print_nowhere(answer["names"], answer["unresolved"])
        of = (f"{link['of']['source']}/{link['of']['path']}:{_going(link).lstrip()}" for link in misplaced)
        _print_part("leads to no such place", of)
    for file in answer["orphans"]:
        out(within(f"{file['source']}/{file['path']}"))
    (say if aside else out)(
        f"{plural(counts['links'], 'link')} in {plural(counts['notes'], 'note')}:"
        f" {counts['none']:,} to nowhere ({plural(counts['names'], 'name')}), {counts['alias']:,} by an alias;"
        f" {plural(counts['orphans'], 'note')} that no other links to"
    )
    if not aside and (counts["none"] or counts["orphans"]):
        say("note: --unresolved lists what leads nowhere, --orphans what no other links to")


def _print_nowhere(names: Sequence[dict[str, Any]], links: Sequence[dict[str, Any]]) -> None:
    places: dict[str, list[str]] = {}
    for link in links:
        place = f"{link['of']['source']}/{link['of']['path']}:{link['line']}"
        places.setdefault(link["target"].casefold(), []).append(place)
    for name in names:
        there = places[name["name"].casefold()]
        more = f", and {len(there) - N_PLACES:,} more" if len(there) > N_PLACES else ""
        out(within(f"{name['count']:>4}  {name['name']}  ({', '.join(there[:N_PLACES])}{more})"), 6)
