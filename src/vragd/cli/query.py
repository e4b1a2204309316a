"""`vragd query`: ask, print hits. Its import path is kept to the standard library."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

from vragd.cli import bucket
from vragd.cli.connect import client, data_dir_of, load, names_socket
from vragd.cli.hits import print_hits, say_beside, say_indexing, say_instead, say_more, say_unknown
from vragd.cli.offers import not_asked
from vragd.cli.reasons import NO_DAEMON, on_indexing
from vragd.cli.render import say, the_page, within
from vragd.cli.words import GUARD, MAX_TOP_K, count, score
from vragd.errors import NotFound, NotRunning, UnknownStore, UsageError, VragdError

FRESH_S = 25
FEW = 20
"""Files that wait: more than people save at a time, so that what is found may be any but the best."""
HANDFUL = 5
"""So few weak hits of those that filters leave are shown: who narrowed it so far wants to see what there is."""
DESCRIPTION = """\
Quotes around a question may be left out, but for what the shell reads itself:
  vragd query how do I brew coffee
  vragd query 'coffee -decaf "french press" [status:done]'

A hit is a note with its best passage:
  1. Coffee  Brewing  (0.610, 2026-04-09)    title, heading, score, date
     MyVault/Kitchen/Coffee.md:12-30  8m2kq0ra    place, lines, id
