"""
What expressions ask of the values of notes and files. Values of unlike kinds are not equal, and neither is more.

A value is null, a bool, a number, a text (composed, as it is spelt), a moment (in UTC) or a tuple of values. A text
that is a day, or a time of one, is that beside a moment. Of two texts one that is a link is its target.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from vragd.catalog.fold import fold
from vragd.catalog.selecting import Entry, Selecting
from vragd.notes.model import Value
from vragd.search.grammar.dates import at_wall, day_or_time, interval, moved
from vragd.search.grammar.operands import Clock, Given, Moved, OfFile, OfNote, Operand, are_tags, unlinked
from vragd.search.grammar.tree import Asks, Compares
from vragd.search.typed import Typed
from vragd.search.valued import file_time, moment_of

Seen = bool | int | float | str | datetime | tuple[Any, ...] | None
Reads = Callable[[int], Seen]
_KINDS: Mapping[type, str] = {
    type(None): "null", bool: "checkbox", int: "number", float: "number", str: "text", datetime: "time", tuple: "list",
}  # fmt: skip
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Expressed:
    """The values of one question's expressions, each read once. `now` is when it was asked, by the wall clock."""

    def __init__(self, select: Selecting, now: datetime, values: Typed) -> None:
        self._select, self._now, self._typed = select, now, values
        self._said: dict[str, dict[int, Seen]] = {}
        self._tags: dict[int, tuple[str, ...]] | None = None

    def holds(
        self, node: Compares | Asks, entries: Iterable[Entry], created: Callable[[], Mapping[int, datetime]]
    ) -> list[int]:
        """Those of the notes for which it holds, by id, in their order. `created` tells when each was made."""
        seen = {entry.id: entry for entry in entries}
        made = [self._reader(one, seen, created) for one in operands_of(node)]
        holds: Callable[[Seen, Seen], bool]
        match node:
            case Compares(_, op, _):
                left, right = made
                return [note for note in seen if compares(left(note), op, right(note), self._day)]
            case Asks("isEmpty"):
                return [note for note in seen if made[0](note) in (None, "", ())]
            case Asks("isTruthy"):
                return [note for note in seen if is_truthy(made[0](note))]
            case Asks("contains", of):
                holds = self._contains_tag if are_tags(of) else self._contains
            case Asks("startsWith"):
                holds = _both_texts(str.startswith)
            case _:
                holds = _both_texts(str.endswith)
        subject, value = made
        return [note for note in seen if holds(subject(note), value(note))]

    def _contains(self, subject: Seen, value: Seen) -> bool:
        if isinstance(subject, tuple):
            return any(same(each, value, self._day) for each in subject)
        return isinstance(subject, str) and isinstance(value, str) and value in subject

    @staticmethod
    def _contains_tag(subject: Seen, value: Seen) -> bool:
        if not isinstance(subject, tuple) or not isinstance(value, str):
            return False
        wanted = _tag(value)
        return any(_tag(each) == wanted for each in subject if isinstance(each, str))

    # -- values ------------------------------------------------------------------------------------

    def _reader(
        self, operand: Operand, seen: Mapping[int, Entry], created: Callable[[], Mapping[int, datetime]]
    ) -> Reads:
        match operand:
            case Given(value):
                return lambda _: value
            case Clock(which):
                now = at_wall(self._now, None) if self._now.tzinfo is None else self._now.astimezone(UTC)
                moment = interval("today", self._now)[0] if which == "today" else now
                return lambda _: moment
            case Moved(of, by):
                inner = self._reader(of, seen, created)

                def read(note: int) -> Seen:
                    moment = self._moment(inner(note))
                    if moment is None:
                        return None
                    for step in by:
                        moment = moved(moment, step.count, step.unit, self._now.tzinfo)
                    return moment

                return _once(read) if isinstance(of, Clock | Given) else read
            case OfNote(name):
                return self._values(name).get
            case OfFile("tags"):
                return lambda note: self._tags_of().get(note, ())
            case OfFile("size"):
                return self._select.sizes(seen).get
            case OfFile("mtime"):
                return lambda note: file_time(seen[note].modified_ns)
            case OfFile("ctime"):
                return created().get
            case OfFile("links" | "embeds" as name):
                linking = frozenset(self._select.linking(embed=name == "embeds").tolist())
                return lambda note: ("link",) if note in linking else ()
            case OfFile(name):
                part = _PARTS[name]
                return lambda note: _composed(part(seen[note].path))
        raise TypeError(f"no value: {operand!r}")

    def _values(self, name: str) -> dict[int, Seen]:
        key = name.lower()
        if key not in self._said:
            self._said[key] = {note: _seen(value) for note, value in self._typed.of(name)}
        return self._said[key]

    def _tags_of(self) -> dict[int, tuple[str, ...]]:
        if self._tags is None:
            found: dict[int, list[str]] = {}
            for note, tag in self._select.every_tag():
                found.setdefault(note, []).append(tag)
            self._tags = {note: tuple(tags) for note, tags in found.items()}
        return self._tags

    def _moment(self, value: Seen) -> datetime | None:
        return value if isinstance(value, datetime) else self._day(value) if isinstance(value, str) else None

    def _day(self, text: str) -> datetime | None:
        """The moment a text is."""
        found = day_or_time(text)
        if found is None:
            return None
        return at_wall(found, self._now.tzinfo) if found.tzinfo is None else _in_utc(found)


