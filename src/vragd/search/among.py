"""A tree of filters → the notes of one store for which it holds, exactly: ids, int64, sorted. On a reader lane."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property, partial

import numpy as np

from vragd.catalog.fold import fold
from vragd.catalog.indexing import dates_in
from vragd.catalog.selected import Kept
from vragd.catalog.selecting import Entry, Selecting
from vragd.notes.model import Value
from vragd.search.expressed import Expressed
from vragd.search.folder import printed, spellings
from vragd.search.grammar.dates import bounds
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
    Pattern,
    Phrase,
    Property,
    Scope,
    Source,
    Store,
    Tag,
    When,
    Within,
    Word,
)
from vragd.search.question import Place
from vragd.search.textual import PIECES, Look, Matcher
from vragd.search.typed import Typed
from vragd.search.valued import (
    beside_null,
    compares,
    day_of,
    file_time,
    microseconds,
    moment_in,
    moment_of,
    nanoseconds,
    words_of,
)

NONE = np.empty(0, dtype=np.int64)
COSTS = {Source: 0, Store: 0, Tag: 0, Folder: 0, Property: 1, When: 2, Link: 1, Compares: 3, Asks: 3}
SAID_BY: Mapping[str, tuple[str, ...]] = {
    "date": ("date",), "created": ("created", "date created", "date"), "modified": (),
}  # fmt: skip
"""The properties that say when, the first that is there."""
TEXT_COST, NAME_COST = 4, 2
FEW = 1_000  # notes whose properties are looked up one by one


class Among:
    """The filters of one question, evaluated in the catalog of one store. `now` is when it was asked, in local time."""

    def __init__(
        self,
        store: str,
        selecting: Selecting,
        now: datetime,
        hidden: Callable[[Collection[int]], Collection[int]] = lambda _: (),
        linked: Callable[[Link], Collection[int]] = lambda _: (),
        places: Mapping[str, Place] | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.store, self._select, self._now, self._hidden = store, selecting, now, hidden
        self._linked, self._kept, self._places = linked, kept, places or {}
        self._matcher = Matcher()  # of one question: its patterns share their time
        self._typed = Typed(selecting, self._places)
        self._expressed = Expressed(selecting, now, self._typed)
        self._entries: dict[int, Entry] = {}

    @cached_property
    def everything(self) -> np.ndarray:
        """Every note that may be shown."""
        notes = self._select.all()
        hidden = self._hidden(notes.tolist())
        return np.setdiff1d(notes, np.fromiter(hidden, dtype=np.int64, count=len(hidden))) if hidden else notes

    def notes(self, node: Node) -> np.ndarray:
        """Those for which `node` holds."""
        return self._of(node, self.everything)

    def of_those(self, node: Node, notes: np.ndarray) -> np.ndarray:
        """Those of some notes for which `node` holds."""
        return self._of(node, notes)

    def _of(self, node: Node, among: np.ndarray, *, case: bool = False) -> np.ndarray:
        if not len(among):
            return NONE
        match node:
            case And(parts):
                among = self._narrow(among, self._perhaps(node))
                for part in sorted(parts, key=_cost):
                    among = self._of(part, among, case=case)
                return among
            case Or(parts):
                found = [self._of(part, among, case=case) for part in parts]
                return np.unique(np.concatenate(found)) if found else NONE
            case Not(part):
                return np.setdiff1d(among, self._of(part, among, case=case), assume_unique=True)
            case Within(Scope.MATCH_CASE | Scope.IGNORE_CASE as scope, part):
                return self._of(part, among, case=scope is Scope.MATCH_CASE)
            case Within(Scope.FILE | Scope.PATH as scope, part):
                name = _name if scope is Scope.FILE else str
                having = [e.id for e in self._seen(among) if self._holds(part, e.id, [Look(name(e.path))], case=case)]
                return np.array(having, dtype=np.int64)
            case Word() | Phrase() | Pattern() | Within():
                return self._by_text(node, among, case=case)
        return _both(among, self._by_facts(node, among, case=case))

    def _by_facts(self, node: Node, among: np.ndarray, *, case: bool) -> np.ndarray:
        """What is asked of a note as a whole, in the catalog's tables."""
        match node:
            case Source(label):
                return self._select.of_source([label])
            case Store(name):
                return among if name == self.store else NONE
            case Tag(name):
                return self._select.tagged(name)
            case Property(name, test):
                if test is None:
                    having = [note for note, _ in self._select.properties(name)]
                else:
                    having = [note for note, value in self._typed.of(name) if self._value_is(test, value, case=case)]
                return np.unique(np.array(having, dtype=np.int64))  # a note may have the name in two spellings
            case When():
                return self._when(node, among)
            case Link():
                return np.array(sorted(self._linked(node)), dtype=np.int64)
            case Folder(path):
                return self.below(path)
            case Compares() | Asks():
                created = partial(self.times, "created", among)
                having = self._expressed.holds(node, self._seen(among), created)
                return np.array(having, dtype=np.int64)
        raise TypeError(f"no filter: {node!r}")

    def below(self, path: str) -> np.ndarray:
        """The notes in a folder and below it, hidden ones too; a path from its source, as hits print it, or whole."""
        folder = printed(path, self._places).strip("/")
        if not folder:
            return self.everything
        return np.unique(np.concatenate([self._select.below(spelling) for spelling in spellings(folder)]))

    # -- what stands in the text ----------------------------------------------------------------------

    def _by_text(self, node: Node, among: np.ndarray, *, case: bool) -> np.ndarray:
        """Notes are looked into that have all words which the filter needs, and no others."""
        perhaps = self._perhaps(node)
        among = self._narrow(among, perhaps)
        entries = self._seen(among)
        surely: list[int] = []
        if isinstance(node, Word | Phrase) and not case and perhaps is not None and self._select.is_one_term(node.text):
            word = fold(node.text.strip())
            surely = [entry.id for entry in entries if word not in fold(entry.path.rpartition("/")[0])]
            among = np.setdiff1d(among, np.array(surely, dtype=np.int64), assume_unique=True)
        names = {entry.id: _stem(entry.path) for entry in entries}
        having = [
            note
            for note, text in self._select.texts(among)
            if self._holds(node, note, [Look(names[note]), Look(text)], case=case)
        ]
        return np.array(sorted([*surely, *having]), dtype=np.int64)

    @staticmethod
    def _narrow(among: np.ndarray, perhaps: np.ndarray | None) -> np.ndarray:
        return among if perhaps is None else _both(among, perhaps)

    def _holds(self, node: Node, note: int, looks: Sequence[Look], *, case: bool) -> bool:
        """Whether it holds for a note; `looks` are its name and its text, or the one of them that is meant."""
        match node:
            case And(parts):
                return all(self._holds(part, note, looks, case=case) for part in parts)
            case Or(parts):
                return any(self._holds(part, note, looks, case=case) for part in parts)
            case Not(part):
                return not self._holds(part, note, looks, case=case)
            case Within(Scope.MATCH_CASE | Scope.IGNORE_CASE as scope, part):
                return self._holds(part, note, looks, case=scope is Scope.MATCH_CASE)
            case Within(Scope.CONTENT, part):
                return self._holds(part, note, looks[-1:], case=case)
            case Within(scope, _) if scope in PIECES:
                return self._in_text(node, note, looks[-1:], case=case)
            case Word() | Phrase() | Pattern():
                return self._in_text(node, note, looks, case=case)
        return bool(len(self._of(node, np.array([note], dtype=np.int64), case=case)))

    def _in_text(self, node: Node, note: int, looks: Sequence[Look], *, case: bool) -> bool:
        one = np.array([note], dtype=np.int64)
        self._matcher.others = lambda leaf: bool(len(self._of(leaf, one)))
        return any(self._matcher.holds(node, look, case=case) for look in looks)

    def _perhaps(self, node: Node) -> np.ndarray | None:
        """At least the notes for which it holds; None for all."""
        match node:
            case Word(text) | Phrase(text):
                return self._select.perhaps_having(text)
            case And(parts):
                known = [one for part in parts if (one := self._perhaps(part)) is not None]
                while len(known) > 1:
                    known.append(_both(known.pop(), known.pop()))
                return known[0] if known else None
            case Or(parts):
                some = [self._perhaps(part) for part in parts]
                return None if any(one is None for one in some) else np.unique(np.concatenate([*some, NONE]))
            case Within(Scope.FILE | Scope.PATH, _):
                return None
            case Within(_, part):
                return self._perhaps(part)
        return None

    # -- values ----------------------------------------------------------------------------------------

    def _value_is(self, test: Node | Compared, value: Value, *, case: bool) -> bool:
        if isinstance(test, Compared):
            return compares(value, test, self._now)
        left = beside_null(test, is_null=value is None)
        if isinstance(left, bool):
            return left
        return any(self._matcher.holds(left, Look(words), case=case) for words in words_of(value))

    def _when(self, node: When, among: np.ndarray) -> np.ndarray:
        start, end = bounds(node, self._now)
        if not SAID_BY[node.field]:  # the file alone says it
            return self._select.modified(*(None if at is None else nanoseconds(at) for at in (start, end)))
        notes, moments = self._moments(node.field, among).T
        inside = np.ones(len(notes), dtype=bool)
        inside &= moments >= microseconds(start) if start else True
        inside &= moments < microseconds(end) if end else True
        return _both(among, notes[inside])

    def _moments(self, field: str, among: np.ndarray) -> np.ndarray:
        """
        (note, microseconds since 1970) of `times`, by note: of these notes at least, or of all, as what is read of
        names and properties stays until the note is written anew. Notes that are gone may be among them.
        """
        by = "times", field
        if self._kept is None:
            return self._timed(field, among)
        if (known := self._kept.rows(by)) is not None:
            written, found = known
            if written == self._kept.written:
                return found
            changed = self._select.changed_since(written)
            found = np.concatenate([found[~np.isin(found[:, 0], changed)], self._timed(field, changed)])
            found = found[np.argsort(found[:, 0], kind="stable")]
        elif 4 * len(among) >= len(every := self._select.all()):
            found = self._timed(field, every)
        else:
            return self._timed(field, among)
        self._kept.keep_rows(by, found)
        return found

    def _timed(self, field: str, notes: np.ndarray) -> np.ndarray:
        times = sorted(self.times(field, notes).items())
        return np.array([(note, microseconds(at)) for note, at in times], dtype=np.int64).reshape(-1, 2)

    def times(self, field: str, among: np.ndarray) -> dict[int, datetime]:
        """When each of these notes was `created`, `modified`, or of what `date` it is."""
        said: dict[int, datetime] = {}
        for name in reversed(SAID_BY[field]):
            for note, value in self._typed.of(name, among if len(among) <= FEW else None):
                if (moment := moment_of(moment_in(value))) is not None:
                    said[note] = moment
        by_name = field != "modified"
        return {entry.id: said.get(entry.id) or self._time_of(entry, by_name) for entry in self._seen(among)}

    def days(self, among: np.ndarray) -> dict[int, date]:
        """The day that each of these notes says it is of, by its property or its name; without those that say none."""
        found = {entry.id: day for entry in self._seen(among) if (day := self._day_of(entry))}
        for name in reversed(SAID_BY["date"]):
            for note, value in self._typed.of(name, among if len(among) <= FEW else None):
                if (day := day_of(moment_in(value))) is not None:
                    found[note] = day
        return found

    def _time_of(self, entry: Entry, by_name: bool) -> datetime:
        """The day in the note's name, if that counts, or else when its file was changed; in local time."""
        day = self._day_of(entry) if by_name else None
        return moment_of(day) or file_time(entry.modified_ns).astimezone()

    def _day_of(self, entry: Entry) -> date | None:
        return self._typed.day(entry) or _day_in(_stem(entry.path))

    def _seen(self, among: np.ndarray) -> list[Entry]:
        missing = [note for note in among.tolist() if note not in self._entries]
        for entry in self._select.entries(np.array(missing, dtype=np.int64)) if missing else ():
            self._entries[entry.id] = entry
        return [self._entries[note] for note in among.tolist() if note in self._entries]


def _both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.intersect1d(one, other, assume_unique=True)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    name = _name(path)
    return name.rpartition(".")[0] or name


def _day_in(name: str) -> date | None:
    for day in dates_in(name):
        try:
            return date.fromisoformat(day)
        except ValueError:
            continue  # 2026-02-30
    return None


def _cost(node: Node) -> int:
    """What is cheaper is asked first, and of fewer notes what costs more."""
    match node:
        case And(parts) | Or(parts):
            return max(map(_cost, parts), default=0)
        case Not(part):
            return _cost(part) + 1
        case Within(Scope.FILE | Scope.PATH, _):
            return NAME_COST
        case Pattern():
            return TEXT_COST + 2
        case Word() | Phrase() | Within():
            return TEXT_COST
    return COSTS[type(node)]
