"""
What an index elsewhere finds by vectors, by words, or by both, as one list.

By words means the server's own full text. Its scores and a vector's have no scale in common, so the two lists are
fused by the places that a match has in them (Cormack, Clarke and Büttcher, SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from vragd.backends.base import Match, Matches, VectorBackend, finding_words
from vragd.errors import Unsupported
from vragd.search.folder import Narrowed, spellings, within, within_sources
from vragd.search.wanted import wanted
from vragd.stores import twins
from vragd.sync.vectors import source_of
from vragd.system.lanes import Beside

DAMPING = 60  # theirs: how little the first places count for more than those after them


SEVERAL = 1_000
"""Matches among which those of a source are looked for that is known by its name alone."""


def nearest(backend: VectorBackend, name: str, vector: np.ndarray, top_k: int, folder: str = "") -> list[Match]:
    """The nearest in a folder, with payload, each note once."""
    return _below(
        folder,
        lambda n, where: twins.best(
            backend, name, lambda m: backend.query(name, vector, m, where=where, payload=True), n
        ),
        top_k,
    )


def _below(folder: str, best: Callable[[int, Narrowed], list[Match]], top_k: int) -> list[Match]:
    """The best in a folder from its source or, where there is nothing, as hits print it: behind the source's name."""
    if hits := best(top_k, within(folder)):
        return hits
    label, _, rest = folder.strip("/").partition("/")
    if not label:
        return []
    called = spellings(label)
    known = best(SEVERAL, within(rest))  # an index knows sources by their keys
    uids = {source_of(match.key) for match in known if match.payload.get("source_name") in called}
    if not uids:
        return []
    return best(top_k, within_sources(uids, rest))


def found(
    backend: VectorBackend, name: str, text: str, vector: np.ndarray | None, top_k: int, folder: str = ""
) -> list[Match]:
    """
    What words of `text` find in a folder, with payload, each note once; with a vector that, too, fused.

    `score`, where both were asked, is the share of what a match has that comes first in both lists, in (0, 1]. Raises
    Unsupported for a backend that finds no words.
    """
    if (finding := finding_words(backend)) is None:
        raise Unsupported(
            "this backend has no full text of its own", condition="words",
            hint="ask it without --mode; a store of this machine that is kept there has --mode hybrid and keyword",
        )  # fmt: skip
    words = wanted(text)

    def find(n: int, where: Narrowed) -> Matches:
        ask = partial(finding.query_words, name, words, n, where=where)
        if vector is None:
            return ask()
        by_words = Beside("full text", ask)  # the server is asked for both at once
        return fused(backend.query(name, vector, n, where=where, payload=True), by_words.result())

    return _below(folder, lambda n, where: twins.best(backend, name, lambda m: find(m, where), n), top_k)


def fused(*lists: Matches) -> Matches:
    """Lists that are each best first as one."""
    shares: dict[str, float] = {}
    first: dict[str, Match] = {}
    for matches in lists:
        for place, match in enumerate(matches.items):
            shares[match.key] = shares.get(match.key, 0.0) + (DAMPING + 1) / (DAMPING + 1 + place) / len(lists)
            first.setdefault(match.key, match)
    ends = {matches.end for matches in lists}
    ranked = sorted(shares, key=lambda key: (-shares[key], key))
    items = [replace(first[key], score=shares[key]) for key in ranked]
    return Matches(items, "more" if "more" in ends else "limit" if "limit" in ends else "exhausted")
