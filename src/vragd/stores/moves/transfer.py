"""
Records into a collection: what is there already stays, nothing is deleted, and only what was looked at again is whole.

Such a collection is fed by no catalog: what it gets is put here and by nobody else.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from vragd.backends.base import Batch, CollectionInfo, VectorBackend, key_id
from vragd.backends.checks import check_shape, check_traits, outside_vaults
from vragd.errors import DiskFull, NotFound, StoreMismatch, UnknownCollection, VectorsRefused
from vragd.store.exported import Origin, Record, Shape
from vragd.stores.elsewhere import Place
from vragd.stores.moves.imported import checked_name
from vragd.sync.vectors import source_of
from vragd.system.files import free_mib

AT_ONCE = 500
SAMPLE = 64
BESIDE = 1_500
"""Bytes that a passage takes beside its vector: text, metadata, what finds it by its key. A guess on the large side."""
TOLERANCE = 2e-3

Progress = Callable[[int], None]


@dataclass(slots=True)
class Moved:
    """What became of a transfer. `left_out` counts by why; `refused` are keys that the backend would not take."""

    n_put: int = 0
    n_there: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    n_compared: int = 0
    missing: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    """Keys of which a vector came back as another."""
    extra: int = 0
    """Keys of the same sources that the origin does not hold."""

    @property
    def n_held(self) -> int:
        return self.n_put + self.n_there

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.other or self.extra or self.refused)


def needs_mib(shape: Shape, count: int | None) -> int | None:
    """About how much room so many records take, in MiB; None for who knows how many."""
    return None if count is None else 1 + count * (4 * shape.dimension + BESIDE) // (1 << 20)


def check(place: Place, name: str, shape: Shape, count: int | None) -> None:
    """
    Whether the place can hold such vectors, before anything is made there; looks whether there is an index already.

    Raises UsageError for a name, CollectionMismatch for a metric or a length, StoreMismatch for an index of other
    vectors, BackendRefused for a file in a vault, a folder of somebody else or a link that leads nowhere, DiskFull
    where the disk has no room, BackendUnavailable, also while another process writes there.
    """
    checked_name(name)
    for file in place.settings.files():
        outside_vaults(file)
    place.settings.may_write()
    check_traits(place.backend.traits, shape.dimension, shape.metric, place.settings.type)
    need = needs_mib(shape, count)
    for file in place.settings.files():
        there = next(folder for folder in (file, *file.parents) if folder.exists())
        free = free_mib(there)
        if need is not None and free < need:
            raise DiskFull(f"{file} needs about {need:,} MiB, and {free:,} are free", hint="free some space")
    try:
        have = place.backend.collection_info(name)
    except UnknownCollection:
        place.settings.room_for(name)
        return
    asked = CollectionInfo(name, shape.dimension, shape.metric, space=shape.space, model=shape.model)  # type: ignore[arg-type]
    check_shape(asked, have)
    _check_model(have, shape)


def check_some(origin: Origin) -> None:
    """Raise NotFound for an origin of which nothing can be put, saying why."""
    with closing(origin.records()) as records:
        if next(records, None) is not None:
            return
    why = "".join(f"\n  left out: {count:,} {why}" for why, count in sorted(origin.left_out.items()))
    raise NotFound(f"{origin.title} holds nothing that can be put{why}", hint="name what holds passages")


def make(place: Place, name: str, shape: Shape) -> CollectionInfo:
    """The collection, made if need be. Raises CollectionMismatch where it holds other vectors."""
    info = place.backend.create_collection(
        name, shape.dimension, shape.metric, space=shape.space, model=shape.model  # type: ignore[arg-type]
    )  # fmt: skip
    _check_model(info, shape)
    return info


def _check_model(info: CollectionInfo, shape: Shape) -> None:
    if (info.space or shape.space) != shape.space:
        raise StoreMismatch(
            f"index {info.name!r} holds vectors of {info.model or 'another model'}, these are of one nobody knows",
            hint="name another store",
        )
    if shape.space and not info.space and info.count != 0:
        raise StoreMismatch(
            f"index {info.name!r} holds vectors of a model that nobody knows, these are of {shape.model}",
            hint="name another store",
        )


def transfer(
    origin: Origin, backend: VectorBackend, name: str, progress: Progress = lambda _: None,
    with_text: bool | None = None,
) -> Moved:  # fmt: skip
    """
    Put every record that is not there as it is, and look at all of it again. May be interrupted and repeated.

    A record without a version is always put. `with_text`: whether text is to be there, which a version does not tell;
    None where nobody says. Raises what the backend and the origin raise.
    """
    moved = Moved()
    had = {key: version for key, version in backend.list_keys(name, versions=True) if version}
    expected = list[int]()
    sources = set[str]()
    kept = _Sample()
    with backend.bulk(name, origin.count or 0):
        for some in _batches(origin.records()):
            expected += [key_id(record.entry.key) for record in some]
            sources |= {source_of(record.entry.key) for record in some}
            kept.offer(some)
            new, there = list[Record](), list[Record]()
            for one in some:
                as_it_is = one.entry.version and had.get(one.entry.key) == one.entry.version
                (there if as_it_is else new).append(one)
            if with_text is not None:
                new += _of_other_text(backend, name, there, with_text=with_text)
            moved.n_there += len(some) - len(new)
            if new:
                moved.n_put += _put(backend, name, new, moved.refused)
            progress(moved.n_held)
    backend.tend(name)
    moved.left_out = origin.left_out
    _look_again(backend, name, np.unique(np.array(expected, dtype=np.int64)), sources, moved)
    _compare(backend, name, kept.records, moved, origin.shape.metric)
    return moved


def _of_other_text(
    backend: VectorBackend, name: str, there: list[Record], *, with_text: bool
) -> list[Record]:  # fmt: skip
    """Those that are there without their text, which is to be there too; or with it, which is not."""
    held = backend.get(name, [one.entry.key for one in there], values=False, metadata=True) if there else {}
    has = {key for key, stored in held.items() if stored.payload.get("content")}
    if not with_text:
        return [one for one in there if one.entry.key in has]
    return [one for one in there if one.entry.payload.get("content") and one.entry.key not in has]


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(records, AT_ONCE)):
        yield some


def _put(backend: VectorBackend, name: str, records: list[Record], refused: dict[str, str]) -> int:
    """Those that the backend takes; what it refuses is named, and keeps nothing else out."""
    while records:
        try:
            backend.put_vectors(name, Batch.of([record.entry for record in records]))
        except VectorsRefused as error:
            bad = set(error.keys)
            rest = [record for record in records if record.entry.key not in bad]
            if len(rest) == len(records):
                raise
            refused.update(dict.fromkeys(bad, error.message))
            records = rest
        else:
            return len(records)
    return 0


class _Sample:
    """Some of the records, any of them as likely as any other; the same in each run."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._n, self._random = 0, random.Random(0)  # noqa: S311

    def offer(self, records: list[Record]) -> None:
        for record in records:
            self._n += 1
            if len(self.records) < SAMPLE:
                self.records.append(record)
            elif (place := self._random.randrange(self._n)) < SAMPLE:
                self.records[place] = record