Title, place and id all name it for vragd get, links, similar and outline.
The score: 1 at most by likeness, and 1 more for a note that is called what was
asked, or has what was quoted (a half for the one rare word that was asked for);
0.5 is a good match, 0.2 may be chance. Templates come last. The date is the
note's own, of its property or its name; "changed", where it has none, is when
its file was."""
NOTHING_FOUND = 1
"""The exit status where all went well and there is nothing, as with grep."""
_PERHAPS_OPERATOR = re.compile(r"-|[^\s:]+:")
_LEFT_OUT = re.compile(r"-(?!-|[hknslb0]$|[kn]\d+$|l0$|0l$).")  # no option: -h, -s NAME, -k 5, -k5, -n, -l, -0, -b NAME


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    sub = commands.add_parser(
        "query", parents=[common], help="find notes", description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    sub.add_argument("text", nargs="*", help="what to look for, in your own words; or filters, see docs/questions.md")
    sub.add_argument("-s", "--store", action="append", default=[], help="only this store (may be repeated)")
    sub.add_argument(
        "-k",
        "-n",
        "--top-k",
        type=count(MAX_TOP_K),
        default=5,
        metavar="N",
        help="how many hits, 1 to 1,000 (default 5)",
    )
    sub.add_argument("--offset", type=int, default=0, metavar="N", help="leave out the first N hits: the next page")
    sub.add_argument(
        "--also", action="append", default=[], metavar="TEXT", help="look for this too: a note counts by its best"
    )
    sub.add_argument("--min-score", type=score, default=0.0, metavar="X", help="no hit with a lower score, -1 to 2")
    sub.add_argument("--fresh", action="store_true", help="wait up to 25 s until what changed on the disk is in")
    sub.add_argument(
        "--mode", choices=("hybrid", "vector", "keyword"),
        help="default hybrid; of an index alone vector, and with its server's own full text, where it keeps text, all",
    )  # fmt: skip
    sub.add_argument("--source", action="append", default=[], help="only this source (may be repeated)")
    sub.add_argument("--chunks", action="store_true", help="passages, not notes with their best one")
    sub.add_argument("--weak", action="store_true", help="also what is no good match")
    sub.add_argument("--exact", action="store_true", help="a word that is nowhere stands for no other")
    add_filters(sub)
    sub.add_argument("--sort", choices=("score", "modified", "created", "name"), default="score", help="default score")
    sub.add_argument("--plain", action="store_true", help="the text is words, whatever it looks like")
    sub.add_argument("--explain", action="store_true", help="what each score is made of")
    add_formats(sub)
    add_uses(sub)
    sub.add_argument(
        "--ollama",
        dest="model",
        metavar="MODEL",
        help="with --backend, --bucket: the Ollama model it was written with",
    )
    bucket.add_flags(sub)
    sub.set_defaults(command=_query)


def add_formats(sub: argparse.ArgumentParser) -> None:
    """The flags that say how hits are written."""
    sub.add_argument(
        "--json", dest="format", action="store_const", const="json", default="text", help="the daemon's answer as JSON"
    )
    sub.add_argument(
        "--format", choices=("text", "json", "jsonl", "csv", "md", "paths"), default="text", help="default text"
    )
    add_paths(sub)


def add_paths(sub: argparse.ArgumentParser) -> None:
    """The flags that leave the paths of hits alone."""
    sub.add_argument(
        "-l", dest="format", action="store_const", const="paths", help="only the paths of the files, as they are here"
    )
    sub.add_argument("-0", dest="null", action="store_true", help="as -l, with a NUL behind each, for xargs -0")


def add_uses(sub: argparse.ArgumentParser) -> None:
    """The flags that say what becomes of hits."""
    sub.add_argument("--open", type=int, metavar="N", help="open hit N: in Obsidian if it is in a vault")
    sub.add_argument("--edit", type=int, metavar="N", help="edit hit N at its line, with $VISUAL or $EDITOR")
    sub.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto",
        help="colours and links (default auto: on a terminal; NO_COLOR and FORCE_COLOR are heeded)",
    )  # fmt: skip


def add_filters(sub: argparse.ArgumentParser) -> None:
    """The flags that narrow what is found."""
    sub.add_argument(
        "--tag", action="append", default=[], help="only notes with this tag, or one below it (any of several)"
    )
    sub.add_argument("--property", action="append", default=[], metavar="NAME[=VALUE]", help="only notes with it")
    sub.add_argument("--not-tag", action="append", default=[], metavar="TAG", help="no notes with this tag")
    sub.add_argument(
        "--not-property", action="append", default=[], metavar="NAME[=VALUE]", help="no notes with this property"
    )
    add_folders(sub)
    sub.add_argument("--on", metavar="DATE", help="only notes of that day, month or year")
    sub.add_argument("--after", metavar="DATE", help="only notes of that date and later: 2026-04, 7d, today")
    sub.add_argument("--before", metavar="DATE", help="only notes from before that date")
    add_where(sub)


def add_folders(sub: argparse.ArgumentParser) -> None:
    """The flags that narrow to folders."""
    sub.add_argument(
        "--folder", action="append", default=[],
        help="only below this folder, as hits print it or from its source (any of several)",
    )  # fmt: skip
    sub.add_argument("--not-folder", action="append", default=[], metavar="FOLDER", help="nothing below this folder")


def add_where(sub: argparse.ArgumentParser) -> None:
    """The flag that takes filters, or an expression, as they are typed."""
    sub.add_argument(
        "--where", metavar="FILTERS",
        help="only notes that pass these, see docs/questions.md: 'tag:work after:7d', or as in Bases"
        " 'file.hasTag(\"work\") && rating >= 4'",
    )  # fmt: skip


def where_of(args: argparse.Namespace) -> str:
    """What `--where` was given."""
    return as_text(args.where or "").strip()


def guarded(words: Sequence[str]) -> list[str]:
    """A command's words, where those that leave something out (`-work`) are told from its options by a mark."""
    return [f"{GUARD}{word}" if _LEFT_OUT.match(word) else word for word in words]


def _query(args: argparse.Namespace) -> int:
    args.text = [as_text(part) for part in args.text]
    wanted, first = args.open or args.edit, args.offset + 1
    if args.open is not None and args.edit is not None:
        raise UsageError("--open and --edit both say what becomes of a hit", hint="leave one of them out")
    if wanted:
        args.top_k = max(args.top_k, wanted - args.offset)
    try:
        answer = bucket.query(args) if bucket.asked(args, *args.store) else _ask_daemon(args)
    except (NotRunning, UnknownStore) as error:
        error.hint = "\n".join(filter(None, (error.hint, not_asked(args))))
        raise
    if answer["hits"] and (args.open is not None or args.edit is not None):
        return _use(args, answer, first)
    if args.null or args.format != "json":
        answer = _with_state(args, answer)
    show(args, answer, first)
    return 0 if answer["hits"] and "weak_alone" not in answer else NOTHING_FOUND


