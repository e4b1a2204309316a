"""How many of the very nearest an index finds, asked with vectors that it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vragd.backends.base import VectorBackend
from vragd.backends.scan import Nearest
from vragd.backends.scores import prepared
from vragd.system.alive import progress

QUESTIONS, NEAREST, AT_ONCE = 20, 10, 1_000


@dataclass(frozen=True, slots=True)
class Recall:
    """`at_10`: of the ten nearest, the share that was found; 1 where every vector is compared, which asks nothing."""

    at_10: float
    n_questions: int
    n_vectors: int
    exact: bool


def measure(backend: VectorBackend, name: str) -> Recall:
    """
    Ask the index of a collection with some of its own vectors, and compare with a scan of all of them.

    Reads every vector, a thousand at once: seconds for 100,000 here, and what the network takes for those elsewhere.
    """
    info = backend.collection_info(name)
    if info.exact:
        return Recall(1.0, 0, info.count or 0, exact=True)
    keys = sorted(key for key, _ in backend.list_keys(name))
    chosen = keys[:: max(1, len(keys) // QUESTIONS)][:QUESTIONS]
    held = backend.get(name, chosen)
    asked = [row for key in chosen if key in held and (row := held[key].values) is not None]
    scans = [Nearest(prepared(row, info.metric), info.metric, NEAREST) for row in asked]
    for start in range(0, len(keys), AT_ONCE):
        progress()
        _add(backend, name, scans, keys, start)
    found = wanted = 0
    for row, scan in zip(asked, scans, strict=True):
        progress()
        best = {keys[place] for place, _ in scan.best()}  # more than ten where the last ones score alike
        answer = {match.key for match in backend.query(name, row, NEAREST).items}
        wanted += min(NEAREST, len(best))
        found += min(NEAREST, len(best & answer))
    return Recall(found / wanted if wanted else 1.0, len(asked), len(keys), exact=False)


def _add(backend: VectorBackend, name: str, scans: list[Nearest], keys: list[str], start: int) -> None:
    some = keys[start : start + AT_ONCE]
    held = backend.get(name, some)
    # they are kept as `prepared` makes them
    there = [(start + i, row) for i, key in enumerate(some) if key in held and (row := held[key].values) is not None]
    if there:
        places, rows = np.array([place for place, _ in there]), np.stack([row for _, row in there])
        for scan in scans:
            scan.add(places, rows)