def _look_again(
    backend: VectorBackend, name: str, expected: np.ndarray, sources: set[str], moved: Moved
) -> None:  # fmt: skip
    """Which keys are there, of those that were read and of others of the same sources."""
    keys = [key for key, _ in backend.list_keys(name)]
    ids = np.array([key_id(key) for key in keys], dtype=np.int64)
    gone = np.setdiff1d(expected, ids)
    known = {key_id(key): key for key in moved.refused}
    moved.missing = [hex(one & (1 << 64) - 1) for one in gone.tolist() if one not in known]
    there = np.isin(ids, expected)
    moved.extra = sum(source_of(key) in sources for key, is_there in zip(keys, there, strict=True) if not is_there)


def _compare(backend: VectorBackend, name: str, records: list[Record], moved: Moved, metric: str) -> None:
    """Whether a sample of vectors comes back as it was put, where the backend gives any back."""
    if backend.traits.value_error is None:
        return
    held = backend.get(name, [record.entry.key for record in records])
    for record in records:
        key, values = record.entry.key, record.entry.values
        one = held.get(key)
        if values is None or one is None or one.values is None:
            continue
        moved.n_compared += 1
        put, got = (_unit(values), _unit(one.values)) if metric == "cosine" else (values, one.values)
        if float(np.abs(put - got).max()) > TOLERANCE * float(np.abs(put).max()):
            moved.other.append(key)


def _unit(row: np.ndarray) -> np.ndarray:
    wide = row.astype(np.float64)
    unit: np.ndarray = wide / np.linalg.norm(wide)
    return unit