def _with_state(args: argparse.Namespace, answer: Any) -> Any:
    """For people: what is to be known first, while much is still to be indexed; and what its hits are dated by."""
    if args.sort == "modified":  # which is not always the day that a note is of
        answer = {**answer, "hits": [{**hit, "date": None} for hit in answer["hits"]]}
    if NO_DAEMON in answer["degraded"] or answer["pending"] < (FEW if answer["hits"] else 1):
        return answer
    from vragd.cli.status import WITHOUT_SIZES, left_of, n_searched

    try:
        status = client(args).request("GET", WITHOUT_SIZES)
    except VragdError:  # it has stopped since
        return answer
    n = sum(n_searched(store) for store in status["stores"])
    return {**answer, "indexing": on_indexing(n, status["pending"], left_of(status))} if status["pending"] else answer


def show(args: argparse.Namespace, answer: Any, first: int) -> None:
    """Print an answer in the format that was asked for, its first hit with this number."""
    if args.format == "text" and not args.null:
        print_hits(answer, first, the_page(args.color), least=args.min_score)
        say_more(answer, first, args.top_k)
        if not answer["hits"] and (beside := not_asked(args)):
            say(beside)
        return
    from vragd.cli.formats import print_as, print_paths

    if args.null:
        print_paths(answer, end="\0")
    else:
        print_as(args.format, answer, first)
    if args.null or args.format != "json":  # which has it all
        say_indexing(answer)
        say_instead(answer)
        say_unknown(answer)
        say_beside(answer, first, args.min_score)
        say_more(answer, first, args.top_k, ranked_too=False)


def _use(args: argparse.Namespace, answer: Any, first: int) -> int:
    from vragd.cli import opening

    if args.edit is not None:
        return opening.edit(opening.chosen(answer, args.edit, first))
    hit = opening.chosen(answer, args.open, first)
    link = opening.open_hit(hit)
    say(within(f"opens {hit['title']}{' in Obsidian' if link.startswith('obsidian:') else ''}"))
    return 0


def as_text(argument: str) -> str:
    """The argument as UTF-8, whatever the locale says that it is."""
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        raise UsageError("the question is not UTF-8", hint="set a UTF-8 locale, or type it anew") from None


def as_name(argument: str) -> str:
    """What names a file, as answers have it: bytes that are no UTF-8 as %XX."""
    from vragd.system.filenames import shown

    return shown(os.fsencode(argument).decode("utf-8", "surrogateescape"))


def _ask_daemon(args: argparse.Namespace) -> Any:
    if args.model:
        raise UsageError("--ollama needs --backend or --bucket", hint="a store's own model is in its configuration")
    if args.text and (args.store or args.source) and not "".join([*args.text, *args.also]).strip():
        hint = "is a variable of the shell not set? leave it out to list all notes of the store or source"
        raise UsageError("the question is empty", hint=hint)
    if not args.plain:
        _say_phrase(args.text)
    question = {
        "text": " ".join(args.text) if args.plain else as_question(args.text),
        "texts": [as_text(one) for one in args.also],
        "offset": args.offset,
        "min_score": args.min_score,
        "fresh_s": FRESH_S if args.fresh else 0,
        "stores": args.store,
        "top_k": args.top_k,
        "mode": args.mode or "hybrid",
        "sources": args.source,
        "folder": folder_of(args),
        "chunks": args.chunks,
        "weak": args.weak,
        "exact": args.exact,
        "explain": args.explain,
        "plain": args.plain,
        "where": filters_of(args),
        "sort": args.sort,
    }
    answer = _answered(args, question)
    if args.format != "text" or args.null or answer["hits"] or args.offset or not _is_narrowed(question):
        return answer
    if not args.plain and _answered(args, question | {"plain": True, "top_k": 1})["hits"]:
        answer |= {"as_words": True}
    if not 0 < answer["n_weak"] <= HANDFUL:
        return answer
    weak = _answered(args, question | {"weak": True})
    return answer | weak | {"weak_alone": True} if weak["hits"] else answer


