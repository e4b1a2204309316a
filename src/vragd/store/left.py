"""What is left of a store where its settings lead no more. Any thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vragd.catalog.reader import Reader
from vragd.catalog.replicas import ReplicaRow, rows_of
from vragd.config.settings import StoreSettings
from vragd.errors import VragdError
from vragd.store.replica import folder_of


def left_behind(settings: StoreSettings, folder: Path, reader: Reader, elsewhere: Sequence[str]) -> list[str]:
    """
    Where there is something of the store that is told nothing any more, for people: collections of replicas below its
    folder, and what is in the places `elsewhere`.
    """
    rows = [
        row for row in rows_of(reader) if not is_in_use(settings, row) and (not row.where or row.where in elsewhere)
    ]
    named = [
        f"{row.kind} collection {row.collection}, {row.where or folder_of(folder, row.name, row.kind)}" for row in rows
    ]
    return list(dict.fromkeys([*named, *(one for one in elsewhere if one not in {row.where for row in rows})]))


def is_in_use(settings: StoreSettings, row: ReplicaRow) -> bool:
    """Whether its place is configured: by its name, or, where that is outside our data directory, by any."""
    if row.where and (row.kind, row.where) in {(one.type, one.where()) for one in settings.backends}:
        return True
    return any(row.is_of(name, one.type, one.where()) for name, one in settings.replicas.items())


def places_left(reader: Reader) -> list[str]:
    """Every place that outlives our data directory and has had a replica. Empty where the catalog cannot tell."""
    try:
        return [row.where for row in rows_of(reader) if row.where]
    except VragdError:
        return []
