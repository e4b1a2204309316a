"""`vragd tags`, `properties`, `tasks`, `recent` and `outline`: what there is in the notes."""

from __future__ import annotations

import argparse
import time
from typing import Any

from vragd.cli.connect import Session
from vragd.cli.hits import say_unknown
from vragd.cli.links import named, place_of
from vragd.cli.query import add_folders, add_where, as_text, folder_of, folders_and_where
from vragd.cli.reasons import say_behind
from vragd.cli.render import json_out, out, plural, say, within
from vragd.cli.words import MAX_LISTED, count
from vragd.search.headings import as_read, path_of


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    _add_tags(commands, common)
    _add_properties(commands, common)
    _add_tasks(commands, common)
    _add_recent(commands, common)
    _add_outline(commands, common)


def _add_tags(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("tags", parents=[common], help="the tags there are, and how many notes have each")
    _narrowing(sub)
    _sorting(sub)
    sub.set_defaults(command=_list, what="tags", asked=_tags)


def _add_properties(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "properties", parents=[common], help="the properties there are, their types, and how many notes have each"
    )
    sub.add_argument("name", nargs="?", help="the values of this one")
    _narrowing(sub)
    _sorting(sub)
    sub.set_defaults(command=_list, what="properties", asked=_properties)


def _add_tasks(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("tasks", parents=[common], help="open tasks, each with its place")
    which = sub.add_mutually_exclusive_group()
    for state, says in (("todo", "open ones (the default)"), ("done", "done ones"), ("all", "both")):
        which.add_argument(f"--{state}", dest="state", action="store_const", const=state, help=says)
    _narrowing(sub)
    sub.set_defaults(command=_list, what="tasks", asked=_tasks)


def _add_recent(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("recent", parents=[common], help="the notes whose files were changed last")
    sub.add_argument(
        "-k",
        "-n",
        "--top-k",
        type=count(MAX_LISTED),
        default=10,
        metavar="N",
        help="how many, 1 to 10,000 (default 10)",
    )
    _narrowing(sub)
    sub.set_defaults(command=_list, what="recent", asked=_recent)


def _add_outline(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("outline", parents=[common], help="the headings of a note, with their lines")
    sub.add_argument(
        "note", help="a path as hits print it, a name, or an id; with #HEADING or :FROM-TO what is in that"
    )
    _of_stores(sub)
    sub.set_defaults(command=_list, what="outline", asked=_outline)


def _narrowing(sub: argparse.ArgumentParser) -> None:
    add_where(sub)
    add_folders(sub)
    _of_stores(sub)


def _of_stores(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    sub.add_argument("--json", action="store_true", help="the daemon's answer as JSON")


def _sorting(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--sort", choices=("count", "name"), default="count", help="default count: the most frequent first"
    )


def _list(args: argparse.Namespace) -> int:
    with Session(args) as session:
        answer = session.request("POST", f"/v1/{args.what}", args.asked(args))
    if args.json:
        json_out(answer)
    else:
        print_list(args.what, answer)
    return 0


def _tags(args: argparse.Namespace) -> dict[str, Any]:
    return _narrowed(args) | {"sort": args.sort}


def _properties(args: argparse.Namespace) -> dict[str, Any]:
    return _narrowed(args) | {"name": as_text(args.name or ""), "sort": args.sort}


def _tasks(args: argparse.Namespace) -> dict[str, Any]:
    return _narrowed(args) | {"state": args.state or "todo"}


def _recent(args: argparse.Namespace) -> dict[str, Any]:
    return _narrowed(args) | {"top_k": args.top_k}


def _outline(args: argparse.Namespace) -> dict[str, Any]:
    return {"note": named(args.note), "stores": args.store, "sources": args.source}


def _narrowed(args: argparse.Namespace) -> dict[str, Any]:
    where = folders_and_where(args)
    return {"stores": args.store, "sources": args.source, "folder": folder_of(args), "where": where}


def print_list(what: str, answer: dict[str, Any]) -> None:
    """A list for people; what may be wrong with it goes to standard error, and so do sums."""
    shows = {
        "tags": print_tags,
        "properties": print_properties,
        "tasks": print_tasks,
        "recent": print_recent,
        "outline": print_outline,
    }
    shows[what](answer)
    _say_rest(answer)


def _say_rest(answer: dict[str, Any]) -> None:
    say_unknown(answer)
    if n := answer["n_unread"]:
        say(f"note: {plural(n, 'note is', 'notes are')} still to be read for this")
    say_behind(answer)


def print_tags(answer: dict[str, Any]) -> None:
    """A tag a line, with how many notes have it, and how many not only what is nested in it."""
    for tag in answer["tags"]:
        itself = f"  ({tag['own']:,} itself)" if tag["own"] != tag["count"] else ""
        out(within(f"{tag['count']:>4}  #{tag['name']}{itself}"), 6)
    say(f"{plural(len(answer['tags']), 'tag')} in {answer['n_tagged']:,} of {plural(answer['n_notes'], 'note')}")


def print_properties(answer: dict[str, Any]) -> None:
    """A property a line with its types; or of one that was named its values."""
    values = answer["values"]
    types = {one["type"] for one in values}
    for one in () if values else answer["properties"]:
        out(within(f"{one['count']:>4}  {one['name']}  ({_types(one)})"), 6)
    for value in values:
        kind = f"  ({value['type']})" if len(types - {"empty"}) > 1 else ""
        said = _NOTHING.get(value["type"], value["value"]) or _QUOTES
        out(within(f"{value['count']:>4}  {said}{kind}"), 6)
    if values:
        (one,) = answer["properties"]
        said = f"{one['name']}: {plural(len(values), 'value')} in {plural(one['count'], 'note')} ({_types(one)})"
    else:
        said = f"{plural(len(answer['properties']), 'property', 'properties')} in {plural(answer['n_notes'], 'note')}"
    say(within(said))


_QUOTES = '""'  # an empty text
_NOTHING = {"empty": "no value", "list": "an empty list"}


def _types(one: dict[str, Any]) -> str:
    types = one["types"]
    return ", ".join(f"{n:,} {name}" for name, n in types.items()) if len(types) > 1 else next(iter(types))


def print_tasks(answer: dict[str, Any]) -> None:
    """A task a line, behind its place."""
    for task in answer["tasks"]:
        under = f"  under {path_of(task['heading'])}" if task["heading"] else ""
        out(within(f"{_file(task['of'])}:{task['line']}  [{task['state']}] {task['text']}{under}"), 4)
    counts = answer["counts"]
    say(f"{plural(counts['todo'], 'open task')}, {counts['done']:,} done, in {plural(counts['notes'], 'note')}")


def print_recent(answer: dict[str, Any]) -> None:
    """A note a line, behind the time when it was changed."""
    for one in answer["notes"]:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one["modified"]))
        out(within(f"{when}  {_file(one['note'])}"), 18)
    say(f"{len(answer['notes']):,} of {plural(answer['n_notes'], 'note')}")


def print_outline(answer: dict[str, Any]) -> None:
    """A heading a line, behind its number, further in the deeper it is."""
    out(within(place_of(answer)))
    for one in answer["headings"]:
        deep = "  " * (one["level"] - 1)
        out(within(f"{one['line']:>4}  {deep}{as_read(one['text'])}"), 8 + len(deep))
    say(plural(len(answer["headings"]), "heading"))


def _file(file: dict[str, Any]) -> str:
    return f"{file['source']}/{file['path']}"
