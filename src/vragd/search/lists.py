"""What there is in the notes that pass a question's filters, counted: tags, properties and their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Literal, Protocol

import numpy as np

from vragd.catalog.fold import fold
from vragd.catalog.link_names import fold as same_name
from vragd.catalog.reader import Snapshot
from vragd.catalog.selecting import Entry
from vragd.notes.model import Value
from vragd.search.links import graph_of
from vragd.search.narrowed import hidden_by, linked_of, narrowed
from vragd.search.question import Question, Target, Unknown
from vragd.search.typed import Typed
from vragd.search.valued import written

By = Literal["count", "name"]
Type = Literal["text", "number", "checkbox", "date", "datetime", "list", "empty"]
UNCOMPARED = -1  # chunks: nothing is ranked


class Collected(Protocol):
    """What is made of notes; those of several stores are added one store after the other."""

    @property
    def most(self) -> int | None:
        """How many notes suffice, those whose files were modified last; None where each counts."""

    def add(self, now: Snapshot, target: Target, notes: Sequence[Entry]) -> None: ...


@dataclass(frozen=True, slots=True)
class Looked:
    """What a store says beside that: how many notes pass, and how many are still to be read for any of this."""

    n_notes: int
    n_unread: int
    generation: int
    unknown: tuple[Unknown, ...]


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many notes have the tag or one nested in it, and how many of them the very tag (`own`)."""

    name: str
    count: int
    own: int


@dataclass(frozen=True, slots=True)
class PropertyCount:
    """How many notes have the property, and by type how many; the most frequent type first."""

    name: str
    count: int
    types: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ValueCount:
    """How many notes have the value, or it in their list. An empty list has the type `list` and no text."""

    value: str
    type: Type
    count: int


def look(target: Target, question: Question, met: set[str] | None, into: Collected) -> Looked:
    """
    Add the notes of a store that pass the filters of `question` to `into`, but for files that are in `met`, where they
    are put: what several stores have counts once. None: no other store is looked at. Blocks; on one thread after the
    other. Raises UsageError.
    """
    with target.reader.snapshot() as now:
        passed = narrowed(now, target, question, partial(hidden_by, target, now.lookup), UNCOMPARED)
        if met is None and into.most is not None:  # sources of one store lie apart
            n_notes, notes = len(passed.notes), now.selecting.entries(passed.notes, into.most)
        else:
            notes = list(_new(now.selecting.entries(passed.notes), target, set() if met is None else met))
            n_notes = len(notes)
        into.add(now, target, notes)
        return Looked(n_notes, graph_of(linked_of(target), now.db).n_unread(), now.generation(), passed.unknown)


def _new(entries: Iterable[Entry], target: Target, met: set[str]) -> Iterator[Entry]:
    for entry in entries:
        place = target.places.get(entry.source)
        file = f"{place.root if place else entry.source}/{entry.path}"
        if file not in met:
            met.add(file)
            yield entry


def ids_of(notes: Sequence[Entry]) -> np.ndarray:
    """Their ids, as filters have them."""
    return np.array([note.id for note in notes], dtype=np.int64)


class Tags:
    """Each tag, and what it is nested in, by how many notes have it; as it was first written."""

    most = None

    def __init__(self) -> None:
        self._count, self._own = Counter[str](), Counter[str]()
        self._written: dict[str, str] = {}
        self.n_tagged = 0

    def add(self, now: Snapshot, target: Target, notes: Sequence[Entry]) -> None:
        for _, rows in groupby(now.selecting.tags_of(ids_of(notes)), itemgetter(0)):
            having = set[str]()
            for _, tag, shown in rows:
                self._own[tag] += 1
                for name, said in _with_parents(tag, shown):
                    self._written.setdefault(name, said)
                    having.add(name)
            self._count.update(having)
            self.n_tagged += 1

    def told(self, sort: By) -> list[TagCount]:
        """By how many notes, or by name."""
        found = [TagCount(self._written[tag], count, self._own[tag]) for tag, count in self._count.items()]
        return sorted(found, key=lambda one: (-one.count if sort == "count" else 0, fold(one.name), one.name))


class Properties:
    """Each property, or of the one called `name` its values, by how many notes have it."""

    most = None

    def __init__(self, name: str = "") -> None:
        self._name = name.strip().lower()
        self._types: dict[str, Counter[str]] = {}
        self._spelled: dict[str, str] = {}
        self._values = Counter[Hashable]()
        self._written: dict[Hashable, tuple[str, Type]] = {}

    def add(self, now: Snapshot, target: Target, notes: Sequence[Entry]) -> None:
        typed, entries = Typed(now.selecting, target.places), {note.id: note for note in notes}
        for note, name, text in now.selecting.values_of(ids_of(notes), self._name):
            value = typed.value(entries[note], name, text)
            self._types.setdefault(self._spelled.setdefault(same_name(name), name), Counter())[type_of(value)] += 1
            if self._name:
                having: dict[Hashable, tuple[str, Type]] = {}
                for key, said in _items(value):
                    having.setdefault(key, said)
                self._values.update(having.keys())
                for key, said in having.items():
                    self._written.setdefault(key, said)

    def told(self, sort: By) -> list[PropertyCount]:
        """By how many notes, or by name."""
        found = [PropertyCount(name, n.total(), dict(n.most_common())) for name, n in self._types.items()]
        return sorted(found, key=lambda one: (-one.count if sort == "count" else 0, fold(one.name), one.name))

    def values(self, sort: By) -> list[ValueCount]:
        """Those of the property that was named."""
        found = [ValueCount(*self._written[key], count) for key, count in self._values.items()]
        return sorted(found, key=lambda one: (-one.count if sort == "count" else 0, fold(one.value), one.type))


def type_of(value: Value) -> Type:
    """What a property is, as Obsidian calls it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "checkbox"
        case int() | float():
            return "number"
        case datetime():
            return "datetime"
        case date():
            return "date"
        case tuple():
            return "list"
    return "text"


def _items(value: Value) -> Iterator[tuple[Hashable, tuple[str, Type]]]:
    """A value or those in a list: by what it equals, as filters have it, and as it is written."""
    if isinstance(value, tuple) and value:
        for each in value:
            yield from _items(each)
        return
    kind = type_of(value)
    said = "" if value is None or isinstance(value, tuple) else written(value)
    yield (kind, value if kind == "number" else fold(said)), (said, kind)


def _with_parents(tag: str, shown: str) -> Iterator[tuple[str, str]]:
    """The tag and each that it is nested in, as `tag:` finds them: folded, and as it is written."""
    yield tag, shown
    parts, said = tag.split("/"), shown.split("/")
    for n in range(1, len(parts)):
        parent = "/".join(parts[:n])
        if parent and parts[n:] != [""]:
            yield parent, "/".join(said[:n]) if len(said) == len(parts) else parent
