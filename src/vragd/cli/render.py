"""Text and JSON for people and programs. The one place where errors become words."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any, TextIO

from vragd.errors import Mistyped, VragdError

_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
BOLD, PLAIN = "\x02", "\x03"
"""Where bold begins and ends in what `out` is told is marked."""
_LINE_ENDS = dict.fromkeys(map(ord, "\n\t\u2028\u2029"), "\ufffd")


def bold() -> bool:
    """Whether standard output is a terminal that shows it, and the user has not said no."""
    return _output().isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def out(text: str = "", *, marked: bool = False) -> None:
    """
    A line of the answer, on standard output; `marked` if it has BOLD and PLAIN in it, of ours and nobody else's.

    Raises VragdError where there is none.
    """
    encoding = _output().encoding
    if not marked:
        print(_printable(text, encoding))
        return
    pieces = re.split(f"([{BOLD}{PLAIN}])", text)
    shown = {BOLD: "\033[1m", PLAIN: "\033[0m"}
    print("".join(shown.get(piece) or _printable(piece, encoding) for piece in pieces))


def say(text: str) -> None:
    """A line about the answer, on standard error."""
    print(_printable(text, sys.stderr.encoding), file=sys.stderr)


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

        for line in pointed(error.text, error.span).split("\n"):
            say(line)
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


def _is_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "") == "utf8"


def _printable(text: str, encoding: str | None) -> str:
    # What notes hold goes to a terminal: no escape sequences, nothing that turns the line, or that it cannot show.
    text = _DIRECTIONS.sub("", text)
    clean = "".join(c if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160) else "�" for c in text)
    return clean.encode(encoding or "utf-8", "replace").decode(encoding or "utf-8")
