"""`vragd query`: ask, print hits. Its import path is kept to the standard library."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Sequence
from typing import Any

from vragd.cli import bucket
from vragd.cli.connect import client
from vragd.cli.render import BOLD, PLAIN, bold, out, plural, say, within
from vragd.errors import UsageError

EXCERPT_CHARS = 240
FRESH_S = 25
_LEFT_OUT = re.compile(r"-(?!-|[hkns]$|[kn]\d+$).")  # no option: those are -h, -s NAME, -k 5, -k5 and -n


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser("query", parents=[common], help="find notes")
    sub.add_argument("text", nargs="*", help="what to look for, in your own words; or filters, see docs/questions.md")
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument(
        "-k", "-n", "--top-k", type=int, default=5, metavar="N", help="how many hits, 1 to 1,000 (default 5)"
    )
    sub.add_argument("--offset", type=int, default=0, metavar="N", help="leave out the first N hits: the next page")
    sub.add_argument(
        "--also", action="append", default=[], metavar="TEXT", help="look for this too: a note counts by its best"
    )
    sub.add_argument("--min-score", type=float, default=0.0, metavar="X", help="no hit with a lower score")
    sub.add_argument("--fresh", action="store_true", help="wait up to 25 s until what changed on the disk is in")
    sub.add_argument(
        "--mode", choices=("hybrid", "vector", "keyword"), help="default hybrid; of an index alone, vector"
    )
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    sub.add_argument("--folder", default="", help="only below this folder, as hits print it or from its source")
    sub.add_argument("--chunks", action="store_true", help="passages, not notes with their best one")
    sub.add_argument("--weak", action="store_true", help="also what is no good match")
    sub.add_argument("--exact", action="store_true", help="a word that is nowhere stands for no other")
    add_filters(sub)
    sub.add_argument("--sort", choices=("score", "modified", "created", "name"), default="score", help="default score")
    sub.add_argument("--plain", action="store_true", help="the text is words, whatever it looks like")
    sub.add_argument("--explain", action="store_true", help="what each score is made of")
    sub.add_argument(
        "--json", dest="format", action="store_const", const="json", default="text", help="the daemon's answer as JSON"
    )
    sub.add_argument(
        "--format", choices=("text", "json", "jsonl", "csv", "md", "paths"), default="text", help="default text"
    )
    sub.add_argument(
        "--ollama",
        dest="model",
        metavar="MODEL",
        help="with --backend, --bucket: the Ollama model it was written with",
    )
    bucket.add_flags(sub)
    sub.set_defaults(command=_query)


def add_filters(sub: argparse.ArgumentParser) -> None:
    """The flags that narrow what is found."""
    sub.add_argument(
        "--tag", action="append", default=[], help="only notes with this tag, or one below it (any of several)"
    )
    sub.add_argument("--property", action="append", default=[], metavar="NAME[=VALUE]", help="only notes with it")
    sub.add_argument("--not-tag", action="append", default=[], metavar="TAG", help="no notes with this tag")
    sub.add_argument("--on", default="", metavar="DATE", help="only notes of that day, month or year")
    sub.add_argument(
        "--after", default="", metavar="DATE", help="only notes of that date and later: 2026-04, 7d, today"
    )
    sub.add_argument("--before", default="", metavar="DATE", help="only notes from before that date")
    add_where(sub)


def add_where(sub: argparse.ArgumentParser) -> None:
    """The flag that takes filters, or an expression, as they are typed."""
    sub.add_argument(
        "--where", metavar="FILTERS",
        help="only notes that pass these, see docs/questions.md: 'tag:work after:7d', or as in Bases"
        " 'file.hasTag(\"work\") && rating >= 4'",
    )  # fmt: skip


def where_of(args: argparse.Namespace) -> str:
    """What `--where` was given."""
    return as_text(args.where or "").removeprefix(" ")


def guarded(words: Sequence[str]) -> list[str]:
    """A command's words, where those that leave something out (`-work`) are told from its options by a blank."""
    return [f" {word}" if _LEFT_OUT.match(word) else word for word in words]


def _query(args: argparse.Namespace) -> int:
    args.text = [as_text(part).removeprefix(" ") for part in args.text]
    answer = bucket.query(args) if bucket.wanted(args) else _ask_daemon(args)
    if args.format == "text":
        print_hits(answer, args.offset + 1)
        return 0
    from vragd.cli.formats import print_as

    print_as(args.format, answer, args.offset + 1)
    if args.format not in ("json", "jsonl"):
        say_beside(answer)
    return 0


def as_text(argument: str) -> str:
    """The argument as UTF-8, whatever the locale says that it is."""
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        raise UsageError("the question is not UTF-8", hint="set a UTF-8 locale, or type it anew") from None


