"""Hits for people. Its import path is kept to the standard library."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from vragd.cli.page import DIM, HIT, PLACE, TITLE, Page, Piece, file_link, seen
from vragd.cli.reasons import NO_DAEMON, say_behind
from vragd.cli.render import out_pieces, plural, say, the_page, within
from vragd.cli.words import MAX_TOP_K
from vragd.search.headings import as_read, path_of

EXCERPT_CHARS = 240
INDENT = 3
ALONE = {
    "source_offline": "a folder is not there, or cannot be looked at: nothing of it is shown",
    "store_failed": "a store cannot be read and is not in this answer: vragd query -s NAME says why",
}  # fmt: skip
"""What else those may be degraded by, in words."""


def print_hits(answer: dict[str, Any], first: int = 1, page: Page | None = None, *, least: float = 0.0) -> None:
    """
    Hits for people, the first with this number, none with a lower score than `least`, where that is not 0; what may be
    wrong with them goes to standard error.
    """
    page = page or the_page()
    say_indexing(answer)
    say_instead(answer)
    say_unknown(answer)
    if "weak_alone" in answer:
        say("no good match; what the filters leave is shown, the nearest first")
    if "as_words" in answer:  # of a command or an error that was pasted: docker exec -it, "…", file: …
        say("some of this is a filter, not words to look for; with --plain, as words alone, there are good matches")
    for number, hit in enumerate(answer["hits"], first):
        heading = path_of(below_title(hit["title"], hit["heading"]))
        print_title(f"{number}. ", hit["title"], heading, _beside(hit), hit.get("uri", ""), page)
        print_place(place_of(hit), hit.get("id", ""), file_link(hit.get("file", "")), page)
        _print_passage(hit, page)
        _print_more(hit, page)
    say_beside(answer, first, least)


def place_of(hit: dict[str, Any]) -> str:
    """Where a hit stands: what was imported may be of no file, or of no lines that anybody knows."""
    first, last = hit["lines"]
    lines = f":{first}-{last}" if first else ""
    return f"{hit['source']}/{hit['path']}{lines}" if hit["path"] else str(hit["source"])


def print_title(number: str, title: str, heading: str, beside: str, uri: str, page: Page) -> None:
    """The first line of a hit."""
    pieces = [
        Piece(number, DIM),
        Piece(_name(title), TITLE, uri),
        Piece(_name(f"  {heading}" if heading else "")),
        Piece(f"  ({beside})", DIM),
    ]
    out_pieces(pieces, page, INDENT)


def print_place(place: str, id_: str, link: str, page: Page) -> None:
    """Where it stands, and its id."""
    pieces = [Piece(" " * INDENT), Piece(_name(place), PLACE, link), Piece(f"  {_name(id_)}" if id_ else "", DIM)]
    out_pieces(pieces, page, INDENT)


def say_beside(answer: dict[str, Any], first: int = 1, least: float = 0.0) -> None:
    """That there are no hits, and what may be wrong with those there are, on standard error; else as `print_hits`."""
    if not answer["hits"]:
        say(_none(answer.get("n_weak", 0), first, least, yet="indexing" in answer))
    if NO_DAEMON in answer["degraded"]:
        changed = (
            f"; {plural(answer['pending'], 'file is', 'files are')} new or changed since" if answer["pending"] else ""
        )
        say(within(f"note: no vragd runs. This is by words alone, from what was indexed before{changed}."))
        for reason, what in ALONE.items():
            if reason in answer["degraded"]:
                say(f"note: {what}")
        say("Start it with vragd run, or vragd service install.")
        return
    say_behind(answer)


def say_indexing(answer: dict[str, Any]) -> None:
    """Before all else, on standard error: how much of what is asked is not searchable yet, where that is much."""
    if indexing := answer.get("indexing"):
        say(f"note: {indexing}")


def say_more(answer: dict[str, Any], first: int, top_k: int, *, ranked_too: bool = True) -> None:
    """
    That there are more hits than these, of which `top_k` were asked for, and how they are shown; on standard error. Of
    ranked ones there nearly always are.
    """
    n, there = len(answer["hits"]), answer.get("n_found", 0)
    is_ranked = any(hit["score"] for hit in answer["hits"])
    if n < top_k or there < first + n or (is_ranked and not ranked_too):
        return
    these = f"{first:,} to {first + n - 1:,}" if first > 1 else f"the best {n:,}" if is_ranked else f"{n:,}"
    is_all = answer["found_all"]
    shows = f"-n {there} shows all" if is_all and there <= MAX_TOP_K else f"-n {min(4 * n, MAX_TOP_K)} shows more"
    say(f"{these} of {there:,}{'' if is_all else ' or more'}: {shows}, --offset {first + n - 1} the next")


def _none(n_weak: int, first: int, least: float, *, yet: bool = False) -> str:
    """That there are no hits, by what was asked for: others may come before these, or have a lower score."""
    what = f"no {'good match' if n_weak else 'hit' if least else 'hits'}"
    what += f" from number {first:,} on" if first > 1 else ""
    what += " yet" if yet else ""
    if least:  # weak ones are not counted by their scores
        return f"{what} has a score of {least:g} or more{'; weak ones are with --weak' if n_weak else ''}"
    return f"{what} ({plural(n_weak, 'weak one')} with --weak)" if n_weak else what


def say_instead(answer: dict[str, Any]) -> None:
    """What was looked for in place of words that are nowhere, on standard error."""
    if not answer["hits"]:  # what may be meant is asked for by whoever meant it
        if instead := answer.get("instead", {}):
            words = ", ".join(f"{other!r} for {word!r}" for word, other in instead.items())
            say(f"did you mean {words}? {'it is' if len(instead) == 1 else 'those are'} nowhere as typed")
        return
    for word, other in answer.get("instead", {}).items():
        say(f"no note has {word!r}: showing results for {other!r}, spelled much the same (--exact: for {word!r} alone)")


def say_unknown(answer: dict[str, Any]) -> None:
    """The names that filters have and no note, on standard error."""
    for unknown in answer.get("unknown", ()):
        nearest = f" (did you mean {unknown['nearest']!r}?)" if unknown["nearest"] else ""
        kind = unknown["kind"]
        what = {"folder": "is in the folder", "note": "is called"}.get(kind, f"has the {kind}")
        say(f"no note {what} {unknown['name']!r}{nearest}")


def below_title(title: str, heading: list[str]) -> list[str]:
    """The heading path without a first heading that only says the title again."""
    return heading[1:] if heading and heading[0] == title else heading


def marked(excerpt: str, spans: Sequence[Sequence[int]]) -> list[Piece]:
    """The excerpt, with what matched in pieces of their own."""
    text, places = seen(within(excerpt), spans)
    pieces, at = list[Piece](), 0
    for start, end in places:
        pieces += [Piece(text[at:start]), Piece(text[start:end], HIT)]
        at = end
    return [*pieces, Piece(text[at:])]


def _name(text: str) -> str:
    return seen(within(text))[0]


def _beside(hit: dict[str, Any]) -> str:
    """Its score, if anything ranked it, and its day."""
    said = [f"{hit['score']:.3f}{'  weak' if hit.get('weak') else ''}"] if hit["score"] else []
    return ", ".join([*said, *day_of(hit)])


def day_of(hit: dict[str, Any]) -> list[str]:
    """
    The day a hit is of, as `after:` finds it: when it was made, where hits are in that order, else the day it says it
    is of; of one that says none when its file was changed, and that it is that.
    """
    if made := hit.get("created"):
        return [_day(made)]
    changed = hit.get("modified")
    return [hit["date"]] if hit.get("date") else [f"changed {_day(changed)}"] if changed else []


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def _print_passage(hit: dict[str, Any], page: Page) -> None:
    if "excerpt" in hit:
        pieces = marked(hit["excerpt"], hit["spans"])
    else:  # of an index that is asked without a catalog
        text = " ".join(hit["text"].split())
        pieces = [Piece(_name(text[:EXCERPT_CHARS])), Piece("…" if len(text) > EXCERPT_CHARS else "")]
    if any(piece.text for piece in pieces):
        out_pieces([Piece(" " * INDENT), *pieces], page, INDENT)


def _print_more(hit: dict[str, Any], page: Page) -> None:
    places = [
        f"{passage['lines'][0]}-{passage['lines'][1]}{''.join(' ' + as_read(part) for part in passage['heading'][-1:])}"
        for passage in hit.get("passages", ())
    ]
    said = [f"also {', '.join(places)}"] if places else []
    said += copies_of(hit)
    if parts := hit.get("parts"):
        said.append(", ".join(f"{name} {value:.3f}" for name, value in parts.items() if value is not None))
    print_below(said, page)


def copies_of(hit: dict[str, Any]) -> list[str]:
    """That the same stands elsewhere, if it does, on one line."""
    if not (copies := hit.get("copies")):
        return []
    named = ", ".join(f"{copy['source']}/{copy['path']}" for copy in copies[:3]) + ("…" if len(copies) > 3 else "")
    return [f"the same in {plural(len(copies), 'other place')}: {named}"]


def print_below(said: Sequence[str], page: Page) -> None:
    """What is said of a hit below it, a line each."""
    for line in said:
        out_pieces([Piece(_name(" " * INDENT + line), DIM)], page, INDENT)
