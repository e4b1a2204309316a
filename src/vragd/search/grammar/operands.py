"""What expressions compare: values that are given, that notes and files have, and moments; and which kind each is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Sign = Literal["==", "!=", "<", "<=", ">", ">="]
SIGNS: tuple[Sign, ...] = ("==", "!=", "<=", ">=", "<", ">")
Kind = Literal["text", "number", "checkbox", "time", "list", "null", ""]
"""'' is what only the note tells."""

FIELDS: dict[str, Kind] = {
    "name": "text", "basename": "text", "path": "text", "folder": "text", "ext": "text", "size": "number",
    "ctime": "time", "mtime": "time", "tags": "list", "links": "list", "embeds": "list",
}  # fmt: skip
UNITS = {
    **dict.fromkeys(("y", "year", "years"), "y"),
    **dict.fromkeys(("M", "month", "months"), "M"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("h", "hour", "hours"), "h"),
    **dict.fromkeys(("m", "minute", "minutes"), "m"),
    **dict.fromkeys(("s", "second", "seconds"), "s"),
}
"""As Bases has them: a minute is `m`, and a month `M`."""
_STRETCH = re.compile(r"\s*([+-]?)\s*(\d{1,9})\s*([A-Za-z]+)\s*", re.ASCII)
_LINK = re.compile(r"\[\[([^\[\]|]+)(?:\|[^\[\]]*)?\]\]")


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed. Of text composed and decomposed are the same."""

    value: bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class OfFile:
    """`file.name` and its like; one of FIELDS."""

    name: str


@dataclass(frozen=True, slots=True)
class OfNote:
    """The value of the property; null where the note has none."""

    name: str


@dataclass(frozen=True, slots=True)
class Clock:
    """When it is asked, or the beginning of that day."""

    which: Literal["now", "today"]


@dataclass(frozen=True, slots=True)
class Step:
    """So many of a unit; the units are the values of UNITS."""

    count: int
    unit: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A value read as a date, and so much later, one step after the other. Null where it is no date."""

    of: Operand
    by: tuple[Step, ...] = ()


Operand = Given | OfFile | OfNote | Clock | Moved


def kind_of(operand: Operand) -> Kind:
    match operand:
        case Given(None):
            return "null"
        case Given(bool()):
            return "checkbox"
        case Given(str()):
            return "text"
        case Given():
            return "number"
        case OfFile(name):
            return FIELDS[name]
        case OfNote():
            return ""
    return "time"


def are_tags(operand: Operand) -> bool:
    """Whether its items are tags: those compare without regard to case, and with or without `#`."""
    return operand == OfFile("tags") or (isinstance(operand, OfNote) and operand.name.lower() == "tags")


def stretch(text: str) -> Step | None:
    """`7d`, `1 week`, `-2M`; None for what is none."""
    found = _STRETCH.fullmatch(text)
    if not found or found[3] not in UNITS:
        return None
    return Step(int(found[2]) * (-1 if found[1] == "-" else 1), UNITS[found[3]])


def unlinked(text: str) -> str:
    """Of a text that is a link its target: `Note` of `[[Note]]` and of `[[Note|so called]]`."""
    found = _LINK.fullmatch(text)
    return found[1].strip() if found else text