def _ask_daemon(args: argparse.Namespace) -> Any:
    if args.model:
        raise UsageError("--ollama needs --backend or --bucket", hint="a store's own model is in its configuration")
    return client(args).request(
        "POST",
        "/v1/query",
        {
            "text": _joined(args.text),
            "texts": [as_text(one) for one in args.also],
            "offset": args.offset,
            "min_score": args.min_score,
            "fresh_s": FRESH_S if args.fresh else 0,
            "stores": args.store,
            "top_k": args.top_k,
            "mode": args.mode or "hybrid",
            "sources": args.source,
            "folder": args.folder,
            "chunks": args.chunks,
            "weak": args.weak,
            "exact": args.exact,
            "explain": args.explain,
            "plain": args.plain,
            "where": filters_of(args),
            "sort": args.sort,
        },
    )


def _joined(args: list[str]) -> str:
    """The words as one question: what a shell took the quotes from has them again."""
    if all(" " not in one for one in args):
        return " ".join(args)
    from vragd.search.grammar.parse import joined

    return joined(args)


def filters_of(args: argparse.Namespace) -> str | list[str]:
    """The flags as filters in the grammar of questions, any of one kind, all of different kinds; and what was typed."""
    found = [one for one in (_flags(args), where_of(args)) if one.strip()]
    return found if len(found) > 1 else "".join(found)


def _flags(args: argparse.Namespace) -> str:
    kinds = [[f"tag:{_quoted(tag.removeprefix('#'))}" for tag in args.tag], [_property(one) for one in args.property]]
    found = [f"({' OR '.join(some)})" for some in kinds if some]
    found += [f"-tag:{_quoted(tag.removeprefix('#'))}" for tag in args.not_tag]
    dates = (("on", args.on), ("after", args.after), ("before", args.before))
    found += [f"{name}:{_quoted(value)}" for name, value in dates if value]
    return " ".join(found)


def _property(flag: str) -> str:
    name, equals, value = flag.partition("=")
    return f"[{_quoted(name)}{'=' + _quoted(value) if equals else ''}]"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_hits(answer: dict[str, Any], first: int = 1) -> None:
    """Hits for people, the first with this number; what may be wrong with them goes to standard error."""
    for word, other in answer.get("instead", {}).items():
        say(f"showing results for {other!r}: {word!r} is nowhere (--exact looks for it alone)")
    say_unknown(answer)
    for number, hit in enumerate(answer["hits"], first):
        where = f"{hit['path']}:{hit['lines'][0]}-{hit['lines'][1]}"
        heading = " › ".join(below_title(hit["title"], hit["heading"]))
        out(within(f"{number}. {hit['title']}{'  ' + heading if heading else ''}  ({_beside(hit)})"))
        out(within(f"   {hit['source']}/{where}{'  ' + hit['id'] if hit.get('id') else ''}"))
        if "excerpt" in hit:
            if hit["excerpt"]:
                out(f"   {marked(hit['excerpt'], hit['spans'])}", marked=True)
        elif text := " ".join(hit["text"].split()):  # of an index that is asked without a catalog
            out(f"   {text[:EXCERPT_CHARS]}{'…' if len(text) > EXCERPT_CHARS else ''}")
        _print_more(hit)
    say_beside(answer)


def say_beside(answer: dict[str, Any]) -> None:
    """That there are no hits, and what may be wrong with those there are, on standard error."""
    if not answer["hits"]:
        n_weak = answer.get("n_weak", 0)
        say(f"no good match ({plural(n_weak, 'weak one')} with --weak)" if n_weak else "no hits")
    if answer["pending"]:
        say(f"note: {plural(answer['pending'], 'path is', 'paths are')} still to be indexed")
    if answer["degraded"]:
        say(f"note: this answer may be incomplete or out of date: {', '.join(answer['degraded'])} (vragd status)")


def say_unknown(answer: dict[str, Any]) -> None:
    """The names that filters have and no note, on standard error."""
    for unknown in answer.get("unknown", ()):
        nearest = f" (did you mean {unknown['nearest']!r}?)" if unknown["nearest"] else ""
        what = "is in the folder" if unknown["kind"] == "folder" else f"has the {unknown['kind']}"
        say(f"no note {what} {unknown['name']!r}{nearest}")


def _beside(hit: dict[str, Any]) -> str:
    """Its score, if anything ranked it, and its day."""
    said = [f"{hit['score']:.3f}{'  weak' if hit.get('weak') else ''}"] if hit["score"] else []
    when = hit.get("created") or hit.get("modified")
    said += [time.strftime("%Y-%m-%d", time.localtime(when))] if when else []
    return ", ".join(said)


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
