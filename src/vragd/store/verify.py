"""
Compares vault, catalog, backend and replicas, and says what differs.

The vault is read in full here, stamps are not trusted: this is what finds what everything else missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from vragd.backends.base import Entry, Stored, Traits, VectorBackend, remembering
from vragd.catalog.model import Known, LiveRow, SpaceRow
from vragd.catalog.replicas import following
from vragd.errors import BackendDamaged, BackendRefused, CatalogCorrupt, UnknownCollection, VragdError
from vragd.store.replica import OnWriter, Replica, Told
from vragd.store.store import Store
from vragd.sync import order
from vragd.sync.feed import compare
from vragd.sync.order import entries_of
from vragd.sync.readers import UNREAD
from vragd.sync.vectors import to_entry
from vragd.system.alive import progress
from vragd.vault.read import Content, Gone, Skipped
from vragd.vault.scan import scan
from vragd.vault.source import Source

_BATCH = 1_000
DAMAGED = "damaged_files"
_WRONG = ("wrong_vector", "wrong_metadata")
_ROUNDING = 1e-4  # of unit rows that were packed, unpacked and scaled on the way


@dataclass(frozen=True, slots=True)
class Problem:
    """One difference. `kind` is stable; `path` is empty where no note is concerned, `replica` where none is."""

    kind: str
    source: str = ""
    path: str = ""
    detail: str = ""
    replica: str = ""


def compare_vault(store: Store, source: Source, pending: frozenset[str]) -> list[Problem]:
    """
    What differs between a source on disk and the catalog. Reads every note; call from a lane of its own.

    Paths in `pending` are known to be in motion and left out.
    """
    return list(_compare_vault(store, source, pending))


def _compare_vault(store: Store, source: Source, pending: frozenset[str]) -> Iterator[Problem]:
    if not source.healthy():
        yield Problem("not_checked", source.label, detail=f"the source is {source.state}")
        return
    if not source.rules_known:
        yield Problem("not_checked", source.label, detail="what Obsidian excludes cannot be read")
        return
    for entry in source.rules.problems:
        yield Problem("not_checked", source.label, detail=f"what this might exclude is withheld: {entry}")
    found = scan(source.path, source.rules, stop=store.given.stop)
    known = store.reader.known(source.id)
    for path in sorted(found.notes.keys() | known.keys()):
        if store.given.stop():  # which says besides that this moves
            yield Problem("not_checked", source.label, detail="the store is being stopped")
            return
        if path in pending or source.withheld(path):
            continue
        had = known.get(path)
        if path not in found.notes and not found.covers(path):
            yield Problem("not_checked", source.label, path, "its folder cannot be read")
        elif problem := _compare_note(source, path, had, store.space.id if store.space else None):
            yield problem


def _compare_note(source: Source, path: str, had: Known | None, space_id: int | None) -> Problem | None:
    is_unread = had is not None and had.reader.startswith(UNREAD)
    outcome = source.look(path, "") if is_unread else source.read(path)
    if source.rules.excluded(path) is not None or source.is_copy(path) or isinstance(outcome, Gone):
        return Problem("ghost", source.label, path, "indexed, but no longer a note") if had else None
    if isinstance(outcome, Skipped):
        if had is None or had.state == "skipped":
            return None
        return Problem("ghost", source.label, path, f"indexed, but {outcome.reason}")
    if had is None:
        return Problem("not_indexed", source.label, path, "a note the catalog does not know")
    if had.state == "failed":
        return Problem("failed", source.label, path, "could not be indexed; see vragd files --state failed")
    if isinstance(outcome, Content) and had.digest != outcome.digest:
        return Problem("stale", source.label, path, "its bytes are not those indexed")
    if had.state != "skipped" and had.space_id != space_id:
        return Problem("stale", source.label, path, "embedded by another model")
    return None


def compare_backend(store: Store) -> list[Problem]:
    """What differs between catalog and backend, and what SQLite says of its file. Call from the writer lane."""
    return list(chain.from_iterable(backend_steps(store)))


def backend_steps(store: Store, at_once: int = _BATCH) -> Iterator[list[Problem]]:
    """
    As `compare_backend`, a step at a time: each tells what is true at one moment, and notes may be written in between.

    Each step on the writer lane; one compares `at_once` vectors.
    """
    yield [Problem("catalog", detail=line) for line in store.catalog.check()]
    space = store.space
    if space is None or not space.has_vectors:
        return
    try:
        store.attach()
        if problem := _look_at_files(store.backend, space.collection):
            yield [problem]
            return
        yield []
        if store.space is not None:
            yield from _compare_keys(store, store.space, at_once)
    except BackendDamaged as error:
        yield [Problem(DAMAGED, detail=error.in_one_line)]
    except VragdError as error:
        yield [Problem("not_checked", detail=f"the backend: {error.in_one_line}")]


def _look_at_files(backend: VectorBackend, collection: str) -> Problem | None:
    """What is wrong with the files that a backend answers for from memory."""
    if (one := remembering(backend)) is None:
        return None
    try:
        one.look_at_files(collection)
    except BackendRefused as error:
        return Problem(DAMAGED, detail=error.in_one_line)
    return None


def _compare_keys(store: Store, space: SpaceRow, at_once: int = _BATCH) -> Iterator[list[Problem]]:
    if store.behind:
        left = f"{store.filling.n_left} vectors are still on their way to the backend"
        yield [Problem("not_checked", detail=left)]
        return
    live, held = store.catalog.live_keys(space.id), store.collections.own_keys(space.collection)
    intended = set(store.catalog.intents(space.target))
    orphans = held - live - intended - store.catalog.inherited_keys()
    kinds = (("missing_vector", live - held), ("orphan_vector", orphans), ("unfinished", intended))
    yield [Problem(kind, detail=key) for kind, keys in kinds for key in sorted(keys)]
    both = sorted(live & held)
    for start in range(0, len(both), at_once):
        if store.damage is not None or store.space is None or store.space.id != space.id:
            yield [Problem("not_checked", detail="the backend: another catalog or model has been taken meanwhile")]
            return
        yield list(_compare_vectors(store, both[start : start + at_once]))


def _compare_vectors(store: Store, some: list[str]) -> Iterator[Problem]:
    assert store.space is not None
    held = store.backend.get(store.space.collection, some, metadata=True)
    rows = list(store.catalog.rows_for(some))
    truth = store.catalog.embeddings(store.space.id, {row.chunk.text_hash for row in rows})
    for row in rows:
        key, text_hash = row.chunk.key, row.chunk.text_hash
        if text_hash not in truth:
            yield Problem("missing_embedding", detail=key)
        elif key in held and (kind := _fault(held[key], _entry(row, truth[text_hash]), store.backend.traits)):
            yield Problem(kind, detail=key)


def _fault(held: Stored, entry: Entry, traits: Traits) -> str:
    """What is wrong with what a backend holds, as the kind of a problem; "" for nothing."""
    assert entry.values is not None
    if _differ(held.values, entry.values, traits.value_error):
        return "wrong_vector"
    return "" if _is_told(held, entry, keeps_payload=traits.keeps_payload) else "wrong_metadata"


def _differ(held: np.ndarray | None, truth: np.ndarray, value_error: float | None) -> bool:
    """Whether two rows have different directions, beyond what the backend's own numbers are off by."""
    if held is None or value_error is None:
        return False
    a, b = (row / max(float(np.linalg.norm(row)), 1e-12) for row in (held, truth))
    return float(np.abs(a - b).max()) > 4 * value_error * float(np.abs(b).max()) + _ROUNDING


