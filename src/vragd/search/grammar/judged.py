"""
The parts of an expression -> filters and operands; what makes no sense is refused here, with the place.

What never could hold, as a number that is to be less than a text, is a mistake. What only the note tells, the kind of a
property, is not known here.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vragd.search.grammar.dates import day_or_time
from vragd.search.grammar.operands import (
    UNITS,
    Clock,
    Given,
    Kind,
    Moved,
    OfFile,
    OfNote,
    Operand,
    Step,
    kind_of,
    stretch,
    unlinked,
)
from vragd.search.grammar.tokens import Token
from vragd.search.grammar.tree import And, Asks, Compares, Folder, Link, Node, Not, Or, Property, Tag

OPERANDS = (Given, OfFile, OfNote, Clock, Moved)
METHODS = "functions are contains, containsAny, containsAll, startsWith, endsWith, isEmpty"
_GLOBALS = 'functions are today(), now(), date("2026-01-02"), duration("7d"), link("Note"), and those of a value'
_OF_FILE = "functions are file.hasTag, file.inFolder, file.hasLink, file.hasProperty"
_KINDS: dict[Kind, str] = {
    "text": "a text", "number": "a number", "checkbox": "true or false", "time": "a time", "list": "a list",
    "null": "null",
}  # fmt: skip


class Wrong(Exception):
    """A mistake, and where in the expression it is: half-open."""

    def __init__(self, message: str, span: tuple[int, int], hint: str) -> None:
        super().__init__(message)
        self.message, self.span, self.hint = message, span, hint


@dataclass(frozen=True, slots=True)
class Part:
    """A filter, an operand or a stretch of time, and where it stands."""

    thing: Node | Operand | Step
    start: int
    end: int

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.end


# -- what stands for itself ------------------------------------------------------------------------


def text(token: Token) -> Part:
    return Part(Given(unicodedata.normalize("NFC", token.text)), token.start, token.end)


def number(token: Token, sign: Token | None = None) -> Part:
    """An int where it is one of a few digits, so that large ids compare exactly."""
    start = sign.start if sign else token.start
    value = int(token.text) if token.text.isdigit() and len(token.text) <= 400 else float(token.text)
    if not math.isfinite(value):
        raise Wrong("this number is too large", (start, token.end), "a number has 308 digits at most")
    return Part(Given(-value if sign else value), start, token.end)


def constant(token: Token) -> Part:
    return Part(Given({"true": True, "false": False, "null": None}[token.text]), token.start, token.end)


# -- conditions ------------------------------------------------------------------------------------


def condition(part: Part) -> Node:
    """What holds or does not: a condition, or a value that counts as true."""
    match part.thing:
        case Given(bool(value)):
            return And(()) if value else Or(())
        case OfNote() | OfFile("tags" | "links" | "embeds") as operand:
            return Asks("isTruthy", operand)
        case Given() | OfFile() | Clock() | Moved() | Step():
            raise Wrong("this alone is no condition", part.span, "compare it, or ask something of it: x == …")
    return part.thing


def operand(part: Part) -> Operand:
    if isinstance(part.thing, OPERANDS):
        return part.thing
    if isinstance(part.thing, Step):
        raise Wrong("a stretch of time is added to a date, or taken from one", part.span, 'today() - "7d"')
    raise Wrong("this is a condition, and here a value is needed", part.span,
                "! binds tighter than a comparison: !(a == b) or a != b")  # fmt: skip


def compared(left: Part, sign: str, right: Part) -> Part:
    """`left == right` and its like."""
    start, end = left.start, right.end
    for one, other in ((left, right), (right, left)):
        if not isinstance(one.thing, (*OPERANDS, Step)) and isinstance(other.thing, Given) and sign in ("==", "!="):
            if not isinstance(other.thing.value, bool):
                operand(one)
            return Part(one.thing if other.thing.value == (sign == "==") else Not(one.thing), start, end)
    ours, others = operand(left), operand(right)
    for part, each in ((left, ours), (right, others)):
        if isinstance(each, OfFile) and kind_of(each) == "list":
            raise Wrong("a list is not compared", part.span, f'file.{each.name}.contains("…") or .isEmpty()')
        if sign not in ("==", "!=") and kind_of(each) in ("null", "checkbox"):
            raise Wrong("nothing is less or more than this", part.span, "== and != compare with it")
    _must_compare(left, right)
    return Part(Compares(ours, sign, others), start, end)  # type: ignore[arg-type]


def _must_compare(left: Part, right: Part) -> None:
    kinds = kind_of(operand(left)), kind_of(operand(right))
    if "" in kinds or "null" in kinds or kinds[0] == kinds[1]:
        return
    for part, other in ((left, kinds[1]), (right, kinds[0])):
        if other == "time" and isinstance(part.thing, Given) and isinstance(part.thing.value, str):
            if day_or_time(part.thing.value) is None:
                raise Wrong(f"{part.thing.value[:40]!r} is no date", part.span,
                            'a date is "2026-01-02" or "2026-01-02 14:30"; or is it today() - "7d"?')  # fmt: skip
            return
    raise Wrong(f"this is {_KINDS[kinds[1]]}, and what it is compared with is {_KINDS[kinds[0]]}", right.span,
                "only values of one kind compare")  # fmt: skip


# -- moments ---------------------------------------------------------------------------------------


def moved(left: Part, sign: Token, right: Part) -> Part:
    """`left + right` and `left - right`: a date, and a stretch of time."""
    here = (sign.start, sign.end)
    step = right.thing if isinstance(right.thing, Step) else None
    if isinstance(right.thing, Given) and isinstance(right.thing.value, str):
        step = stretch(right.thing.value)
        if step is None:
            raise Wrong("this is no stretch of time", right.span, f'"7d", "1 week", "2M"; units are {", ".join(UNITS)}')
    if step is None:
        if isinstance(left.thing, OfNote) and isinstance(right.thing, OfNote):
            raise Wrong("nothing is calculated here", here,
                        f'a name with a hyphen in it is note["{left.thing.name}-{right.thing.name}"]')  # fmt: skip
        raise Wrong("nothing is calculated here but dates", here,
                    'today() - "7d"; not the time between two dates: due < now() + "1 week"')  # fmt: skip
    base = operand(left)
    if kind_of(base) not in ("time", ""):
        raise Wrong("only a date can be moved by a stretch of time", left.span, 'today() - "7d", due + "1 week"')
    step = Step(-step.count, step.unit) if sign.text == "-" else step
    made = Moved(base.of, (*base.by, step)) if isinstance(base, Moved) else Moved(base, (step,))
    return Part(made, left.start, right.end)


# -- functions -------------------------------------------------------------------------------------


def called(name: Token, args: Sequence[Part], end: Token) -> Part:
    """A function that stands alone."""
    if name.text not in ("date", "duration", "link"):
        raise Wrong(f"there is no function {name.text} here", (name.start, name.end), _GLOBALS)
    arguments(name, args, 1, 1, end)
    (arg,) = args
    if name.text == "date":
        value = operand(arg)
        if isinstance(value, Given) and (not isinstance(value.value, str) or day_or_time(value.value) is None):
            raise Wrong("this is no date", arg.span, 'date("2026-01-02") or date("2026-01-02 14:30")')
        if kind_of(value) not in ("time", "text", ""):
            raise Wrong("this is no date", arg.span, "date(due), for a property")
        return Part(value if isinstance(value, Moved) else Moved(value), name.start, end.end)
    said = _said(arg)
    if name.text == "link":
        return Part(Given(unlinked(said)), name.start, end.end)
    step = stretch(said)
    if step is None:
        raise Wrong("this is no stretch of time", arg.span, f'"7d", "1 week", "2M"; units are {", ".join(UNITS)}')
    return Part(step, name.start, end.end)


def of_file(file: Token, name: Token, args: Sequence[Part], end: Token) -> Part:
    """`file.hasTag("a")` and its like."""
    most = len(args) if name.text == "hasTag" else 1
    if name.text not in ("hasTag", "inFolder", "hasLink", "hasProperty"):
        raise Wrong(f"there is no function file.{name.text} here", (file.start, name.end), _OF_FILE)
    arguments(name, args, 1, most, end)
    nodes = list[Node]()
    for arg in args:
        said = _said(arg)
        said = said.strip().removeprefix("#") if name.text == "hasTag" else said.strip()
        if not said and name.text != "inFolder":
            raise Wrong("this is empty", arg.span, f'file.{name.text}("…")')
        made: dict[str, Any] = {"hasTag": Tag, "inFolder": Folder, "hasProperty": Property}
        nodes.append(_link(arg) if name.text == "hasLink" else made[name.text](said))
    return Part(nodes[0] if len(nodes) == 1 else Or(tuple(nodes)), file.start, end.end)


def method(of: Part, name: Token, args: Sequence[Part], end: Token) -> Part:
    """`x.contains("a")` and its like."""
    subject = operand(of)
    kind = kind_of(subject)
    if name.text not in ("contains", "containsAny", "containsAll", "startsWith", "endsWith", "isEmpty"):
        raise Wrong(f"there is no function .{name.text} here", (name.start, name.end), METHODS)
    if name.text == "isEmpty":
        arguments(name, args, 0, 0, end)
        return Part(Asks("isEmpty", subject), of.start, end.end)
    arguments(name, args, 1, len(args) if name.text in ("containsAny", "containsAll") else 1, end)
    is_for_texts = name.text in ("startsWith", "endsWith")
    if kind not in ("", "text") and (is_for_texts or kind != "list"):
        raise Wrong(f"{name.text} is asked of {'texts' if is_for_texts else 'texts and lists'},"
                    f" and this is {_KINDS[kind]}", of.span, METHODS)  # fmt: skip
    nodes = tuple(_asked(name, subject, arg) for arg in args)
    if len(nodes) == 1:
        return Part(nodes[0], of.start, end.end)
    return Part(And(nodes) if name.text == "containsAll" else Or(nodes), of.start, end.end)


def _asked(name: Token, subject: Operand, arg: Part) -> Node:
    if subject in (OfFile("links"), OfFile("embeds")):
        return _link(arg, embed=subject == OfFile("embeds"))
    value = operand(arg)
    if kind_of(subject) in ("text", "list") or name.text in ("startsWith", "endsWith"):
        if kind_of(value) not in ("text", ""):
            raise Wrong(f"{name.text} takes a text here, and this is {_KINDS[kind_of(value)]}", arg.span,
                        f'{name.text}("…")')  # fmt: skip
    elif isinstance(value, OfFile) and kind_of(value) == "list":
        raise Wrong("a list is no single value", arg.span, f'file.{value.name}.contains("…")')
    if name.text in ("startsWith", "endsWith"):
        return Asks("startsWith" if name.text == "startsWith" else "endsWith", subject, value)
    return Asks("contains", subject, value)


def arguments(name: Token, args: Sequence[Part], least: int, most: int, end: Token) -> None:
    """Raise Wrong unless there are so many."""
    if len(args) < least:
        raise Wrong(f"{name.text} takes something here", (end.start, end.end), f'{name.text}("…")')
    if len(args) > most:
        takes = "nothing" if most == 0 else "one value"
        raise Wrong(f"{name.text} takes {takes}", args[most].span, f"{name.text}({'…' if most else ''})")


def _said(arg: Part) -> str:
    """The text that an argument is."""
    if not isinstance(arg.thing, Given) or not isinstance(arg.thing.value, str):
        raise Wrong("a text in quotes is needed here", arg.span, '"…"')
    return arg.thing.value


def _link(arg: Part, *, embed: bool | None = None) -> Link:
    target = unlinked(_said(arg).strip())
    if not target:
        raise Wrong("this is empty", arg.span, 'file.hasLink("Note")')
    return Link("to", target, embed)
