"""`vragd query`: ask, print hits. Its import path is kept to the standard library."""

from __future__ import annotations

import argparse
import os
from typing import Any

from vragd.cli import bucket
from vragd.cli.connect import client
from vragd.cli.render import BOLD, PLAIN, bold, json_out, out, plural, say, within
from vragd.errors import UsageError

EXCERPT_CHARS = 240


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("query", parents=[common], help="find notes")
    sub.add_argument("text", nargs="+", help="what to look for, in your own words")
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument("-k", "--top-k", type=int, default=5, metavar="N", help="how many hits, 1 to 100 (default 5)")
    sub.add_argument("--mode", choices=("hybrid", "vector", "keyword"), help="default hybrid; with --bucket, vector")
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    sub.add_argument("--folder", default="", help="only below this folder of a source")
    sub.add_argument("--chunks", action="store_true", help="passages, not notes with their best one")
    sub.add_argument("--weak", action="store_true", help="also what is no good match")
    sub.add_argument("--exact", action="store_true", help="a word that is nowhere stands for no other")
    sub.add_argument("--explain", action="store_true", help="what each score is made of")
    sub.add_argument("--json", action="store_true", help="the daemon's answer as JSON")
    sub.add_argument(
        "--ollama", dest="model", metavar="MODEL", help="with --bucket: the Ollama model the index was written with"
    )
    bucket.add_flags(sub)
    sub.set_defaults(command=_query)


def _query(args: argparse.Namespace) -> int:
    args.text = [as_text(part) for part in args.text]
    answer = bucket.query(args) if bucket.wanted(args) else _ask_daemon(args)
    if args.json:
        json_out(answer)
    else:
        print_hits(answer)
    return 0


def as_text(argument: str) -> str:
    """The argument as UTF-8, whatever the locale says that it is."""
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        raise UsageError("the question is not UTF-8", hint="set a UTF-8 locale, or type it anew") from None


def _ask_daemon(args: argparse.Namespace) -> Any:
    if args.model:
        raise UsageError("--ollama needs --bucket", hint="a store's own model is in its configuration")
    return client(args).request(
        "POST",
        "/v1/query",
        {
            "text": " ".join(args.text),
            "stores": args.store,
            "top_k": args.top_k,
            "mode": args.mode or "hybrid",
            "sources": args.source,
            "folder": args.folder,
            "chunks": args.chunks,
            "weak": args.weak,
            "exact": args.exact,
            "explain": args.explain,
        },
    )


def print_hits(answer: dict[str, Any]) -> None:
    """Hits for people; what may be wrong with them goes to standard error."""
    for word, other in answer.get("instead", {}).items():
        say(f"showing results for {other!r}: {word!r} is nowhere (--exact looks for it alone)")
    for number, hit in enumerate(answer["hits"], 1):
        where = f"{hit['path']}:{hit['lines'][0]}-{hit['lines'][1]}"
        heading = " › ".join(below_title(hit["title"], hit["heading"]))
        weak = "  weak" if hit.get("weak") else ""
        out(within(f"{number}. {hit['title']}{'  ' + heading if heading else ''}  ({hit['score']:.3f}{weak})"))
        out(within(f"   {hit['source']}/{where}"))
        if "excerpt" in hit:
            if hit["excerpt"]:
                out(f"   {marked(hit['excerpt'], hit['spans'])}", marked=True)
        elif text := " ".join(hit["text"].split()):  # of an index that is asked without a catalog
            out(f"   {text[:EXCERPT_CHARS]}{'…' if len(text) > EXCERPT_CHARS else ''}")
        _print_more(hit)
    if not answer["hits"]:
        n_weak = answer.get("n_weak", 0)
        say(f"no good match ({plural(n_weak, 'weak one')} with --weak)" if n_weak else "no hits")
    if answer["pending"]:
        say(f"note: {plural(answer['pending'], 'path is', 'paths are')} still to be indexed")
    if answer["degraded"]:
        say(f"note: this answer may be incomplete or out of date: {', '.join(answer['degraded'])} (vragd status)")


def _print_more(hit: dict[str, Any]) -> None:
    places = [
        f"{passage['lines'][0]}-{passage['lines'][1]}{''.join(' ' + part for part in passage['heading'][-1:])}"
        for passage in hit.get("passages", ())
    ]
    if places:
        out(within(f"   also {', '.join(places)}"))
    if copies := hit.get("copies"):
        named = ", ".join(f"{copy['source']}/{copy['path']}" for copy in copies[:3]) + ("…" if len(copies) > 3 else "")
        out(within(f"   the same in {plural(len(copies), 'other place')}: {named}"))
    if parts := hit.get("parts"):
        numbers = (f"{name} {value:.3f}" for name, value in parts.items() if value is not None)
        out(f"   {', '.join(numbers)}")


def below_title(title: str, heading: list[str]) -> list[str]:
    """The heading path without a first heading that only says the title again."""
    return heading[1:] if heading and heading[0] == title else heading


def marked(excerpt: str, spans: list[list[int]]) -> str:
    """The excerpt with what matched in bold, where there is a terminal to show it."""
    excerpt = excerpt.replace(BOLD, " ").replace(PLAIN, " ")
    if not bold():
        return excerpt
    parts, at = list[str](), 0
    for start, end in spans:
        parts += [excerpt[at:start], BOLD, excerpt[start:end], PLAIN]
        at = end
    return "".join([*parts, excerpt[at:]])