def _entry(row: LiveRow, values: np.ndarray) -> Entry:
    return to_entry(row.uid, row.label, row.path, row.title, row.chunk, values, row.changed_at)


def _is_told(held: Stored, entry: Entry, *, keeps_payload: bool) -> bool:
    """
    Whether the backend has been told of a vector what the catalog says now.

    One that keeps payloads may shorten them, and what can be filtered on; what else it says must be the same, and
    nothing may be missing but the text, and when the note was changed last, which is that of when it was put. One that
    keeps none is not told of lines that moved: its versions say nothing.
    """
    metadata = {field: value for field, value in entry.metadata.items() if value != ()}
    if not keeps_payload:
        return {field: value for field, value in held.metadata.items() if value != ()} == metadata
    if held.version not in ("", entry.version) or not metadata.keys() <= held.metadata.keys():
        return False
    if held.metadata["source"] != metadata["source"] or not _in_folders(held.metadata, metadata):
        return False
    kept, told = held.payload, {part: it for part, it in entry.payload.items() if part != "changed_at"}
    return all(_says(kept.get(part), it) for part, it in told.items() if part in kept or part != "content")


def _in_folders(held: Mapping[str, object], told: Mapping[str, object]) -> bool:
    """Whether all folders that are told are the note's; of a long one a digest may be told, behind a #."""
    folders, own = held.get("folder", ()), told.get("folder", ())
    assert isinstance(own, tuple)
    return isinstance(folders, tuple) and all(one in own or str(one).startswith("#") for one in folders)


def _says(held: object, told: object) -> bool:
    match held, told:
        case _, "" | ():
            return True
        case str(), str():
            return bool(held) and told.encode("utf-8", "replace").decode().startswith(held)
        case tuple(), tuple():
            return bool(held) and all(_says(a or "", b) for a, b in zip(held, told, strict=False))
    return held == told


