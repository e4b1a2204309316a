"""
Properties as the types of their vault have them.

The catalog keeps a value as its note has it, and the type is applied when somebody asks: so a type that changes is
in the next answer, and no note is read again for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from vragd.catalog.link_names import Vaults
from vragd.catalog.link_names import fold as same_name
from vragd.catalog.selecting import Entry, Selecting
from vragd.notes.model import Value
from vragd.notes.properties import scalar
from vragd.notes.said import value_of
from vragd.search.days import day_in
from vragd.search.question import Place
from vragd.search.valued import moment_in, written
from vragd.vault.types import UNNAMED

_LISTS = ("multitext", "tags", "aliases")


class Typed:
    """The values of properties in one store, whose sources are `places`."""

    def __init__(self, select: Selecting, places: Mapping[str, Place]) -> None:
        self._select = select
        self._vaults = {label: Vaults(place.vaults, place.above) for label, place in places.items()}
        self._kinds = {label: _by_vault(place) for label, place in places.items()}

    def of(self, name: str, notes: np.ndarray | None = None) -> list[tuple[int, Value]]:
        """(note, value) of each of the notes, or of all, that have the property, by its name in whatever case."""
        rows, name = self._select.properties(name, notes), same_name(name)
        kinds = self._possible(name)
        if len(kinds) == 1:
            (kind,) = kinds
            return [(note, typed(value_of(text), kind)) for note, text in rows]
        entries = self._select.entries(np.array([note for note, _ in rows], dtype=np.int64))
        kind_of = {entry.id: self._kind(entry, name) for entry in entries}
        return [(note, typed(value_of(text), kind_of.get(note, ""))) for note, text in rows]

    def value(self, entry: Entry, name: str, text: str) -> Value:
        """A value that the catalog has as `text`."""
        return typed(value_of(text), self._kind(entry, same_name(name)))

    def day(self, entry: Entry) -> date | None:
        """The day in the note's name by the format of its vault's daily notes, if that says one."""
        form = self._kind(entry, UNNAMED)
        if not form:
            return None
        folder, slash, name = entry.path.rpartition("/")
        return day_in(f"{folder}{slash}{name.rpartition('.')[0] or name}", form)

    def _possible(self, name: str) -> set[str]:
        """The types that the property has anywhere in the store, '' where it has none; one at least."""
        found = {""} if not self._kinds else set[str]()
        for label, by_vault in self._kinds.items():
            for vault in ("", *self._vaults[label].inside) if by_vault else ("",):
                found.add(by_vault.get(vault, {}).get(name, ""))
        return found

    def _kind(self, entry: Entry, name: str) -> str:
        by_vault = self._kinds.get(entry.source)
        return by_vault.get(self._vaults[entry.source].of(entry.path), {}).get(name, "") if by_vault else ""


def _by_vault(place: Place) -> dict[str, dict[str, str]]:
    return {vault: {same_name(name): kind for name, kind in kinds} for vault, kinds in place.types}


def typed(value: Value, kind: str) -> Value:
    """`value` as a property of that type, if it can be one; of none ('') it is what it is."""
    if not kind or value is None:
        return value
    if kind in _LISTS:
        several = value if isinstance(value, tuple) else (value,)
        return tuple(each if each is None or isinstance(each, tuple) else written(each) for each in several)
    if isinstance(value, tuple):
        return value
    if kind == "text":
        return written(value)
    if kind in ("date", "datetime"):
        moment = moment_in(value) if isinstance(value, str) else value
        return date(moment.year, moment.month, moment.day) if kind == "date" and isinstance(moment, date) else moment
    if not isinstance(value, str) or not value.strip():
        return value
    plain = scalar(value.strip())
    if isinstance(plain, bool):
        return plain if kind == "checkbox" else value
    return plain if kind == "number" and isinstance(plain, int | float) else value
