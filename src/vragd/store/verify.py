"""
Compares vault, catalog and backend, and says what differs.

The vault is read in full here, stamps are not trusted: this is what finds what everything else missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from vragd.backends.base import Entry, Stored
from vragd.catalog.model import Known, LiveRow, SpaceRow
from vragd.errors import CatalogCorrupt, VragdError
from vragd.store.store import Store
from vragd.sync import order
from vragd.sync.readers import UNREAD
from vragd.sync.vectors import to_entry
from vragd.vault.read import Content, Gone, Skipped
from vragd.vault.scan import scan
from vragd.vault.source import Source

_BATCH = 1_000
_ROUNDING = 1e-4  # of unit rows that were packed, unpacked and scaled on the way


@dataclass(frozen=True, slots=True)
class Problem:
    """One difference. `kind` is stable; `path` is empty where no note is concerned."""

    kind: str
    source: str = ""
    path: str = ""
    detail: str = ""


def compare_vault(store: Store, source: Source, pending: frozenset[str]) -> list[Problem]:
    """
    What differs between a source on disk and the catalog. Reads every note; call from the scan lane.

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
    if source.rules.excluded(path) is not None or isinstance(outcome, Gone):
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
    return list(_compare_backend(store))


def _compare_backend(store: Store) -> Iterator[Problem]:
    for line in store.catalog.check():
        yield Problem("catalog", detail=line)
    space = store.space
    if space is None or not space.has_vectors:
        return
    try:
        store.attach()
        yield from _compare_keys(store, space)
    except VragdError as error:
        yield Problem("not_checked", detail=f"the backend: {error.message}")


def _compare_keys(store: Store, space: SpaceRow) -> Iterator[Problem]:
    if store.behind:
        yield Problem("not_checked", detail=f"{store.filling.n_left} vectors are still on their way to the backend")
        return
    live, held = store.catalog.live_keys(space.id), store.collections.own_keys(space.collection)
    for key in sorted(live - held):
        yield Problem("missing_vector", detail=key)
    intended = set(store.catalog.intents(space.target))
    for key in sorted(held - live - intended - store.catalog.inherited_keys()):
        yield Problem("orphan_vector", detail=key)
    for key in sorted(intended):
        yield Problem("unfinished", detail=key)
    yield from _compare_vectors(store, sorted(live & held))


def _compare_vectors(store: Store, keys: list[str]) -> Iterator[Problem]:
    assert store.space is not None
    for start in range(0, len(keys), _BATCH):
        some = keys[start : start + _BATCH]
        held = store.backend.get(store.space.collection, some, metadata=True)
        traits = store.backend.traits
        rows = list(store.catalog.rows_for(some))
        truth = store.catalog.embeddings(store.space.id, {row.chunk.text_hash for row in rows})
        for row in rows:
            key, text_hash = row.chunk.key, row.chunk.text_hash
            if text_hash not in truth:
                yield Problem("missing_embedding", detail=key)
            elif key not in held:
                continue
            elif _differ(held[key].values, truth[text_hash], traits.value_error):
                yield Problem("wrong_vector", detail=key)
            elif not _is_told(held[key], _entry(row, truth[text_hash]), keeps_payload=traits.keeps_payload):
                yield Problem("wrong_metadata", detail=key)


def _differ(held: np.ndarray | None, truth: np.ndarray, value_error: float | None) -> bool:
    """Whether two rows have different directions, beyond what the backend's own numbers are off by."""
    if held is None or value_error is None:
        return False
    a, b = (row / max(float(np.linalg.norm(row)), 1e-12) for row in (held, truth))
    return float(np.abs(a - b).max()) > 4 * value_error * float(np.abs(b).max()) + _ROUNDING


def _entry(row: LiveRow, values: np.ndarray) -> Entry:
    return to_entry(row.uid, row.label, row.path, row.title, row.chunk, values)


def _is_told(held: Stored, entry: Entry, *, keeps_payload: bool) -> bool:
    """
    Whether the backend has been told of a vector what the catalog says now.

    One that keeps payloads may shorten them, and what can be filtered on; what else it says must be the same, and
    nothing may be missing. One that keeps none is not told of lines that moved: its versions say nothing.
    """
    metadata = {field: value for field, value in entry.metadata.items() if value != ()}
    if not keeps_payload:
        return {field: value for field, value in held.metadata.items() if value != ()} == metadata
    if held.version not in ("", entry.version) or not metadata.keys() <= held.metadata.keys():
        return False
    if held.metadata["source"] != metadata["source"]:
        return False
    kept = held.payload
    return all(_says(kept.get(part), told) for part, told in entry.payload.items() if part in kept or part != "content")


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
    kinds = {problem.kind for problem in problems}
    if kinds & {"missing_embedding", "catalog"}:
        with suppress(CatalogCorrupt):
            store.catalog.mend()
        if store.damage is not None:
            return  # another catalog is begun, and the backend with it
    wrong = [problem.detail for problem in problems if problem.kind in ("wrong_vector", "wrong_metadata")]
    for start in range(0, len(wrong), _BATCH):
        order.put_live(store.catalog, store.backend, store.space, wrong[start : start + _BATCH])
    if store.space.has_vectors and (wrong or kinds & {"missing_vector", "orphan_vector", "unfinished"}):
        store.spaces.recover(store.space)
        store.spaces.refill(store.space)