def mend_backend(store: Store, problems: list[Problem]) -> None:
    """
    Make the backend hold what the catalog says. Embeds nothing. Call from the writer lane.

    A catalog that cannot be mended says so by `Store.damage`.
    """
    if store.space is None:
        return
    problems = [problem for problem in problems if not problem.replica]
    kinds = {problem.kind for problem in problems}
    if kinds & {"missing_embedding", "catalog"}:
        with suppress(CatalogCorrupt):
            store.catalog.mend()
        if store.damage is not None:
            return  # another catalog is begun, and the backend with it
    if DAMAGED in kinds:
        try:
            store.collections.mend(store.space)
            store.spaces.doubt()
            store.attach()
        except BackendRefused:  # said again, with the way out, when all is compared again
            return
        while store.behind:
            progress()
            store.fill()
        # what an older file says of a key may count again
        problems = list(chain.from_iterable(_compare_keys(store, store.space)))
        kinds = {problem.kind for problem in problems}
    wrong = [problem.detail for problem in problems if problem.kind in _WRONG]
    for start in range(0, len(wrong), _BATCH):
        order.put_live(store.catalog, store.backend, store.space, wrong[start : start + _BATCH])
    if store.space.has_vectors and (wrong or kinds & {"missing_vector", "orphan_vector", "unfinished"}):
        store.spaces.recover(store.space)
        store.spaces.refill(store.space)


# -- replicas --------------------------------------------------------------------------------------


def compare_replica(replica: Replica, told: Told, on_writer: OnWriter, late: Callable[[], bool]) -> list[Problem]:
    """
    What differs between catalog and replica, but for what it is known to lack. Call from the replica's lane.

    One that has not had all yet is fed until it has, or it is `late`.
    """
    try:
        return [replace(problem, replica=replica.name) for problem in _compare_replica(replica, told, on_writer, late)]
    except UnknownCollection as error:
        return [Problem("missing_collection", detail=error.message, replica=replica.name)]
    except BackendDamaged as error:
        return [Problem(DAMAGED, detail=error.in_one_line, replica=replica.name)]
    except VragdError as error:
        return [Problem("not_checked", detail=error.in_one_line, replica=replica.name)]


def _compare_replica(
    replica: Replica, told: Told, on_writer: OnWriter, late: Callable[[], bool]
) -> list[Problem]:  # fmt: skip
    if replica.answers_for(told.space) is None:
        _tell(replica, told, on_writer, late)
    answers = replica.answers_for(told.space)
    if answers is None or answers.space is None:
        n_behind, _ = replica.behind(told.reader, told.space)
        return [Problem("not_checked", detail=f"{n_behind} vectors are still on their way to it")]
    backend, space = answers.backend, answers.space
    if problem := _look_at_files(backend, space.collection):
        return [problem]
    extra = compare(told.reader, backend, space, sweep=told.all_known).dead
    problems = [Problem("orphan_vector", detail=key) for key in sorted(extra)]
    with following(told.reader) as catalog:
        live = sorted(catalog.versions(space.id))
    for start in range(0, len(live), _BATCH):
        progress()
        with following(told.reader) as catalog:
            entries = entries_of(catalog, space, catalog.rows_for(live[start : start + _BATCH]))
        held = backend.get(space.collection, [entry.key for entry in entries], metadata=True)
        for entry in entries:
            kind = _fault(held[entry.key], entry, backend.traits) if entry.key in held else "missing_vector"
            if kind:
                problems.append(Problem(kind, detail=entry.key))
    known = replica.known(told.reader)  # asked last: what was saved meanwhile is among it
    return [problem for problem in problems if problem.detail not in known]


def mend_replica(
    replica: Replica, told: Told, on_writer: OnWriter, late: Callable[[], bool], problems: Sequence[Problem]
) -> None:  # fmt: skip
    """Make it what the catalog says, until it is `late`. Embeds nothing. As `compare_replica`; raises as `step`."""
    if any(problem.kind == DAMAGED for problem in problems):
        replica.mend(told)
        _tell(replica, told, on_writer, late)
        return
    gone = {problem.detail for problem in problems if problem.kind == "orphan_vector"}
    wrong = {problem.detail for problem in problems if problem.kind in ("missing_vector", *_WRONG)}
    replica.tell_again(wrong, gone)
    try:
        _tell(replica, told, on_writer, late)
    except UnknownCollection:  # it is made now
        _tell(replica, told, on_writer, late)


def _tell(replica: Replica, told: Told, on_writer: OnWriter, late: Callable[[], bool]) -> None:
    while replica.step(told, on_writer) and not late():
        progress()