def operands_of(node: Compares | Asks) -> tuple[Operand, ...]:
    """What is read for it."""
    if isinstance(node, Compares):
        return node.left, node.right
    return (node.of,) if node.value is None else (node.of, node.value)


def compares(left: Seen, op: str, right: Seen, day: Callable[[str], datetime | None]) -> bool:
    """Whether they compare so. Numbers, texts and moments have an order; `day` reads a text beside a moment."""
    if op in ("==", "!="):
        return same(left, right, day) == (op == "==")
    if type(left) is not type(right):
        left, right = _beside(left, right, day), _beside(right, left, day)
    has_order = _KINDS[type(left)] == _KINDS[type(right)] in ("number", "text", "time")
    return has_order and _ORDER[op](left, right)


def same(left: Seen, right: Seen, day: Callable[[str], datetime | None]) -> bool:
    """Whether they are equal. Lists are where all their items are, in order; a list is no single value."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(same(a, b, day) for a, b in zip(left, right, strict=True))
    if isinstance(left, str) and isinstance(right, str):
        return left == right or ("[[" in (left[:2], right[:2]) and unlinked(left) == unlinked(right))
    if type(left) is not type(right):
        left, right = _beside(left, right, day), _beside(right, left, day)
    return _KINDS[type(left)] == _KINDS[type(right)] and left == right


def is_truthy(value: Seen) -> bool:
    """Neither null, false, 0, an empty text nor an empty list."""
    return isinstance(value, datetime) or bool(value)


def _beside(value: Seen, other: Seen, day: Callable[[str], datetime | None]) -> Seen:
    """A text beside a moment is the moment it names, or itself where it names none."""
    return (day(value) or value) if isinstance(value, str) and isinstance(other, datetime) else value


def _both_texts(test: Callable[[str, str], bool]) -> Callable[[Seen, Seen], bool]:
    return lambda one, other: isinstance(one, str) and isinstance(other, str) and test(one, other)


def _once(read: Reads) -> Reads:
    found = read(0)
    return lambda _: found


def _tag(text: str) -> str:
    return fold(text.strip().removeprefix("#"))


def _seen(value: Value) -> Seen:
    if isinstance(value, tuple):
        return tuple(map(_seen, value))
    if isinstance(value, date):
        moment = moment_of(value)
        assert moment is not None
        return _in_utc(moment)
    return _composed(value) if isinstance(value, str) else value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first and the last day of the calendar
        return moment.replace(tzinfo=UTC)


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _ending(path: str) -> str:
    stem, dot, ending = _name(path).rpartition(".")
    return ending if stem and dot else ""


def _basename(path: str) -> str:
    return _name(path).removesuffix(f".{ending}") if (ending := _ending(path)) else _name(path)


_PARTS: dict[str, Callable[[str], str]] = {
    "name": _name,
    "basename": _basename,
    "path": str,
    "folder": lambda path: path.rpartition("/")[0] or "/",
    "ext": _ending,
}
