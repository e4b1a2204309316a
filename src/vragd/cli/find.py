"""`vragd find`: pick a note while the question is typed. Its import path is kept to the standard library."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from vragd.cli.connect import client
from vragd.cli.query import NOTHING_FOUND, add_filters, as_question, as_text, filters_of, folder_of
from vragd.cli.render import say, the_page, within
from vragd.errors import UsageError

EXTRA = "prompt_toolkit"
N_HITS = 50


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "find", parents=[common], help="pick a note as you type, with a preview; open or edit it",
        description="Finds while you type. Enter opens the note in Obsidian, Ctrl-E edits it at its line with"
        " $VISUAL or $EDITOR, Up and Down choose, Page Up and Page Down move the preview, Esc or Ctrl-C leaves. Needs"
        " prompt_toolkit: pip install 'vragd[find]'.",
    )  # fmt: skip
    sub.add_argument("text", nargs="*", help="what to begin with")
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    add_filters(sub)
    sub.set_defaults(command=_find)


def _find(args: argparse.Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("vragd find needs a terminal", hint="vragd query, in a pipe")
    try:
        from vragd.cli import picker
    except ModuleNotFoundError as error:
        if error.name not in ("prompt_toolkit", "wcwidth"):
            raise
        hint = f"pipx inject vragd {EXTRA}, or {sys.executable} -m pip install {EXTRA}"
        raise UsageError(f"vragd find needs {error.name}, which is not installed", hint=hint) from None
    from vragd.cli import opening

    asked = client(args)
    asked.request("GET", "/healthz", timeout_s=5.0)
    question = {
        "stores": args.store, "sources": args.source, "folder": folder_of(args), "where": filters_of(args),
        "top_k": N_HITS,
    }  # fmt: skip
    text = as_question([as_text(part) for part in args.text])
    picked = picker.run(lambda typed: asked.request("POST", "/v1/query", {**question, "text": typed}), text, the_page())
    if picked is None:
        return NOTHING_FOUND
    hit = opening.chosen(picked.answer, picked.number, 1)
    if picked.edits:
        return opening.edit(hit)
    link = opening.open_hit(hit)
    say(within(f"opens {hit['title']}{' in Obsidian' if link.startswith('obsidian:') else ''}"))
    return 0
