"""`vragd similar`: notes that are related to one, or to a text from standard input."""

from __future__ import annotations

import argparse
import sys
from typing import Any, BinaryIO

from vragd.cli.connect import Session
from vragd.cli.hits import below_title, copies_of, day_of, print_below, print_place, print_title, say_unknown
from vragd.cli.links import named
from vragd.cli.page import file_link
from vragd.cli.query import NOTHING_FOUND, add_filters, add_formats, filters_of, folder_of
from vragd.cli.reasons import say_behind
from vragd.cli.render import say, the_page
from vragd.cli.words import MAX_TOP_K, count
from vragd.errors import UsageError
from vragd.search.headings import path_of

MOST_CHARS = 40_000


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("similar", parents=[common], help="notes that are related to one, or to a text")
    sub.add_argument("note", help="a path as hits print it, a name, or an id; - takes a text from standard input")
    sub.add_argument(
        "-k", "-n", "--top-k", type=count(MAX_TOP_K), default=10, metavar="N", help="how many, 1 to 1,000 (default 10)"
    )
    sub.add_argument("--unlinked", action="store_true", help="no note that links to it, or that it links to")
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    add_filters(sub)
    add_formats(sub)
    sub.set_defaults(command=_similar)


def _similar(args: argparse.Namespace) -> int:
    asked = {
        "note": "" if args.note == "-" else named(args.note),
        "text": text_of(sys.stdin.buffer) if args.note == "-" else "",
        "top_k": args.top_k,
        "unlinked": args.unlinked,
        "stores": args.store,
        "sources": args.source,
        "folder": folder_of(args),
        "where": filters_of(args),
    }
    with Session(args) as session:
        answer = session.request("POST", "/v1/similar", asked)
    if args.format == "text" and not args.null:
        print_related(answer)
    else:
        print_as("paths" if args.null else args.format, answer, "\0" if args.null else "\n")
    return 0 if answer["hits"] else NOTHING_FOUND


def print_as(name: str, answer: dict[str, Any], end: str = "\n") -> None:
    """Related notes in a format that other programs and documents take."""
    from vragd.cli import formats

    if name == "json":  # which has all that is said beside the others
        formats.print_as(name, answer)
        return
    # a row, a line or a path is of the note: as of a hit, which has no text of its own here
    flat = {**answer, "hits": [{"excerpt": "", **hit, **hit["note"]} for hit in answer["hits"]]}
    if name == "paths":
        formats.print_paths(flat, end)
    else:
        formats.print_as(name, answer if name == "jsonl" else flat)
    _say_beside(answer)


def text_of(stream: BinaryIO) -> str:
    """The text on standard input. Raises UsageError for none, and for too much."""
    text = stream.read(4 * MOST_CHARS + 4).decode("utf-8-sig", "replace")
    if not text.strip():
        raise UsageError("there is no text on standard input", hint="vragd similar - < draft.md")
    if len(text) > MOST_CHARS:
        raise UsageError(f"the text has more than {MOST_CHARS:,} characters", hint="give its beginning, or save it")
    return text


def print_related(answer: dict[str, Any]) -> None:
    """Related notes for people; what may be wrong with them goes to standard error."""
    page = the_page()
    for number, hit in enumerate(answer["hits"], 1):
        note = hit["note"]
        said = [f"{hit['score']:.3f}", *day_of(hit)]
        said += [words for way, words in (("out", "linked"), ("back", "links here")) if way in hit["linked"]]
        heading = path_of(below_title(note["title"], hit["heading"]))
        print_title(f"{number}. ", note["title"], heading, ", ".join(said), hit.get("uri", ""), page)
        lines = f":{hit['lines'][0]}-{hit['lines'][1]}" if hit["id"] else ""
        print_place(f"{note['source']}/{note['path']}{lines}", hit["id"], file_link(hit.get("file", "")), page)
        print_below(copies_of(hit), page)
    _say_beside(answer)


def _say_beside(answer: dict[str, Any]) -> None:
    say_unknown(answer)
    if not answer["hits"]:
        say("no related notes")
    say_behind(answer)
