"""A question's filters, evaluated in one store: which notes may answer, those near it among them, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Literal

import numpy as np

from vragd.catalog.fold import fold
from vragd.catalog.lookup import Lookup
from vragd.catalog.reader import Snapshot
from vragd.catalog.selected import Kept
from vragd.search.among import Among
from vragd.search.expressed import operands_of
from vragd.search.grammar.operands import Given, Moved, OfNote, Operand
from vragd.search.grammar.tree import (
    And,
    Asks,
    Compared,
    Compares,
    Folder,
    Link,
    Node,
    Not,
    Or,
    Phrase,
    Property,
    Scope,
    Tag,
    When,
    Within,
    Word,
)
from vragd.search.links import Linked, Root, find, nearest, notes_linked
from vragd.search.nearest import nearest_name
from vragd.search.question import Question, Sort, Target, Unknown, wall_clock
from vragd.search.score import MEASURED, cosines
from vragd.search.show import Order
from vragd.search.textual import Look, Matcher

EXACT_CHUNKS = 4_000
"""Of so few each is compared with the question; of more the backend is asked, and asked again for more."""
AT_ONCE = 4_000
MOST_LISTED = 2_000  # notes that are scored for being listed

Hidden = Callable[[Collection[int]], Collection[int]]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """`notes` are those that pass, by id; `chunks` their (chunk, note), None where there are too many to compare."""

    notes: np.ndarray
    chunks: list[tuple[int, int]] | None
    unknown: tuple[Unknown, ...] = ()


def narrowed(now: Snapshot, target: Target, question: Question, hidden: Hidden, exact_chunks: int) -> Narrowed:
    """What passes the filters of the question, its sources and its folder included. Raises UsageError."""
    assert question.where is not None
    linked = partial(notes_linked, linked_of(target), now.db)
    kept = Kept(now.selected, now.selecting.written(), _types(target)) if now.selected else None
    among = Among(target.name, now.selecting, question.now or wall_clock(), hidden, linked, target.places, kept)
    keeps = now.selected is not None and not any(place.withheld for place in target.places.values())
    notes = _kept(now, target, among, question.where) if keeps else among.notes(question.where)
    unknown = list(_unknown(now, target, among, question.where))
    if question.sources:
        notes = np.intersect1d(notes, now.selecting.of_source(sorted(question.sources)), assume_unique=True)
    if question.folder.strip("/"):
        inside = among.below(question.folder)
        notes = np.intersect1d(notes, inside, assume_unique=True)
        if not len(np.intersect1d(among.everything, inside, assume_unique=True)):
            unknown.append(_unknown_folder(now, among, question.folder))
    chunks = now.lookup.chunks_among(notes, exact_chunks + 1) if len(notes) <= exact_chunks else None
    few = chunks if chunks is not None and len(chunks) <= exact_chunks else None
    return Narrowed(notes, few, tuple(unknown))


def _kept(now: Snapshot, target: Target, among: Among, where: Node) -> np.ndarray:
    """What passes, of which the part that the catalog alone decides is not looked for twice."""
    assert now.selected is not None
    parts = where.parts if isinstance(where, And) else (where,)
    lasting = And(tuple(part for part in parts if _lasts(part)))
    if not lasting.parts:
        return among.notes(where)
    generation, rest = now.generation(), tuple(part for part in parts if not _lasts(part))
    by = (target.name, lasting, _types(target))
    found = now.selected.get(generation, by)
    if found is None:
        found = among.notes(lasting)
        now.selected.put(generation, by, found)
    return among.of_those(And(rest), found) if rest else found


def _types(target: Target) -> Hashable:
    """What values and names are read by, beside the catalog."""
    return tuple((label, place.types) for label, place in target.places.items() if place.types)


def _lasts(node: Node) -> bool:
    """Whether what passes is the same as long as the catalog is: not by the clock, nor by other stores."""
    match node:
        case And(parts) | Or(parts):
            return all(map(_lasts, parts))
        case Not(part) | Within(_, part):
            return _lasts(part)
        case Property(_, test):
            return not isinstance(test, Compared)
    return not isinstance(node, When | Link | Compares | Asks)


def hidden_by(target: Target, now: Lookup, notes: Collection[int]) -> set[int]:
    """Those of the notes that nobody may be shown."""
    withheld = {label: place.withheld for label, place in target.places.items() if place.withheld}
    if not withheld:
        return set()
    found = now.notes(list(notes))
    return {note for note, (label, path, _, _) in found.items() if label in withheld and withheld[label](path)}


def linked_of(target: Target) -> Linked:
    """The store as links see it."""
    roots = {
        label: Root((str(place.root),), place.vaults, place.above, place.withheld)
        for label, place in target.places.items()
    }
    return Linked(target.name, target.reader, roots)


def near_among(
    now: Lookup, space_id: int, chunks: list[tuple[int, int]], question: np.ndarray, most: int
) -> list[tuple[int, int]]:
    """Of these (chunk, note) the `most` nearest to the question, best first: every one is compared."""
    note_of = dict(chunks)
    ids, scores = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    for at in range(0, len(chunks), AT_ONCE):
        found, rows = now.vectors(space_id, [chunk for chunk, _ in chunks[at : at + AT_ONCE]])
        if found and rows.shape[1] == len(question):
            ids.append(np.array(found, dtype=np.int64))
            scores.append(cosines(rows, question, MEASURED))
    every, score = np.concatenate(ids), np.concatenate(scores)
    best = every[np.lexsort((every, -score))[:most]]
    return [(chunk, note_of[chunk]) for chunk in best.tolist()]


def lines_found(now: Snapshot, question: Question, notes: Sequence[int]) -> dict[int, int | None]:
    """By note, in their order, the first line that the filters found something in; 1-based, None for none."""
    assert question.where is not None
    matcher, texts = Matcher(), dict(now.selecting.texts(np.array(sorted(notes), dtype=np.int64)))
    found: dict[int, int | None] = {}
    for note in notes:
        line = matcher.first_line(question.where, Look(texts.get(note, "")))
        found[note] = None if line is None else line + 1
    return found


def order_of(now: Snapshot, target: Target, sort: Sort, notes: np.ndarray) -> Order:
    """The latest first, or the first by name."""
    entries = now.selecting.entries(notes)
    if sort == "name":
        found = sorted(entries, key=lambda entry: (fold(entry.path.rpartition("/")[2]), entry.path))
        return Order({entry.id: at for at, entry in enumerate(found)})
    times = Among("", now.selecting, wall_clock(), places=target.places).times(sort, notes)
    found = sorted(entries, key=lambda entry: (-times[entry.id].timestamp(), entry.path))
    created = {note: at.timestamp() for note, at in times.items()} if sort == "created" else {}
    return Order({entry.id: at for at, entry in enumerate(found)}, created)


def days_of(now: Snapshot, target: Target, notes: Sequence[int]) -> dict[int, date]:
    """The day that each of these notes says it is of, by which `after:` finds it; without those that say none."""
    return Among("", now.selecting, wall_clock(), places=target.places).days(np.array(sorted(notes), dtype=np.int64))


def _unknown(now: Snapshot, target: Target, among: Among, where: Node) -> Iterator[Unknown]:
    for leaf in dict.fromkeys(_named(where)):
        if len(among.notes(leaf)):
            continue
        if isinstance(leaf, Link):
            linked = linked_of(target)
            if not find(linked, leaf.target):
                yield Unknown("note", leaf.target, next(iter(nearest([linked], leaf.target)), ""))
            continue
        if isinstance(leaf, Folder):
            yield _unknown_folder(now, among, leaf.path)
            continue
        kind: Literal["tag", "property"] = "tag" if isinstance(leaf, Tag) else "property"
        there = [name for name in now.selecting.names(kind) if len(among.notes(type(leaf)(name)))]
        yield Unknown(kind, leaf.name, nearest_name(leaf.name, there))


def _unknown_folder(now: Snapshot, among: Among, name: str) -> Unknown:
    folders = {entry.path.rpartition("/")[0] for entry in now.selecting.entries(among.everything)}
    near = nearest_name(name, sorted(folders))
    return Unknown("folder", name, near or nearest_name(name.partition("/")[2], sorted(folders)))  # as hits print it


def _named(node: Node) -> Iterator[Tag | Property | Folder | Link]:
    """
    The tags and properties that notes must have, the folders they must be in, and links to or from whom. What stands
    behind `path:` and ends with a slash is a folder.
    """
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _named(part)
        case Within(Scope.PATH, Word(text) | Phrase(text)) if text.endswith("/"):
            yield Folder(text.strip("/"))
        case Within(_, part):
            yield from _named(part)
        case Tag() | Folder() | Link():
            yield node
        case Property(name):
            yield Property(name)
        case Compares() | Asks():
            if not _is_of_what_is_not_there(node):
                yield from (Property(one.name) for one in map(_bare, operands_of(node)) if isinstance(one, OfNote))
        case Not():
            return


def _bare(operand: Operand) -> Operand:
    return _bare(operand.of) if isinstance(operand, Moved) else operand


def _is_of_what_is_not_there(node: Compares | Asks) -> bool:
    """Whether it holds for notes without the property."""
    if isinstance(node, Asks):
        return node.what == "isEmpty"
    return node.op == "!=" or Given(None) in (node.left, node.right)
