"""Who else feeds a collection with sources of the same names: the other machines of a vault that a sync tool shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from vragd.backends.base import Match, VectorBackend
from vragd.catalog.reader import Reader
from vragd.catalog.replicas import following
from vragd.terms.filter import Not, holds, one_of

AT_ONCE, MOST = 100, 10


def others_beside(reader: Reader, backend: VectorBackend, collection: str) -> Mapping[str, int]:
    """As `others`, of what the catalog calls its own."""
    if backend.traits.private or not backend.traits.keeps_payload:
        return {}
    with following(reader) as catalog:
        uids, labels = catalog.own_uids(), {row.label for row in catalog.sources()}
    return others(backend, collection, uids, labels)


def others(
    backend: VectorBackend, collection: str, uids: Collection[str], labels: Collection[str]
) -> Mapping[str, int]:  # fmt: skip
    """
    For each of `labels` how many sources of that name there are that are none of `uids`; those that have none left out.

    A question for each of them and one more, ten at most; where the backend cannot leave out what is ours, one of a
    hundred vectors, which may miss some. Any thread; raises what the backend raises.
    """
    info = backend.collection_info(collection)
    vector = np.ones(info.dimension, dtype=np.float32)
    found: dict[str, str] = {}
    for _ in range(MOST):
        where = Not(one_of("source", [*uids, *found]))
        pushed, left = backend.split(collection, where)
        matches = backend.query(collection, vector, AT_ONCE, where=pushed, payload=True).items
        new = {
            _source(match): str(match.payload.get("source_name", ""))
            for match in matches
            if _source(match) not in {"", *uids, *found} and (left is None or holds(left, match.metadata))
        }
        if not new:
            break
        found |= new
    names = list(found.values())
    return {label: names.count(label) for label in sorted(labels) if label in names}


def _source(match: Match) -> str:
    """The identity of its source, as every writer tells it; empty for what vragd did not make."""
    return str(match.metadata.get("source", ""))
