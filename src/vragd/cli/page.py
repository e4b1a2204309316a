"""What a terminal shows of an answer: colours, links, lines as wide as it is. What cannot be seen is named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple, TextIO

from vragd.system.unseen import FORMATTING

HIT, TITLE, DIM, PLACE = "1;31", "1", "2", "36"
"""How a terminal is told to show a word that matched, a title, what is beside it, where it stands."""

_JOINED, _EMOJI = "\u0590-\u1cff", "\u203c-\u2bff\u3030-\u303d\u3297\u3299\U0001f000-\U0001faff"
# What changes how its neighbours look is left where it does: joiners in scripts that need them and within emoji,
# the style of an emoji, the variant of an ideograph, a flag.
_KEPT = (
    rf"(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])|(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}])"
    rf"|(?<=[#*0-9\u00a9\u00ae{_EMOJI}])[\ufe0e\ufe0f]"
    r"|(?<=[\u3400-\u9fff\U00020000-\U0003ffff])[\ufe00-\ufe02\U000e0100-\U000e01ef]"
    r"|(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]"
    "|(?<=\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
)
_UNSEEN = rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{FORMATTING}]"
# What is neither seen nor told by str.isprintable, which looks at other kinds of characters.
_PRINTABLE = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)))
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))


@cache
def _looked_at() -> re.Pattern[str]:
    """Made when it is needed: that takes a tenth of a query, and most answers have nothing of the kind."""
    return re.compile(f"({_KEPT})|\r(?=\n)|{_UNSEEN}")


class Piece(NamedTuple):
    """Text that is shown in one way: `style` as SGR has it, `link` where it leads."""

    text: str
    style: str = ""
    link: str = ""


class Page(NamedTuple):
    """What the output can show. `width` 0: lines are as long as they are."""

    colours: bool = False
    links: bool = False
    width: int = 0


def page(stream: TextIO, environ: Mapping[str, str] = os.environ, choice: str = "auto") -> Page:
    """
    The page that `stream` is. Colours: `choice` (always, never, auto), then NO_COLOR, then FORCE_COLOR, then whether it
    is a terminal that shows them; links go with colours.
    """
    is_terminal, term = stream.isatty(), environ.get("TERM")
    if choice != "auto":
        colours = choice == "always"
    elif environ.get("NO_COLOR"):
        colours = False
    elif forced := environ.get("FORCE_COLOR"):
        colours = forced not in ("0", "false")
    else:
        colours = is_terminal and term != "dumb"
    # The console of Linux prints what it does not know.
    return Page(colours, colours and term not in ("linux", "dumb"), _width(stream, environ) if is_terminal else 0)


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    asked = environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 80


def seen(text: str, spans: Sequence[Sequence[int]] = ()) -> tuple[str, list[tuple[int, int]]]:
    """
    `text` where each character that cannot be seen, or turns or moves what can be, is named (`<U+202E>`), and `spans`
    where they are then. Line ends and tabs stay; what changes how its neighbours look stays with them.
    """
    if text.isprintable() and _PRINTABLE.isdisjoint(text):
        return text, [(start, end) for start, end in spans]
    parts, shifts, at = list[str](), list[tuple[int, int]](), 0
    for found in _looked_at().finditer(text):
        if found[1] is None:
            named = (
                "" if found[0] == "\r" and text[found.end() : found.end() + 1] == "\n" else f"<U+{ord(found[0]):04X}>"
            )
            parts += [text[at : found.start()], named]
            shifts.append((found.start(), len(named) - 1))
            at = found.end()
    shown = "".join([*parts, text[at:]])
    return shown, [(_moved(start, shifts), _moved(end, shifts)) for start, end in spans]


def _moved(at: int, shifts: Sequence[tuple[int, int]]) -> int:
    return at + sum(by for where, by in shifts if where < at)


def lines(pieces: Iterable[Piece], page: Page, indent: int = 0) -> list[str]:
    """The pieces as lines of the page, all but the first so far in. What is in them is to be what `seen` gives."""
    cells = [(char, piece.style, piece.link) for piece in pieces for char in piece.text]
    return [_painted(line, page) for line in (_wrapped(cells, page.width, indent) if page.width else [cells])]


def wrapped(pieces: Iterable[Piece], width: int) -> list[list[Piece]]:
    """The pieces as lines of so many columns, for whoever paints them in another way than `lines`."""
    cells = [(char, piece.style, piece.link) for piece in pieces for char in piece.text]
    return [
        [Piece("".join(char for char, _, _ in some), *key) for key, some in groupby(line, key=lambda cell: cell[1:])]
        for line in _wrapped(cells, width, 0)
    ]


Cell = tuple[str, str, str]


def _wrapped(cells: list[Cell], width: int, indent: int) -> list[list[Cell]]:
    margin: list[Cell] = [(" ", "", "")] * min(indent, width // 2)
    found, line, used, blank = list[list[Cell]](), list[Cell](), 0, 0
    for cell in cells:
        size = _size(cell[0])
        if used + size > width and len(line) > len(margin):
            if cell[0] == " ":
                blank = len(line)
            at = blank if blank > len(margin) else len(line)
            if at == len(line) and _is_address(line[len(margin) :]):
                line.append(cell)  # in two parts nobody can copy it: the terminal breaks it as it shows it
                used += size
                continue
            found.append(_stripped(line[:at]))
            line = margin + _led(line[at:])
            used, blank = sum(_size(char) for char, _, _ in line), 0
            if cell[0] == " " and len(line) == len(margin):
                continue
        if size > 1:
            blank = len(line)  # scripts of wide characters are broken anywhere
        line.append(cell)
        used += size
        if cell[0] == " ":
            blank = len(line)
    return [*found, _stripped(line)]


def _is_address(cells: list[Cell]) -> bool:
    """Whether what stands there without a blank is one of the web."""
    return "://" in "".join(char for char, _, _ in cells).rpartition(" ")[2]


def _stripped(line: list[Cell]) -> list[Cell]:
    while line and line[-1][0] == " ":
        line = line[:-1]
    return line


def _led(line: list[Cell]) -> list[Cell]:
    while line and line[0][0] == " ":
        line = line[1:]
    return line


def _size(char: str) -> int:
    """How many columns a character takes."""
    if char < "\u0300":
        return 1
    import unicodedata

    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _painted(line: Iterable[Cell], page: Page) -> str:
    parts = list[str]()
    for (style, link), cells in groupby(line, key=lambda cell: cell[1:]):
        text = "".join(char for char, _, _ in cells)
        if style and page.colours:
            text = f"\033[{style}m{text}\033[0m"
        if link and page.links:
            text = f"\033]8;;{target(link)}\033\\{text}\033]8;;\033\\"
        parts.append(text)
    return "".join(parts)


def target(link: str) -> str:
    """A link as it may stand in an escape sequence: what is no printable ASCII is percent-encoded."""
    return "".join(
        char if "!" <= char <= "~" else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in link
    )


def file_link(path: str) -> str:
    """The link to a file of this machine."""
    from urllib.parse import quote

    return "file://" + quote(path, errors="surrogateescape") if path.startswith("/") else ""
