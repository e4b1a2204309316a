"""Text and JSON for people and programs. The one place where errors become words."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from vragd.cli.commands import spelt
from vragd.cli.page import Page, Piece, lines, page, seen
from vragd.errors import Mistyped, VragdError

_LINE_ENDS = dict.fromkeys(map(ord, "\n\t\u2028\u2029"), "\ufffd")


def the_page(choice: str = "auto") -> Page:
    """What standard output can show; `choice` is what --color was given. Raises VragdError where there is none."""
    return page(_output(), choice=choice)


def out_whole(text: str = "") -> None:
    """
    Lines of the answer as long as they are, on standard output: what is copied, as commands are, or for programs.

    Raises VragdError where there is none.
    """
    print(_printable(text, _output().encoding))


def out(text: str = "", indent: int | None = None) -> None:
    """
    Lines of the answer: on a terminal as wide as it is, what goes on of one `indent` in, or a bit more than it begins;
    elsewhere as they are. Raises VragdError where there is no standard output.
    """
    page = the_page("never")
    if not page.width:
        out_whole(text)
        return
    for line in text.split("\n"):
        margin = len(line) - len(line.lstrip(" ")) + 2 if indent is None else indent
        out_pieces([Piece(seen(line)[0])], page, margin)


def out_pieces(pieces: Iterable[Piece], page: Page, indent: int = 0) -> None:
    """Pieces whose text `seen` gave, as lines of the page on standard output. Raises VragdError where there is none."""
    encoding = _output().encoding
    fit = [piece._replace(text=_encodable(piece.text, encoding)) for piece in pieces]
    for line in lines(fit, page, indent):
        print(line)


def out_name(name: str, end: str = "\n") -> None:
    """A name for programs, in its own bytes: nothing in it is replaced. Raises VragdError where there is no output."""
    stream = _output()
    stream.flush()
    stream.buffer.write(os.fsencode(name) + end.encode())


def say(text: str, indent: int = 0) -> None:
    """
    Lines about the answer, on standard error: as wide as that is where it is a terminal, commands as they are typed
    here.
    """
    width = page(sys.stderr, choice="never").width
    for line in spelt(text).split("\n"):
        shown = _printable(line, sys.stderr.encoding)
        for part in lines([Piece(shown)], Page(width=width), indent) if width else [shown]:
            print(part, file=sys.stderr)


def json_out(document: Any) -> None:
    """One JSON document on standard output. Raises VragdError where there is none."""
    print(json.dumps(document, indent=2, ensure_ascii=not _is_utf8(_output().encoding)))


def _output() -> TextIO:
    if sys.stdout is None:
        raise VragdError("standard output is closed: there is nobody to answer")
    return sys.stdout


def complain(error: VragdError) -> None:
    """What was wrong and the way out, on standard error."""
    say(f"Error: {error.message}")
    if isinstance(error, Mistyped) and error.text:
        from vragd.search.grammar.pointed import pointed

        for line in pointed(error.text, error.span).split("\n"):  # what points at it stands below it
            print(_printable(line, sys.stderr.encoding), file=sys.stderr)
    if error.hint:
        say(f"Try: {error.hint}")


def within(text: str) -> str:
    """A name as it may stand within a line: a line end in it would begin a line of its own."""
    return text.translate(_LINE_ENDS)


def plural(count: int, one: str, many: str = "") -> str:
    """`count` with the right form of the word."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def ago(seconds: float) -> str:
    """A length of time in the largest unit that fits."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def sized(n_bytes: int) -> str:
    """An amount of bytes, of memory or of a disk, in the unit that fits."""
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if n_bytes >= size:
            return f"{n_bytes / size:,.{0 if n_bytes >= 100 * size else 1}f} {unit}"
    return plural(n_bytes, "byte")


def _is_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "") == "utf8"


def _printable(text: str, encoding: str | None) -> str:
    # What notes hold goes to a terminal: no escape sequences, nothing that turns the line, or that it cannot show.
    return _encodable(seen(text)[0], encoding)


def _encodable(text: str, encoding: str | None) -> str:
    return text.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")
