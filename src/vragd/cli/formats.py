"""Hits in the formats that other programs and documents take. Its import path is kept to the standard library."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from vragd.cli.page import seen
from vragd.cli.render import json_out, out_name, out_whole, within
from vragd.search.headings import path_of

Answer = dict[str, Any]
Hit = dict[str, Any]

COLUMNS = (
    "score", "store", "source", "path", "line_from", "line_to", "title", "heading", "id", "modified", "file", "excerpt",
)  # fmt: skip
_SAID_IN_MARKDOWN = re.compile(r"([\\\[\]*_`<>])")


def print_as(name: str, answer: Answer, first: int = 1) -> None:
    """The hits of an answer in this format, one of FORMATS; the first has the number `first`."""
    FORMATS[name](answer, first)


def _json(answer: Answer, _: int) -> None:
    json_out(answer)


def _json_lines(answer: Answer, _: int) -> None:
    for hit in answer["hits"]:
        print(json.dumps(hit, ensure_ascii=True))


def _csv(answer: Answer, _: int) -> None:
    """Fields are as they are for programs, a line end in quotes; on a terminal, as people can see them."""
    for row in [COLUMNS, *map(_row, answer["hits"])]:
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(row)  # what ends a line is what it puts in quotes
        text = line.getvalue().removesuffix("\r\n")
        if sys.stdout.isatty() or not _has_bytes(text):
            out_whole(within(text))
        else:
            out_name(text)


def _has_bytes(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # half a character, as JSON may spell it
        return False
    return True


def _row(hit: Hit) -> Sequence[Any]:
    modified = hit.get("modified")
    when = datetime.fromtimestamp(modified).astimezone().isoformat(timespec="seconds") if modified else ""
    return (
        hit["score"], hit["store"], hit["source"], hit["path"], *hit["lines"], hit["title"],
        " > ".join(hit["heading"]), hit.get("id", ""), when, hit.get("file", ""), shown_of(hit),
    )  # fmt: skip


def _markdown(answer: Answer, first: int) -> None:
    for number, hit in enumerate(answer["hits"], first):
        heading = path_of(hit["heading"][hit["heading"][:1] == [hit["title"]] :])
        name = _escaped(seen(" › ".join(filter(None, (hit["title"], heading))))[0])
        out_whole(within(f"{number}. [{name}]({hit['uri']})" if hit.get("uri") else f"{number}. {name}"))
        if text := shown_of(hit):
            out_whole(within(f"   > {_escaped(seen(text)[0])}"))


def _paths(answer: Answer, _: int) -> None:
    print_paths(answer)


def print_paths(answer: Answer, end: str = "\n") -> None:
    """
    Each file once, by its path on this machine if that is known. Names are as they are, for programs; but on a
    terminal, and where a line end would begin another one, as people can see them.
    """
    for path in dict.fromkeys(hit.get("file") or f"{hit['source']}/{hit['path']}" for hit in answer["hits"]):
        if end == "\0" or (within(path) == path and not sys.stdout.isatty()):
            out_name(path, end)
        else:
            out_whole(within(path))


def shown_of(hit: Hit) -> str:
    """What of the hit's text answers the question, on one line."""
    return " ".join((hit["excerpt"] if "excerpt" in hit else hit["text"][:240]).split())


def _escaped(text: str) -> str:
    return _SAID_IN_MARKDOWN.sub(r"\\\1", text)


FORMATS: Mapping[str, Callable[[Answer, int], None]] = {
    "json": _json, "jsonl": _json_lines, "csv": _csv, "md": _markdown, "paths": _paths,
}  # fmt: skip