def _answered(args: argparse.Namespace, question: dict[str, Any]) -> Any:
    try:
        return client(args).request("POST", "/v1/query", question)
    except NotRunning as error:
        return _without_daemon(args, question, error)


def _is_narrowed(question: dict[str, Any]) -> bool:
    """Whether it has filters, however they were given."""
    if question["sources"] or question["folder"] or question["where"]:
        return True
    from vragd.search.grammar.halves import filter_of
    from vragd.search.grammar.parse import parse

    return not question["plain"] and filter_of(parse(question["text"])) is not None


def _without_daemon(args: argparse.Namespace, question: dict[str, Any], error: NotRunning) -> Any:
    """The answer by words from what was indexed; raises `error` where that is none, or not what was asked for."""
    if args.fresh or args.mode == "vector" or names_socket(args) or not data_dir_of(args).is_dir():
        raise error  # the last before what takes a second to import
    from vragd.system.memory import TO_ANSWER_MIB, ensure_room

    ensure_room(TO_ANSWER_MIB)
    from vragd.daemon.alone import ask_alone

    try:
        return ask_alone(load(args), question)
    except NotFound:
        raise error from None


def as_question(args: Sequence[str]) -> str:
    """The words as one question: what a shell took the quotes from has them again."""
    if not _may_have_had_quotes(args):
        return " ".join(one for one in args if one.strip())
    from vragd.search.grammar.parse import joined

    return joined(args)


def _may_have_had_quotes(args: Sequence[str]) -> bool:
    """Whether to look closer: most questions are plain words, and the grammar takes as long to load as all else."""
    return any(" " in one and _PERHAPS_OPERATOR.match(one) for one in args)


def _say_phrase(args: Sequence[str]) -> None:
    """Of a single argument, which is a whole question, what it is where it had quotes that a shell took away."""
    if not _may_have_had_quotes(args):
        return
    from shlex import quote

    from vragd.search.grammar.parse import as_phrase

    if phrase := as_phrase(args):
        say(within(f"note: one argument is a whole question; with the phrase it is {quote(phrase)}"))


def filters_of(args: argparse.Namespace) -> str | list[str]:
    """The flags as filters in the grammar of questions, any of one kind, all of different kinds; and what was typed."""
    return _together(_flags(args), _folders(args), where_of(args))


def folders_and_where(args: argparse.Namespace) -> str | list[str]:
    """What `add_folders` and `add_where` took."""
    return _together(_folders(args), where_of(args))


def _together(*filters: str) -> str | list[str]:
    found = [one for one in filters if one.strip()]
    return found if len(found) > 1 else "".join(found)


def folder_of(args: argparse.Namespace) -> str:
    """The one folder that is asked for; "" for none, and for several, which `filters_of` has."""
    return as_text(args.folder[0]) if len(args.folder) == 1 else ""


def _folders(args: argparse.Namespace) -> str:
    """As an expression: the grammar's `path:` is not anchored."""
    found = [f"!file.inFolder({_quoted(folder)})" for folder in args.not_folder]
    if len(args.folder) > 1:
        found.append(f"({' || '.join(f'file.inFolder({_quoted(folder)})' for folder in args.folder)})")
    return " && ".join(found)


def _flags(args: argparse.Namespace) -> str:
    kinds = [[f"tag:{_quoted(tag.removeprefix('#'))}" for tag in args.tag], [_property(one) for one in args.property]]
    found = [f"({' OR '.join(some)})" for some in kinds if some]
    found += [f"-tag:{_quoted(tag.removeprefix('#'))}" for tag in args.not_tag]
    found += [f"-{_property(one)}" for one in args.not_property]
    dates = (("on", args.on), ("after", args.after), ("before", args.before))
    found += [f"{name}:{_quoted(value)}" for name, value in dates if value]
    return " ".join(found)


def _property(flag: str) -> str:
    name, equals, value = flag.partition("=")
    if not name.strip():
        raise UsageError(f"the property {flag!r} has no name", hint="--property NAME or --property NAME=VALUE")
    return f"[{_quoted(name)}{'=' + _quoted(value) if equals else ''}]"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
