"""What can be read of a damaged file, entry by entry, copied into another."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import apsw
import numpy as np

from vragd.backends import plain
from vragd.backends.base import MAX_KEY_BYTES, key_id
from vragd.errors import BackendRefused
from vragd.system.alive import progress
from vragd.system.sqlite import transaction
from vragd.terms.metric import METRICS

AT_ONCE = 1_000
_BROKEN = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, UnicodeDecodeError)
"""What reading raises where pages, the schema or text are damaged. A disk that fails is another matter."""
_NUMBERS = (
    "select number from entries not indexed order by number",
    "select number from entries not indexed order by number desc",
    "select number from entries indexed by entries_of_collection",
    "select number from vectors order by number",
    "select number from vectors order by number desc",
)
"""The first says all of a table that can be read from end to end; the others, what is on either side of the damage."""
_COLLECTIONS = "select number, name, dimension, metric, space, model, created_at from collections not indexed"
_ENTRY = (
    "select e.number, e.collection, e.key, e.id, e.version, e.properties, e.payload, e.created_at, e.updated_at,"
    " v.vector from entries e not indexed join vectors v on v.number = e.number where e.number = ?"
)


def copy_readable(of: apsw.Connection, into: apsw.Connection, name: str) -> bool:
    """
    Copy collections, under new identities: whoever fills one looks then what it lacks. `into` is an empty file.

    Whether any of others than `name` may be lost. Says `progress`. Raises what writing `into` raises.
    """
    try:
        of.execute("pragma writable_schema = on")  # a file that was cut is read as far as it goes
        told_of = list(of.execute(_COLLECTIONS))
    except _BROKEN:
        return True
    with transaction(into):
        for number, called, *shape in filter(_is_collection, told_of):
            row = (number, called, secrets.token_hex(8), *shape)
            into.execute("insert or ignore into collections values (?, ?, ?, ?, ?, ?, ?, ?)", row)
    dimensions = dict[int, int](into.execute("select number, dimension from collections"))
    told, whole = _numbers(of)
    numbers = sorted(told)
    for start in range(0, len(numbers), AT_ONCE):
        progress()
        some = numbers[start : start + AT_ONCE]
        rows = list(_sound(of, some, dimensions))
        whole = whole and len(rows) == len(some)
        with transaction(into):
            into.executemany("insert or ignore into entries values (?, ?, ?, ?, ?, ?, ?, ?, ?)", [r[:-1] for r in rows])
            into.executemany("insert or ignore into vectors values (?, ?)", [(row[0], row[-1]) for row in rows])
    with transaction(into):  # of two entries of one key the first is kept
        into.execute("delete from vectors where number not in (select number from entries)")
    whole = whole and len(dimensions) == len(told_of)  # with one whose row is not sound go all its entries
    return not whole and any(row[1] != name for row in told_of)


def _is_collection(row: tuple[Any, ...]) -> bool:
    number, name, dimension, metric, *texts, created = row
    numbers = isinstance(number, int) and isinstance(dimension, int) and isinstance(created, float)
    return numbers and metric in METRICS and all(isinstance(text, str) for text in (name, *texts))


def _numbers(of: apsw.Connection) -> tuple[set[int], bool]:
    """Of all entries that something tells of, and whether that is all there were."""
    found = set[int]()
    for i, ask in enumerate(_NUMBERS):
        try:
            for (number,) in of.execute(ask):
                found.add(int(str(number)))
        except (*_BROKEN, ValueError):
            continue
        if i == 0:
            return found, True
    return found, False


def _sound(of: apsw.Connection, numbers: Iterable[int], dimensions: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    """Entries that can be read, and say of themselves what they may."""
    for number in numbers:
        with suppress(*_BROKEN):
            for row in of.execute(_ENTRY, (number,)):
                if row[1] in dimensions and _is_entry(row, dimensions[row[1]]):
                    yield row


def _is_entry(row: tuple[Any, ...], dimension: int) -> bool:
    _, _, key, identifier, version, properties, payload, _, _, vector = row
    if not (isinstance(key, str) and key.isascii() and 0 < len(key) <= MAX_KEY_BYTES and isinstance(version, str)):
        return False
    if key_id(key) != identifier or not isinstance(vector, bytes) or len(vector) != 4 * dimension:
        return False
    try:
        with plain.damage_told(key):
            plain.read(properties), plain.read(payload)
    except BackendRefused:
        return False
    return bool(np.isfinite(np.frombuffer(vector, dtype="<f4")).all())
